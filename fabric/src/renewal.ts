import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { dropSuccessor, dueOf, type HeldCertificate, putInPlace, renewalOf, stageSuccessor } from './certificates.ts';
import { type Change, type ChangeOptions, perform, type Step } from './change.ts';
import { membersOf } from './channel-config.ts';
import { readConfiguration, reconfigurationStep } from './configuration.ts';
import { type Consenter, consentersOf, hasConsenter, partsFor, putConsenter } from './consenters.ts';
import { everywhere } from './everywhere.ts';
import { entryOf } from './membership.ts';
import { consenterOf, settled } from './ordering.ts';
import type { Site } from './site.ts';

export interface RenewalOptions extends ChangeOptions {
  /** Renews what expires in so many days. */
  readonly withinDays: number;
  /** Starts a process anew, by its name, and returns when it listens. */
  readonly restart: (program: string) => Promise<void>;
  /** Epoch milliseconds. */
  readonly now: number;
}

/**
 * Renews the certificates of an organisation's administrators, contract servers and peers, one process after the other.
 * The channel knows the authorities only, so nothing changes there.
 * @throws FabricError FABRIC_UNPLANNED, and what `restart` throws
 */
export async function renewOrganisation(site: Site, mspId: string, options: RenewalOptions): Promise<Change> {
  const { withinDays, now, restart } = options;
  const organisation = site.organisation(mspId);
  const held = site.certificates().filter(({ holder }) => /^(admin|contracts|peer)$/.test(holder.split('/')[0] ?? ''));
  const due = dueOf(
    held.filter(({ holder }) => holder.split('/')[1] === mspId),
    withinDays,
    now,
  );
  const holders = [...new Set(due.map(({ holder }) => holder))];
  const steps = holders.map((holder): Step => {
    const own = due.filter((each) => each.holder === holder);
    return {
      what: renewalOf(holder, own, now),
      run: async () => {
        for (const each of own) {
          stageSuccessor(each);
          putInPlace(each);
        }
        const [kind, , peer = ''] = holder.split('/');
        if (kind === 'contracts') for (const { name } of site.served(organisation)) await restart(name);
        if (kind === 'peer') {
          forgetBuilds(site, mspId, peer);
          await restart(holder);
        }
        for (const each of own) dropSuccessor(each);
      },
    };
  });
  return perform(steps, options);
}

/** What was built holds the certificate with which the peer goes to its contract server. */
function forgetBuilds(site: Site, mspId: string, peer: string): void {
  site.writeBuilderConfig(site.organisation(mspId), peer);
  rmSync(join(site.home(mspId), 'peers', peer, 'data/externalbuilder'), { recursive: true, force: true });
}

/**
 * A leader of Raft hands over before its certificate is exchanged on the channel. With nobody to hand over to, the key
 * stays: Fabric knows consenters by it.
 */
function soleSteps(
  site: Site,
  due: readonly HeldCertificate[],
  { now, restart, signal }: RenewalOptions,
): readonly Step[] {
  const [first] = due;
  if (first === undefined) return [];
  const run = async (): Promise<void> => {
    for (const each of due) {
      stageSuccessor(each, { keepsKey: each.use === 'TLS' });
      putInPlace(each);
    }
    await restart(first.holder);
    await settled(site, 1, [], signal);
    await everywhere(site, membersOf(await readConfiguration(site, { signal })), signal);
    for (const each of due) dropSuccessor(each);
  };
  return [{ what: `${renewalOf(first.holder, due, now)}, its TLS key kept`, run }];
}

/**
 * Renews an orderer's certificates: the channel's consenter changes first, then the process, which is started anew, and
 * then it has to order with the others. One orderer at a time.
 * @throws FabricError FABRIC_COMMAND FABRIC_NOT_READY FABRIC_SIGNATURES FABRIC_UNPLANNED, and what `restart` throws
 */
export async function renewOrderer(site: Site, name: string, options: RenewalOptions): Promise<Change> {
  const { withinDays, now, restart, signal } = options;
  const { channel } = site.plan;
  const orderer = site.orderer(name);
  const { mspId } = orderer;
  const holder = `orderer/${name}`;
  const held = site.certificates().filter((each) => each.holder === holder);
  const due = dueOf(held, withinDays, now);
  if (site.plan.orderers.length === 1) return perform(soleSteps(site, due, options), options);
  const without = [name];
  const config = await readConfiguration(site, { signal, without });
  const present = consenterOf(site, orderer);
  if (due.length === 0 && hasConsenter(config, present)) return perform([], options);
  const group = await entryOf(site, mspId, signal);
  const run = async (): Promise<void> => {
    const pem = new Map(due.map((each) => [each.use, readFileSync(stageSuccessor(each).certificate, 'utf8')]));
    const next: Consenter = {
      ...present,
      identity: pem.get('identity') ?? present.identity,
      tls: pem.get('TLS') ?? present.tls,
    };
    const change = { what, parts, change: (each: typeof config) => putConsenter(each, next, group), without };
    for (const step of reconfigurationStep(site, config, change, options)) await step.run();
    for (const each of due) putInPlace(each);
    await restart(holder);
    const current = await readConfiguration(site, { signal, without });
    await settled(site, consentersOf(current).length, [name], signal);
    await everywhere(site, membersOf(current), signal);
    for (const each of due) dropSuccessor(each);
  };
  const what = `${renewalOf(holder, due, now)}, in ${channel} first`;
  const parts = partsFor(config, present).slice(0, 1);
  const asked = reconfigurationStep(
    site,
    config,
    { what, parts, change: (each) => putConsenter(each, { ...present, identity: '', tls: '' }, group) },
    options,
  );
  return perform([{ what, consents: asked.flatMap(({ consents }) => consents ?? []), run }], options);
}
