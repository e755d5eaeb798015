import { asked, type Change, type ChangeOptions } from './change.ts';
import { membersOf } from './channel-config.ts';
import { readConfiguration } from './configuration.ts';
import { hasConsenterAt } from './consenters.ts';
import { hasJoined } from './lifecycle.ts';
import { admit } from './membership.ts';
import { addOrderer, removeOrderer } from './ordering.ts';
import type { OrganisationPlan } from './plan.ts';
import type { Site } from './site.ts';
import { joinFromSnapshot, type SnapshotJoin } from './snapshot.ts';

/**
 * Brings a live channel to its plan: new peers, then new organisations, then orderers one after the other, those that
 * come before those that go. What is there already is left alone, so that it can be done again after an interruption.
 * @throws FabricError FABRIC_COMMAND FABRIC_NOT_READY FABRIC_SIGNATURES FABRIC_APPROVALS FABRIC_QUORUM
 */
export async function reconcile(site: Site, options: ChangeOptions): Promise<Change> {
  const { signal } = options;
  const { organisations, orderers } = site.plan;
  const config = await readConfiguration(site, { signal });
  const members = membersOf(config);
  const changes: Change[] = [];
  for (const organisation of organisations.filter(({ mspId }) => members.includes(mspId)))
    for (const join of await missingPeers(site, organisation, options))
      changes.push(await joinFromSnapshot(site, join, options));
  for (const { mspId } of organisations.filter((each) => !members.includes(each.mspId)))
    changes.push(await admit(site, mspId, options));
  for (const { name, endpoint } of orderers.filter(({ leaves }) => leaves !== true))
    if (!hasConsenterAt(config, endpoint)) changes.push(await addOrderer(site, name, options));
  for (const { name } of orderers.filter(({ leaves }) => leaves === true))
    changes.push(await removeOrderer(site, name, options));
  return {
    steps: changes.flatMap(({ steps }) => steps),
    consents: changes.flatMap(({ consents }) => consents),
  };
}

async function missingPeers(
  site: Site,
  { mspId, peers }: OrganisationPlan,
  options: ChangeOptions,
): Promise<readonly SnapshotJoin[]> {
  const joined = await Promise.all(
    peers.map(({ name }) =>
      asked(hasJoined(site.administrator(mspId, name), site.plan.channel, options.signal), options, false),
    ),
  );
  const from = peers.find((_, index) => joined[index])?.name;
  if (from === undefined) return [];
  return peers.filter((_, index) => !joined[index]).map(({ name }) => ({ mspId, peer: name, from }));
}
