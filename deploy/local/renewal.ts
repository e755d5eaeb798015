import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import {
  dropSuccessor,
  dueOf,
  type HeldCertificate,
  putInPlace,
  renewalOf,
  stageSuccessor,
  successorIn,
} from '@yilian/fabric';
import { commission, majorityOf } from './description.ts';
import { DeployError } from './errors.ts';
import { FederationWatch } from './founding.ts';
import type { Layout } from './layout.ts';
import { Registrar } from './registrar.ts';

export interface ServiceRenewal {
  readonly layout: Layout;
  /** Renews what expires in so many days. */
  readonly withinDays: number;
  /** Starts anew what runs with other certificates than there are by now, and returns when everything serves. */
  readonly exchange: () => Promise<void>;
  readonly say: (step: string) => void;
  readonly signal: AbortSignal;
}

const MIRRORED_MS = 60_000;
const POLL_MS = 100;
/** Proxies and attesters ask their own peers who is a relay every second. */
const HEARD_MS = 1_500;

/** What {@link renewServices} would do. */
export async function renewalSteps(layout: Layout, withinDays: number): Promise<readonly string[]> {
  return stepsOf(layout, await dueIn(layout, withinDays));
}

/**
 * Renews the certificates of services and clients: each for the same subject and role, with a new key. Whoever others
 * know by the authority alone has the new one at once. A relay is known by its certificate: the main chain gets the new
 * one beside the old, every region mirrors it, the relay is started anew with it, and the old one is taken out. It can be
 * done again after an interruption.
 * @throws FabricError, LedgerError, DeployError NOT_READY PROCESS_FAILED
 */
export async function renewServices(renewal: ServiceRenewal): Promise<readonly string[]> {
  const { layout, withinDays, exchange, say } = renewal;
  const due = await dueIn(layout, withinDays);
  if (due.length === 0) return [];
  const steps = stepsOf(layout, due);
  const isRelay = ({ holder }: HeldCertificate): boolean => holder.startsWith('relay/');
  const [relays, others] = [due.filter(isRelay), due.filter((each) => !isRelay(each))];
  for (const step of steps) say(step);
  for (const each of due) stageSuccessor(each);
  await replace(layout, others);
  await exchange();
  for (const each of others) dropSuccessor(each);
  const waiting = relays.filter((each) => !isInPlace(each));
  if (waiting.length > 0) {
    await register(renewal, 'the main chain gets the relays’ new certificates beside the old ones');
    await replace(layout, waiting);
    await exchange();
  }
  if (relays.length > 0) {
    await register(renewal, 'the main chain gives the relays’ old certificates up');
  }
  for (const each of relays) dropSuccessor(each);
  return steps;
}

/** Every organisation's, but of nodes of Fabric, which their networks renew. */
async function dueIn({ description, pki }: Layout, withinDays: number): Promise<readonly HeldCertificate[]> {
  const members = [...description.authorities, ...description.regions.flatMap(({ organisations }) => organisations)];
  const mspIds = [...new Set(members.map(({ mspId }) => mspId))];
  return dueOf(await pki.issued(mspIds), withinDays, Date.now());
}

function stepsOf({ description, regions }: Layout, due: readonly HeldCertificate[]): readonly string[] {
  const authorities = description.authorities.map(({ mspId }) => mspId);
  const consent = `approved by ${majorityOf(authorities.length)} of ${authorities.join(', ')}`;
  const registered = regions.map((region) => `relay/${commission(region).mspId}`);
  return due.map((each) => {
    const first = registered.includes(each.holder) ? `, on the main chain first, ${consent}` : '';
    return `${renewalOf(each.holder, [each], Date.now())}${first}`;
  });
}

async function replace({ pki }: Layout, held: readonly HeldCertificate[]): Promise<void> {
  for (const each of held) {
    if (each.holder.startsWith('orderer/')) await pki.keepOrderer(each.authority.mspId);
    putInPlace(each);
  }
}

function isInPlace(held: HeldCertificate): boolean {
  return readFileSync(held.certificate, 'utf8') === successorIn(held);
}

/** Brings what the main chain has of every relay to what is here, and waits until everybody knows. */
async function register({ layout, say, signal }: ServiceRenewal, step: string): Promise<void> {
  using registrar = await Registrar.open(layout);
  for (const { entry } of await registrar.chain.regions()) await registrar.updateRegion(entry);
  say(step);
  using watch = await FederationWatch.open(layout);
  const entries = (await registrar.chain.regions()).map(({ entry }) => entry);
  for (const deadline = Date.now() + MIRRORED_MS; !(await watch.mirrored(entries)); ) {
    if (Date.now() > deadline) throw new DeployError('NOT_READY', 'a region has not mirrored the relays’ certificates');
    await delay(POLL_MS, undefined, { signal });
  }
  await delay(HEARD_MS, undefined, { signal });
}
