import { createHash } from 'node:crypto';
import { open, readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { parser } from '@yilian/protocol';
import { type Static, Type } from '@yilian/schema';
import { writeWhole } from '@yilian/service';
import { DeployError } from '../errors.ts';
import { readIfThere } from '../files.ts';

/** Written last: a folder without it is no backup. */
const MANIFEST_FILE = 'manifest.json';
const FORMAT = 1;
const CHUNK_BYTES = 1 << 20;

const object = <P extends Parameters<typeof Type.Object>[0]>(properties: P) =>
  Type.Object(properties, { additionalProperties: false });
const Count = Type.Integer({ minimum: 0 });
/** Below the backup, never out of it. */
const Path = Type.String({ pattern: '^(?!.*(?:^|/)\\.{1,2}(?:/|$))[^/\\0]+(?:/[^/\\0]+)*$', maxLength: 4096 });

const BackupFile = object({ path: Path, sizeBytes: Count, sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }) });
type BackupFile = Static<typeof BackupFile>;

/** One network as it was when nobody ordered: what its chain had, and what the copies of its nodes have at most. */
const NetworkHeight = object({
  network: Type.String(),
  height: Count,
  copies: Type.Array(object({ process: Type.String(), height: Count })),
});
export type NetworkHeight = Static<typeof NetworkHeight>;

/** What a backup is a backup of. Times are epoch milliseconds. */
const Manifest = object({
  format: Type.Integer(),
  federation: Type.String(),
  /** When nobody ordered: what was recorded later is not in it. */
  takenAt: Count,
  versions: Type.Record(Type.String(), Type.String()),
  networks: Type.Array(NetworkHeight),
  /** Sealed bodies that no holder had whole. */
  missing: Type.Array(object({ region: Type.String(), cid: Type.String() })),
  files: Type.Array(BackupFile),
});
export type Manifest = Static<typeof Manifest>;

const parse = parser('backup manifest', Manifest);

/** Makes a folder a backup: everything in it is on the disk and named, with its hash, before the manifest is there. */
export async function seal(
  folder: string,
  about: Omit<Manifest, 'format' | 'files'>,
  signal: AbortSignal,
): Promise<Manifest> {
  const files: BackupFile[] = [];
  for (const path of await filesOf(folder)) files.push({ path, ...(await measure(join(folder, path), signal, true)) });
  for (const path of await foldersOf(folder)) await syncFolder(path);
  const manifest: Manifest = { format: FORMAT, ...about, files };
  writeWhole(join(folder, MANIFEST_FILE), JSON.stringify(manifest, null, 2));
  await syncFolder(folder);
  return manifest;
}

/** @throws DeployError BACKUP_INVALID */
export async function readManifest(folder: string): Promise<Manifest> {
  const text = await readIfThere(join(folder, MANIFEST_FILE));
  if (text === undefined)
    throw invalid(`${folder} has no ${MANIFEST_FILE}: nothing was backed up there, or the backup did not end`);
  try {
    const { format } = JSON.parse(text) as { format?: unknown };
    if (format === FORMAT) return parse(JSON.parse(text));
  } catch (cause) {
    throw invalid(`${MANIFEST_FILE} is damaged`, cause);
  }
  throw invalid(`${MANIFEST_FILE} is of another version`);
}

/** Whether a folder is what its manifest says, byte for byte. @throws DeployError BACKUP_INVALID naming what is not */
export async function requireWhole(folder: string, { files, networks }: Manifest, signal: AbortSignal): Promise<void> {
  const known = new Set(files.map(({ path }) => path));
  const there = new Set(await filesOf(folder));
  demand(
    [...known].filter((path) => !there.has(path)),
    'is missing',
  );
  demand(
    [...there].filter((path) => !known.has(path) && path !== MANIFEST_FILE),
    'is in no manifest',
  );
  demand([...known].filter(isWrapKey), 'would keep what was destroyed');
  for (const { height, copies } of networks)
    demand(
      copies.filter((copy) => copy.height > height).map(({ process }) => process),
      'is ahead of its orderers',
    );
  for (const file of files) {
    const found = await measure(join(folder, file.path), signal);
    demand(found.sizeBytes === file.sizeBytes && found.sha256 === file.sha256 ? [] : [file.path], 'was changed');
  }
}

/** The key of a grant's fragments, which no backup may have. */
function isWrapKey(path: string): boolean {
  return /\/proxy\/[^/]+\/wrap\//.test(path);
}

/** Size and hash of a file; `durable`: it is on the disk then. */
async function measure(
  file: string,
  signal: AbortSignal,
  durable = false,
): Promise<{ readonly sizeBytes: number; readonly sha256: string }> {
  await using handle = await open(file, durable ? 'r+' : 'r');
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  let sizeBytes = 0;
  for (;;) {
    signal.throwIfAborted();
    const { bytesRead } = await handle.read(buffer, 0, CHUNK_BYTES);
    if (bytesRead === 0) break;
    hash.update(buffer.subarray(0, bytesRead));
    sizeBytes += bytesRead;
  }
  if (durable) await handle.sync();
  return { sizeBytes, sha256: hash.digest('hex') };
}

/** Whatever is no folder counts as a file: a link is in no manifest. */
async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .toSorted();
}

async function foldersOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return [
    folder,
    ...entries.filter((entry) => entry.isDirectory()).map(({ parentPath, name }) => join(parentPath, name)),
  ];
}

async function syncFolder(path: string): Promise<void> {
  await using handle = await open(path, 'r');
  await handle.sync();
}

function demand(wrong: readonly string[], what: string): void {
  if (wrong.length > 0)
    throw invalid(`${wrong.slice(0, 3).join(', ')}${wrong.length > 3 ? ` and ${wrong.length - 3} more` : ''} ${what}`);
}

function invalid(why: string, cause?: unknown): DeployError {
  return new DeployError('BACKUP_INVALID', why, { cause });
}
