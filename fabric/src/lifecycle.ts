import type { Binaries } from './binaries.ts';
import { command } from './command.ts';
import { FabricError } from './errors.ts';
import type { CredentialFiles } from './msp.ts';
import type { ChaincodePlan, NetworkPlan } from './plan.ts';

/** An administrator of an organisation at one of its peers, with the `peer` command. */
export interface Administrator {
  readonly program: string;
  /** Folder of its `core.yaml`. */
  readonly config: string;
  readonly address: string;
  readonly roots: string;
}

/** Where an orderer takes transactions, and the file of its TLS roots. */
export interface OrdererAccess {
  readonly address: string;
  readonly roots: string;
}

interface Definition {
  readonly administrators: readonly Administrator[];
  readonly orderer: OrdererAccess;
  /** By chaincode. */
  readonly packageIds: ReadonlyMap<string, string>;
}

const SEQUENCE = '1';
export const VERSION = '1';

/** Joins an orderer to the channel; one that has joined stays. @throws FabricError FABRIC_COMMAND */
export async function joinOrderer(
  { osnadmin }: Binaries,
  channel: string,
  address: string,
  files: CredentialFiles & { readonly roots: string; readonly genesis: string },
  signal?: AbortSignal,
): Promise<void> {
  const { certificate, privateKey, roots, genesis } = files;
  const said = await command(
    osnadmin,
    [
      'channel',
      'join',
      ...flags({ channelID: channel, 'config-block': genesis, 'orderer-address': address }),
      ...flags({ 'ca-file': roots, 'client-cert': certificate, 'client-key': privateKey }),
    ],
    { signal },
  );
  // Its exit code is 0 whatever the orderer answered.
  if (!/Status: 201/.test(said) && !/already exists/.test(said))
    throw new FabricError(
      'FABRIC_COMMAND',
      `orderer ${address} does not join ${channel}: ${said.trim().slice(0, 500)}`,
    );
}

/** How many blocks an orderer has. @throws FabricError FABRIC_COMMAND */
export async function ordererHeight(
  { osnadmin }: Binaries,
  channel: string,
  address: string,
  { certificate, privateKey, roots }: CredentialFiles & { readonly roots: string },
  signal?: AbortSignal,
): Promise<number> {
  const said = await command(
    osnadmin,
    [
      'channel',
      'list',
      '--no-status',
      ...flags({ channelID: channel, 'orderer-address': address }),
      ...flags({ 'ca-file': roots, 'client-cert': certificate, 'client-key': privateKey }),
    ],
    { signal },
  );
  return heightIn(said, `orderer ${address}`);
}

/** How many blocks of a channel a peer has. @throws FabricError FABRIC_COMMAND */
export async function peerHeight(admin: Administrator, channel: string, signal?: AbortSignal): Promise<number> {
  return heightIn(await peer(admin, ['channel', 'getinfo', '-c', channel], signal), `peer ${admin.address}`);
}

function heightIn(said: string, of: string): number {
  const [, height] = /"height":\s*(\d+)/.exec(said) ?? [];
  if (height === undefined) throw new FabricError('FABRIC_COMMAND', `${of} does not tell its height`);
  return Number(height);
}

/** @throws FabricError FABRIC_COMMAND */
export async function joinPeer(admin: Administrator, genesis: string, signal?: AbortSignal): Promise<void> {
  await unless(/already exists/, peer(admin, ['channel', 'join', '-b', genesis], signal));
}

/** @throws FabricError FABRIC_COMMAND */
export async function installPackage(
  admin: Administrator,
  file: string,
  packageId: string,
  signal?: AbortSignal,
): Promise<void> {
  const installed = await peer(admin, ['lifecycle', 'chaincode', 'queryinstalled', '--output', 'json'], signal);
  if (installed.includes(packageId)) return;
  await peer(admin, ['lifecycle', 'chaincode', 'install', file], signal);
}

/** Approves every chaincode for every organisation, then commits it. @throws FabricError FABRIC_COMMAND */
export async function commitChaincodes(
  { channel, chaincodes }: NetworkPlan,
  definition: Definition,
  signal?: AbortSignal,
): Promise<void> {
  const { administrators, orderer, packageIds } = definition;
  const [first] = administrators;
  if (first === undefined) return;
  const known = await peer(
    first,
    ['lifecycle', 'chaincode', 'querycommitted', '--channelID', channel, '--output', 'json'],
    signal,
  );
  const ordering = ['-o', orderer.address, '--tls', '--cafile', orderer.roots];
  const endorsing = administrators.flatMap(({ address, roots }) => [
    '--peerAddresses',
    address,
    '--tlsRootCertFiles',
    roots,
  ]);
  for (const chaincode of chaincodes) {
    if (known.includes(`"name": "${chaincode.name}"`)) continue;
    const terms = [...termsOf(channel, chaincode), ...ordering];
    const packageId = packageIds.get(chaincode.name) ?? '';
    await Promise.all(
      administrators.map((admin) =>
        unless(
          /already been approved|unchanged content|attempted to redefine/,
          peer(admin, ['lifecycle', 'chaincode', 'approveformyorg', '--package-id', packageId, ...terms], signal),
        ),
      ),
    );
    await peer(first, ['lifecycle', 'chaincode', 'commit', ...terms, ...endorsing], signal);
  }
}

function termsOf(channel: string, { name, endorsement }: ChaincodePlan): string[] {
  return flags({ channelID: channel, name, version: VERSION, sequence: SEQUENCE, 'signature-policy': endorsement });
}

function flags(given: Readonly<Record<string, string>>): string[] {
  return Object.entries(given).flatMap(([name, value]) => [`--${name}`, value]);
}

function peer(admin: Administrator, args: readonly string[], signal: AbortSignal | undefined): Promise<string> {
  return command(admin.program, args, { config: admin.config, signal });
}

/** Lets a refusal pass that says the work is done. */
async function unless(done: RegExp, work: Promise<string>): Promise<void> {
  try {
    await work;
  } catch (error) {
    const { cause } = error as { readonly cause?: { readonly stderr?: string } };
    if (!(error instanceof FabricError) || !done.test(cause?.stderr ?? '')) throw error;
  }
}
