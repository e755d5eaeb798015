import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { writeWhole } from '@yilian/service';
import { type Cid, contentOfCar, openBlockVault, parseCid } from '@yilian/vault';
import { hospitals } from '../description.ts';
import { DeployError } from '../errors.ts';
import { readJsonIfThere } from '../files.ts';
import { kuboEnvironment } from '../kubo.ts';
import type { Layout } from '../layout.ts';

const run = promisify(execFile);
const CALL_MS = 60_000;
/** As many names as a command line surely takes. */
const IMPORTED_AT_ONCE = 64;

export interface MissingBody {
  readonly region: string;
  readonly cid: string;
}

/**
 * Writes what every holder has pinned as `REGION/MSP.json` below `folder`, and each body of a region once, as
 * `REGION/CID.car`, from whichever holder has it whole. Returns those that nobody has whole.
 */
export async function copyBodies(layout: Layout, folder: string, signal: AbortSignal): Promise<readonly MissingBody[]> {
  const missing: MissingBody[] = [];
  for (const { region } of layout.description.regions) {
    const holders = hospitals(layout.region(region)).map(({ mspId }) => mspId);
    const wanted = new Set<Cid>();
    for (const mspId of holders) {
      const pinned = await pinnedAt(layout, region, mspId, signal);
      for (const cid of pinned) wanted.add(cid);
      writeWhole(join(folder, region, `${mspId}.json`), JSON.stringify(pinned));
    }
    const gateways = holders.map((mspId) => layout.url(`${region}/vault/${mspId}`));
    for (const cid of wanted)
      if (!(await copyCar(cid, gateways, join(folder, region, `${cid}.car`), signal))) missing.push({ region, cid });
  }
  return missing;
}

/**
 * Puts the bodies of a backup back with those who held them. Every block is hashed again on the way.
 * @throws DeployError BACKUP_INVALID PROCESS_FAILED; VaultError
 */
export async function putBodies(
  layout: Layout,
  folder: string,
  missing: readonly MissingBody[],
  kubo: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  for (const { region } of layout.description.regions) {
    const lost = new Set(missing.filter((body) => body.region === region).map(({ cid }) => cid));
    for (const { mspId } of hospitals(layout.region(region))) {
      const list = (await readJsonIfThere(join(folder, region, `${mspId}.json`))) as readonly string[] | undefined;
      const cids = (list ?? []).map((cid) => parseCid(cid)).filter((cid) => !lost.has(cid));
      const car = (cid: Cid): string => join(folder, region, `${cid}.car`);
      if (kubo !== undefined) await importToKubo(kubo, layout.path(region, 'kubo', mspId), cids.map(car), signal);
      else {
        await using vault = await openBlockVault({ folder: layout.path(region, 'vault', mspId), holders: [] });
        for (const cid of cids) {
          const put = await vault.put(contentOfCar(createReadStream(car(cid)), cid), { signal });
          if (put.cid !== cid) throw new DeployError('BACKUP_INVALID', `${car(cid)} is not the body of that name`);
        }
      }
    }
  }
}

async function pinnedAt(layout: Layout, region: string, mspId: string, signal: AbortSignal): Promise<readonly Cid[]> {
  if (layout.engines.vault === 'embedded') {
    await using vault = await openBlockVault({ folder: layout.path(region, 'vault', mspId), holders: [] });
    return vault.pins().map(({ cid }) => cid);
  }
  const url = `${layout.url(`${region}/kubo/${mspId}`)}/api/v0/pin/ls?type=recursive`;
  const response = await fetch(url, {
    method: 'POST',
    signal: AbortSignal.any([signal, AbortSignal.timeout(CALL_MS)]),
  });
  if (!response.ok) throw new DeployError('NOT_READY', `the Kubo of ${mspId} does not tell what it has pinned`);
  const { Keys: keys = {} } = (await response.json()) as { Keys?: Record<string, unknown> };
  return Object.keys(keys).flatMap((cid) => (isOurs(cid) ? [parseCid(cid)] : []));
}

/** Somebody may have pinned something of another kind. */
function isOurs(cid: string): boolean {
  try {
    return parseCid(cid) === cid;
  } catch {
    return false;
  }
}

/** A gateway that does not have a body whole ends its answer halfway. */
async function copyCar(cid: Cid, gateways: readonly string[], file: string, signal: AbortSignal): Promise<boolean> {
  await mkdir(join(file, '..'), { recursive: true, mode: 0o700 });
  for (const gateway of gateways) {
    const response = await fetch(`${gateway}/ipfs/${cid}?format=car`, { signal }).catch(() => undefined);
    signal.throwIfAborted();
    if (response?.ok !== true || response.body === null) {
      await response?.body?.cancel();
      continue;
    }
    await using handle = await open(file, 'w', 0o600);
    const pieces: AsyncIterator<Uint8Array> = response.body[Symbol.asyncIterator]();
    for (;;) {
      const piece = await pieces.next().catch(() => undefined);
      signal.throwIfAborted();
      if (piece === undefined) break;
      if (piece.done === true) return true;
      await handle.writeFile(piece.value);
    }
  }
  await rm(file, { force: true });
  return false;
}

/** While no daemon runs on the repository. */
async function importToKubo(
  program: string,
  repository: string,
  cars: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  for (let from = 0; from < cars.length; from += IMPORTED_AT_ONCE) {
    const some = cars.slice(from, from + IMPORTED_AT_ONCE);
    const env = { ...process.env, ...kuboEnvironment(repository) };
    await run(program, ['--offline', 'dag', 'import', '--pin-roots=true', ...some], { env, signal }).catch(
      (cause: unknown) => {
        signal.throwIfAborted();
        throw new DeployError(
          'PROCESS_FAILED',
          `${program} dag import did not take ${some.length} bodies into ${repository}`,
          { cause },
        );
      },
    );
  }
}
