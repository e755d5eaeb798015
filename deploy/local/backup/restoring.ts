import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, open, readdir, rm, statfs, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DESCRIPTION_FILE, readDescription } from '../description.ts';
import { readEngines } from '../engines.ts';
import { DeployError } from '../errors.ts';
import { kuboNodes } from '../kubo.ts';
import { Layout } from '../layout.ts';
import { findSources } from '../sources.ts';
import { putBodies } from './bodies.ts';
import { openUnchanging } from './heights.ts';
import { type Manifest, readManifest, requireWhole } from './manifest.ts';
import { BODIES, KEPT, proxyFolders, SECRET } from './parts.ts';
import { requireReadable, versionsOf } from './versions.ts';

/** There while a state is being restored: what is in it is not whole. */
const RESTORING_FILE = 'restoring';

/** Grants whose key fragments are gone with the proxies' wrapping keys. */
export interface LostGrants {
  readonly region: string;
  readonly grants: readonly string[];
}

/** Whether a backup is whole and can be read here; nothing is written. @throws DeployError BACKUP_INVALID; as `findSources` */
export async function verifyBackup(folder: string, signal: AbortSignal): Promise<Manifest> {
  const manifest = await readManifest(folder);
  await requireWhole(folder, manifest, signal);
  requireReadable(manifest.versions, versionsOf(await findSources(await readEngines(join(folder, SECRET)))));
  return manifest;
}

/**
 * Makes an empty folder the state that a backup is of. Everything in it is verified before anything is written.
 * @throws DeployError BACKUP_INVALID STATE_FOREIGN DISK_FULL PROCESS_FAILED; as `findSources`
 */
export async function restoreBackup(
  folder: string,
  state: string,
  say: (step: string) => void,
  signal: AbortSignal,
): Promise<{ readonly manifest: Manifest; readonly lost: readonly LostGrants[] }> {
  await requireEmpty(state);
  say('verifying every file');
  const manifest = await verifyBackup(folder, signal);
  await requireRoom(state, manifest);
  await writeFile(join(state, RESTORING_FILE), '', { mode: 0o600, flush: true });
  say('copying');
  for (const { path } of manifest.files) {
    signal.throwIfAborted();
    const [part = '', ...rest] = path.split('/');
    if (part !== SECRET && part !== KEPT) continue;
    const to = join(state, ...rest);
    await mkdir(dirname(to), { recursive: true, mode: 0o700 });
    await copyFile(join(folder, path), to);
    await chmod(to, 0o600);
    await using file = await open(to, 'r+');
    await file.sync();
  }
  const layout = await Layout.open(state, await readDescription(join(state, DESCRIPTION_FILE)));
  const { kubo } = await findSources(layout.engines);
  if (kubo !== undefined) await kuboNodes(layout, kubo, () => undefined);
  say('putting the sealed bodies back with their holders');
  await putBodies(layout, join(folder, BODIES), manifest.missing, kubo?.program, signal);
  const lost = lostGrants(layout);
  await rm(join(state, RESTORING_FILE));
  return { manifest, lost };
}

/** To be asked before a state is used. @throws DeployError STATE_DAMAGED when its restoration did not end */
export function requireRestored(state: string): void {
  if (existsSync(join(state, RESTORING_FILE)))
    throw new DeployError('STATE_DAMAGED', `restoring ${state} did not end: empty the folder and restore again`);
}

function lostGrants(layout: Layout): readonly LostGrants[] {
  const byRegion = new Map<string, Set<string>>();
  for (const { region, folder } of proxyFolders(layout)) {
    const grants = byRegion.get(region) ?? new Set();
    byRegion.set(region, grants);
    const database = openUnchanging(layout.path(folder, 'grants.db'));
    try {
      const rows = database
        .prepare(`SELECT grant_id FROM grants WHERE stage = 'held' AND not_after > ?`)
        .all(Date.now());
      for (const row of rows) grants.add(String(row['grant_id']));
    } finally {
      database.close();
    }
  }
  return [...byRegion].map(([region, grants]) => ({ region, grants: [...grants].toSorted() }));
}

async function requireEmpty(state: string): Promise<void> {
  await mkdir(state, { recursive: true, mode: 0o700 });
  if ((await readdir(state)).length > 0)
    throw new DeployError('STATE_FOREIGN', `${state} is not empty; restore into another folder, or remove it`);
}

async function requireRoom(state: string, { files }: Manifest): Promise<void> {
  const neededBytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const { bavail, bsize } = await statfs(state);
  if (bavail * bsize < neededBytes)
    throw new DeployError('DISK_FULL', `less than ${Math.ceil(neededBytes / 2 ** 20)} MiB are free at ${state}`);
}
