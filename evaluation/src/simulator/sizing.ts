import type { Chain } from './chain.ts';
import type { Costs } from './costs.ts';
import type { Machines, Role } from './machine.ts';
import type { Load, Scenario } from './scenario.ts';

/** No machine shall be busier, so that a failure or a busy day leaves it room. */
const BUSIEST = 0.6;
const YEAR_MS = 365 * 86_400_000;
/** Regions that hold records of one patient, on the mean (assumption). */
const REGIONS_PER_PATIENT = 1.3;

/** What happened within a time that counts. */
export interface Observed {
  readonly durationMs: number;
  /** By station: work that was asked for, milliseconds of one server. */
  readonly work: readonly number[];
  /** Busiest line between places: how long it takes to send what was given to it, milliseconds. */
  readonly lineMs: number;
  /** By chain: bytes of one copy, and those of them that are written as often at night. */
  readonly chains: readonly { readonly all: number; readonly steady: number }[];
}

export interface MachinesNeeded {
  /** Work asked of the busiest station or line as a share of what it can do; above 1 its queue grows without end. */
  readonly utilisation: number;
  readonly machines: number;
  readonly machinesByRole: Readonly<Partial<Record<Role, number>>>;
  readonly machinesPerOrganisation: number;
  /**
   * Whether so many machines are enough. Each peer validates every transaction of its chain, so that no second one relieves a peer whose
   * blocks alone keep it busier than it shall be; it is counted then by what it lacks. Nor do machines relieve a line.
   */
  readonly carries: boolean;
}

/** Machines of the placement’s size with which none is busier than 60 %; every part has one of its own at least. */
export function machinesNeeded(machines: Machines, observed: Observed, organisations: number): MachinesNeeded {
  const shares = new Map(
    machines.stations.map((station, index) => [
      station,
      (observed.work[index] ?? 0) / (observed.durationMs * station.servers),
    ]),
  );
  const lines = observed.lineMs / observed.durationMs;
  const utilisation = Math.max(lines, ...shares.values());
  if (machines.placement.shared)
    return {
      utilisation,
      machines: 1,
      machinesByRole: {},
      machinesPerOrganisation: 1 / organisations,
      carries: utilisation < BUSIEST,
    };
  const needed: Partial<Record<Role, number>> = {};
  let carries = lines < BUSIEST;
  for (const { role, work, blocks } of machines.all) {
    const calls = shares.get(work) ?? 0;
    const validating = blocks === undefined ? 0 : (shares.get(blocks) ?? 0);
    const bound = validating >= BUSIEST;
    const count = bound ? (calls + validating) / BUSIEST : calls / (BUSIEST - validating);
    needed[role] = (needed[role] ?? 0) + Math.max(1, Math.ceil(count));
    carries &&= !bound;
  }
  const all = Object.values(needed).reduce((sum, count) => sum + count, 0);
  return {
    utilisation,
    machines: all,
    machinesByRole: needed,
    machinesPerOrganisation: all / organisations,
    carries,
  };
}

/** A year’s disk at the year’s mean load, bytes: of the largest peer, and of all peers of all chains. */
export function diskOf(
  chains: readonly Chain[],
  observed: Observed,
  load: Load,
  costs: Costs,
): { readonly perPeer: number; readonly all: number } {
  const perYear = (YEAR_MS / observed.durationMs) * costs.diskPerChainByte;
  const peers = chains.map((chain, index) => {
    const { all = 0, steady = 0 } = observed.chains[index] ?? {};
    return { each: ((all - steady) * load.meanToSimulated + steady) * perYear, count: chain.peers.length };
  });
  return {
    perPeer: Math.max(...peers.map(({ each }) => each)),
    all: peers.reduce((sum, { each, count }) => sum + each * count, 0),
  };
}

/** Of one copy of the index of who has records where; nobody has one who asks everybody, or whose chain has the records themselves. */
export function indexBytes({ scheme, referrals }: Scenario, { indexEntryBytes }: Costs): number {
  const indexed = scheme === 'federation' || scheme === 'central-index';
  return indexed ? referrals.patients * REGIONS_PER_PATIENT * indexEntryBytes : 0;
}
