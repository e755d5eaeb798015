import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { accepting } from '@yilian/service';
import { FabricError } from './errors.ts';
import { write } from './files.ts';
import { writeOrganisationMsp } from './msp.ts';
import type { OrdererPlan, OrganisationPlan } from './plan.ts';
import type { Site } from './site.ts';

const CONNECT_MS = 2_000;
const RETRY_MS = 500;
const NO_LEADER = /SERVICE_UNAVAILABLE/;
const LEADER_MS = 30_000;

/** What is needed here of an organisation on another machine: its MSP, and the TLS roots by which its nodes are known. */
export function writeElsewhere(site: Site, organisation: OrganisationPlan): void {
  const folder = (...parts: readonly string[]) => join(site.home(organisation.mspId), ...parts);
  writeOrganisationMsp(folder('msp'), organisation);
  const { rootPem } = organisation.tlsAuthority;
  write(folder('admin/tls/roots.pem'), rootPem);
  for (const { name } of organisation.peers) write(folder('peers', name, 'tls/roots.pem'), rootPem);
}

/** Where a genesis block's makers look for an orderer's certificates. */
export function writeOrdererElsewhere(site: Site, orderer: OrdererPlan): void {
  if (orderer.certificates === undefined) return;
  const files = site.genesisFiles();
  write(files.identity(orderer), orderer.certificates.identity);
  write(files.tls(orderer), orderer.certificates.tls);
}

/** An orderer on another machine that takes connections, besides those left out. */
export async function reachableElsewhere(site: Site, without: readonly string[]): Promise<OrdererPlan | undefined> {
  const elsewhere = site.plan.orderers.filter(
    (orderer) => !site.heldOrderers.includes(orderer) && !without.includes(orderer.name),
  );
  const reached = elsewhere.map(async (orderer) => {
    const { host, port } = orderer.endpoint;
    await accepting(port, AbortSignal.timeout(CONNECT_MS), host);
    return orderer;
  });
  return Promise.any(reached).catch(() => undefined);
}

/**
 * Tries again what others may still keep from succeeding: organisations of other machines so long, and orderers that
 * have no leader yet.
 * @throws the FabricError of the last try when there was no success in time
 */
export async function patiently<T>(work: () => Promise<T>, othersMs: number, signal?: AbortSignal): Promise<T> {
  for (const begun = Date.now(); ; ) {
    try {
      return await work();
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof FabricError)) throw error;
      const patienceMs = NO_LEADER.test(error.message) ? Math.max(LEADER_MS, othersMs) : othersMs;
      if (Date.now() - begun > patienceMs || patienceMs === 0) throw error;
    }
    await delay(RETRY_MS, undefined, { signal });
  }
}
