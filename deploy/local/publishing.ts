import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import type { PublishOptions } from '@yilian/client';
import type { Coding } from '@yilian/protocol';
import { parseCid } from '@yilian/vault';
import type { OpenHospital } from './actors.ts';
import { DeployError } from './errors.ts';

/** One document on its way from a hospital's own system. */
export interface Source {
  readonly name: string;
  readonly scope: string;
  readonly codes: readonly Coding[];
  readonly sizeBytes: number;
  /** Opens the bytes anew each time. */
  read(): AsyncIterable<Uint8Array>;
}

export interface Published {
  readonly name: string;
  readonly recordId: string;
  readonly transactionId: string;
  readonly cid: string;
  readonly sizeBytes: number;
  readonly sealedSizeBytes: number;
  /** SHA-256 of the document, hexadecimal. */
  readonly sha256: string;
}

const CODES: Readonly<Record<string, { readonly scope: string; readonly code: string }>> = {
  '.dcm': { scope: 'imaging', code: 'application/dicom' },
  '.pdf': { scope: 'encounter', code: 'application/pdf' },
  '.json': { scope: 'encounter', code: 'application/fhir+json' },
};

/** A person's own file. @throws DeployError FILE_UNREADABLE */
export async function fileSource(path: string, scope?: string): Promise<Source> {
  const kind = CODES[extname(path).toLowerCase()] ?? { scope: 'encounter', code: 'application/octet-stream' };
  const found = await stat(path).catch((cause: unknown) => {
    throw new DeployError('FILE_UNREADABLE', `cannot read ${path}`, { cause });
  });
  if (!found.isFile()) throw new DeployError('FILE_UNREADABLE', `${path} is not a file`);
  return {
    name: basename(path),
    scope: scope ?? kind.scope,
    codes: [{ system: 'urn:ietf:bcp:13', code: kind.code }],
    sizeBytes: found.size,
    read: () => createReadStream(path, { highWaterMark: 1 << 20 }),
  };
}

/** Seals and publishes one document and puts a replica with the region's other holders. */
export async function publish(
  { hospital, replicas }: OpenHospital,
  pseudonym: string,
  source: Source,
  options: Pick<PublishOptions, 'onProgress' | 'signal'> = {},
): Promise<Published> {
  const { recordId, transactionId, cid, sealedSizeBytes, plainSizeBytes, sha256 } = await hospital.publish({
    pseudonym,
    scope: source.scope,
    codes: [...source.codes],
    source: source.read(),
    ...options,
  });
  const { signal } = options;
  for (const replica of await replicas())
    await replica.pin(parseCid(cid), { sizeBytes: sealedSizeBytes, ...(signal && { signal }) });
  return { name: source.name, recordId, transactionId, cid, sizeBytes: plainSizeBytes, sealedSizeBytes, sha256 };
}

/** SHA-256 (hexadecimal) and size of what a stream yields. */
export async function measure(
  stream: AsyncIterable<Uint8Array>,
): Promise<{ readonly sha256: string; readonly sizeBytes: number }> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const piece of stream) {
    hash.update(piece);
    sizeBytes += piece.length;
  }
  return { sha256: hash.digest('hex'), sizeBytes };
}
