import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from '@yilian/ledger';
import { MainChain } from '@yilian/main-chain';
import { FederationId, MspId, parser } from '@yilian/protocol';
import Fastify, { type FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import { PseudonymAuthority } from './authority.ts';
import { PseudonymError } from './errors.ts';

const File = Type.String({ minLength: 1, maxLength: 4096 });
const object = <P extends Parameters<typeof Type.Object>[0]>(properties: P) =>
  Type.Object(properties, { additionalProperties: false });

/** Configuration of the pseudonym service. */
export const PseudonymConfig = object({
  federation: FederationId,
  /** Holds the PRF key and the audit log. */
  folder: File,
  host: Type.String({ minLength: 1, maxLength: 255 }),
  port: Type.Integer({ minimum: 0, maximum: 65_535 }),
  main: object({
    address: Type.String({ minLength: 3, maxLength: 255 }),
    channel: Type.String({ pattern: '^[a-z][a-z0-9.-]{0,248}$' }),
    mspId: MspId,
    certificateFile: File,
    privateKeyFile: File,
  }),
});
export type PseudonymConfig = Static<typeof PseudonymConfig>;

const parseConfig = parser('pseudonym configuration', PseudonymConfig);
const BODY_BYTES = 16 * 1024;
const REGISTRY_TTL_MS = 5_000;

/** @throws CONFIG_INVALID */
export async function readConfig(file: string): Promise<PseudonymConfig> {
  try {
    return parseConfig(JSON.parse(await readFile(file, 'utf8')));
  } catch (cause) {
    throw new PseudonymError('CONFIG_INVALID', cause instanceof Error ? cause.message : 'unreadable', { cause });
  }
}

/** The service's routes; does not listen. */
export function buildApp(authority: PseudonymAuthority): FastifyInstance {
  const app = Fastify({ bodyLimit: BODY_BYTES, requestTimeout: 15_000, http: { headersTimeout: 5_000 } });
  app.setErrorHandler((error, _request, reply) => {
    const known = error instanceof PseudonymError ? error : undefined;
    const malformed =
      known === undefined && error instanceof Error && 'statusCode' in error && Number(error.statusCode) < 500;
    const code = known?.code ?? (malformed ? 'MALFORMED' : 'INTERNAL');
    void reply.code(known?.status ?? (malformed ? 400 : 500)).send({ code, message: known?.message ?? 'refused' });
  });
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).send({ code: 'UNKNOWN_ROUTE', message: 'no such route' }),
  );
  app.post('/v1/pseudonyms', ({ body }) => authority.answer(body));
  app.get('/ready', () => ({ ready: true }));
  return app;
}

/** Starts the service; the PRF key is made the first time. */
export async function startPseudonyms(
  config: PseudonymConfig,
): Promise<{ readonly url: string; close(): Promise<void> }> {
  await mkdir(config.folder, { recursive: true, mode: 0o700 });
  const { main } = config;
  const certificate = await readFile(main.certificateFile, 'utf8');
  const privateKey = await readFile(main.privateKeyFile, 'utf8');
  const connection = connect({ client: main.address, identity: { mspId: main.mspId, certificate }, privateKey });
  const chain = new MainChain(connection, main.channel);
  let known: { readonly at: number; readonly regions: ReturnType<MainChain['regions']> } | undefined;
  const regions = async () => {
    if (known === undefined || Date.now() - known.at > REGISTRY_TTL_MS)
      known = { at: Date.now(), regions: chain.regions() };
    try {
      return (await known.regions).map(({ entry }) => entry);
    } catch (cause) {
      known = undefined;
      throw new PseudonymError('REGISTRY_UNAVAILABLE', 'the main chain does not answer', { cause });
    }
  };
  const key = await prfKey(join(config.folder, 'prf.key'));
  const authority = new PseudonymAuthority({
    federation: config.federation,
    key,
    keyEpoch: 1,
    regions,
    auditFile: join(config.folder, 'audit.log'),
  });
  const app = buildApp(authority);
  const url = await app.listen({ host: config.host, port: config.port });
  return {
    url,
    async close() {
      await app.close();
      connection.close();
    },
  };
}

async function prfKey(file: string): Promise<Uint8Array> {
  try {
    await writeFile(file, randomBytes(32), { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
  const key = await readFile(file);
  if (key.length !== 32) throw new PseudonymError('CONFIG_INVALID', 'the PRF key is damaged');
  return new Uint8Array(key);
}
