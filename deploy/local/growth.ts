import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { writeWhole } from '@yilian/service';
import {
  DESCRIPTION_FILE,
  type Description,
  majorityOf,
  type OrganisationDescription,
  type RegionDescription,
  readDescription,
} from './description.ts';
import { DeployError } from './errors.ts';
import type { FabricChains } from './fabric.ts';
import { BFT_ORDERERS, type DescribedNetwork, networksOf } from './fabric-networks.ts';
import { readIfThere } from './files.ts';
import type { Layout } from './layout.ts';
import { Registrar } from './registrar.ts';

/** In which a change that has begun keeps what the federation was described as before. */
const BEFORE_FILE = 'changing.json';

/** Begins a change: from now on the state is the one of `after`, on its way from `before`. */
export function rememberBefore(state: string, before: Description, after: Description): void {
  writeWhole(join(state, BEFORE_FILE), JSON.stringify(before, null, 2));
  writeWhole(join(state, DESCRIPTION_FILE), JSON.stringify(after, null, 2));
}

/** What a state was described as before a change that has not ended. @throws DeployError DESCRIPTION_INVALID */
export async function readBefore(state: string): Promise<Description | undefined> {
  const file = join(state, BEFORE_FILE);
  return (await readIfThere(file)) === undefined ? undefined : readDescription(file);
}

/**
 * Refuses for a host of several: what only some of its organisations' keys are here for cannot be changed from here.
 * @throws DeployError CHANGE_UNSUPPORTED
 */
export function requireAlone({ host }: Layout): void {
  demand(
    host === undefined,
    'a federation that is spread over hosts cannot change or renew its nodes while it runs: no host has the keys of all',
  );
}

export function forgetBefore(state: string): void {
  rmSync(join(state, BEFORE_FILE), { force: true });
}

/**
 * Checks that a federation that lives can become what another description says: organisations, regions and authorities
 * may come, orderers and second peers come and go; what it is founded on stays.
 * @throws DeployError CHANGE_UNSUPPORTED naming what cannot be changed
 */
export function requireGrowth(before: Description, after: Description): void {
  const { regions, authorities, orderers: _, ...founded } = before;
  const { regions: nextRegions, authorities: nextAuthorities, orderers: __, ...next } = after;
  demand(isSame(founded, next), 'only organisations, regions, authorities, orderers and peers can change');
  const arriving = new Set(nextRegions.map(({ region }) => region));
  for (const { region } of regions) arriving.delete(region);
  for (const authority of authorities) {
    const now = nextAuthorities.find(({ mspId }) => mspId === authority.mspId);
    demand(now !== undefined, `${authority.mspId} cannot go`);
    const speaksAnew = authority.region === undefined && arriving.has(now?.region ?? '');
    demand(speaksAnew || isSame(now, authority), `${authority.mspId} can only come to speak for a region that comes`);
  }
  const comes = nextAuthorities.length - authorities.length;
  demand(
    comes <= 1,
    `${comes} authorities come at once; each changes what a majority is, so take in one after the other`,
  );
  for (const region of regions)
    requireRegionGrowth(
      region,
      nextRegions.find((each) => each.region === region.region),
    );
  for (const network of networksOf(before)) requireSameConsensus(network, networksOf(after));
}

/**
 * Makes the networks and the registry of a federation what its layout describes, where all processes run. Whoever comes
 * is trusted first and endorses then, so that every proof holds; only where a majority of the authorities grows with them
 * must they endorse first. It can be done again after an interruption.
 * @throws FabricError, LedgerError, DeployError NOT_READY
 */
export async function grow(
  layout: Layout,
  before: Description,
  fabric: FabricChains,
  say: (step: string) => void,
  signal: AbortSignal,
): Promise<void> {
  using registrar = await Registrar.open(layout, before);
  const majority = ({ authorities }: Description): number => majorityOf(authorities.length);
  if (majority(before) === majority(layout.description)) {
    const validFrom = (await registrar.updateMain()) ?? 0;
    if (validFrom > Date.now()) say('waiting until the authorities’ new trust roots are in force');
    await delay(Math.max(0, validFrom - Date.now()), undefined, { signal });
  }
  for (const { entry } of await registrar.chain.regions())
    if (await registrar.updateRegion(entry)) say(`the main chain has the new entry of ${entry.region}`);
  await fabric.reconcile(signal, say);
  if ((await registrar.updateMain()) !== undefined) say('the authorities’ new trust roots are on the main chain');
}

function requireRegionGrowth(before: RegionDescription, after: RegionDescription | undefined): void {
  const { region, name, organisations } = before;
  if (after === undefined) throw unsupported(`${region} cannot go`);
  demand(after.name === name, `${region} keeps its name`);
  for (const organisation of organisations) {
    const now = after.organisations.find(({ mspId }) => mspId === organisation.mspId);
    demand(now !== undefined && isSame(lasting(now), lasting(organisation)), `${organisation.mspId} stays as it is`);
    demand((now?.peers ?? 1) >= (organisation.peers ?? 1), `${organisation.mspId} keeps its peers`);
  }
}

/** Two orderers of four could not go on without each other's kind. */
function requireSameConsensus({ name, orderers }: DescribedNetwork, after: readonly DescribedNetwork[]): void {
  const next = after.find((each) => each.name === name)?.orderers ?? [];
  const isBft = (size: number): boolean => size >= BFT_ORDERERS;
  demand(
    isBft(orderers.length) === isBft(next.length),
    `${name} cannot go from ${orderers.length} to ${next.length} orderers: with ${BFT_ORDERERS} it orders by SmartBFT, with fewer by Raft; name its orderers`,
  );
}

/** What an organisation is, whatever it runs. */
function lasting({ peers: _, ...organisation }: OrganisationDescription): object {
  return organisation;
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function demand(holds: boolean, otherwise: string): void {
  if (!holds) throw unsupported(otherwise);
}

function unsupported(why: string): DeployError {
  return new DeployError('CHANGE_UNSUPPORTED', why);
}
