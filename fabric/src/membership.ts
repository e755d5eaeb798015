import { definitionSteps } from './chaincode.ts';
import { asked, type Change, type ChangeOptions, perform, type Step } from './change.ts';
import {
  addMember,
  constituencyOf,
  membersOf,
  type OrganisationGroup,
  orderingMembersOf,
  removeMember,
} from './channel-config.ts';
import { command } from './command.ts';
import { configtx } from './configtx.ts';
import { readConfiguration, reconfigurationStep } from './configuration.ts';
import { FabricError } from './errors.ts';
import { everywhere } from './everywhere.ts';
import { writeYaml } from './files.ts';
import { hasJoined, joinPeer } from './lifecycle.ts';
import type { Site } from './site.ts';
import { setVoters, votersOf } from './voting.ts';

/**
 * Takes an organisation into the channel: its entry, its peers, its contracts; where the planned endorsement policy of a
 * chaincode is not the committed one, for instance because it names the organisation, the definition is changed too.
 * Its peers and contract servers have to run.
 * @throws FabricError FABRIC_COMMAND FABRIC_NOT_READY FABRIC_UNPLANNED FABRIC_SIGNATURES FABRIC_APPROVALS
 */
export async function admit(site: Site, mspId: string, options: ChangeOptions): Promise<Change> {
  const { signal } = options;
  const organisation = site.organisation(mspId);
  const config = await readConfiguration(site, { signal });
  const before = membersOf(config);
  const members = [...new Set([...before, mspId])];
  const voters = [...new Set([...votersOf(config), ...(organisation.reads === true ? [] : [mspId])])];
  const group = await entryOf(site, mspId, signal);
  const anchors = organisation.peers.slice(0, 1).map(({ endpoint }) => endpoint);
  const entry = reconfigurationStep(
    site,
    config,
    {
      what: `${mspId} becomes a member of ${site.plan.channel}`,
      parts: ['Application'],
      change: (each) => {
        addMember(each, mspId, group, anchors);
        setVoters(each, voters);
      },
    },
    options,
  );
  const joined = await Promise.all(
    site.administrators(organisation).map((each) => asked(hasJoined(each, site.plan.channel, signal), options, false)),
  );
  const joining: Step = {
    what: `the peers of ${mspId} join ${site.plan.channel}`,
    run: async () => {
      const genesis = site.path('genesis.block');
      for (const each of site.administrators(organisation)) await joinPeer(each, genesis, signal);
      await everywhere(site, members, signal);
    },
  };
  const consenting = [...(options.consenting ?? before), mspId];
  const definitions = await Promise.all(
    site.plan.chaincodes.map((chaincode) =>
      definitionSteps(site, chaincode, { members, voters }, { ...options, consenting }),
    ),
  );
  return perform([...entry, ...(joined.every(Boolean) ? [] : [joining]), ...definitions.flat()], options);
}

/**
 * Takes an organisation out of the channel, and out of the endorsement policies: what is planned may not name it. Its
 * orderers have to be gone before; its processes may then be stopped.
 * @throws FabricError FABRIC_COMMAND FABRIC_NOT_READY FABRIC_UNPLANNED FABRIC_SIGNATURES FABRIC_APPROVALS
 */
export async function dismiss(site: Site, mspId: string, options: ChangeOptions): Promise<Change> {
  const { signal } = options;
  const { channel, chaincodes } = site.plan;
  const naming = chaincodes.find(({ endorsement }) => endorsement.includes(`'${mspId}.`));
  if (naming) throw new FabricError('FABRIC_UNPLANNED', `the policy of ${naming.name} still names ${mspId}`);
  const config = await readConfiguration(site, { signal });
  if (orderingMembersOf(config).includes(mspId))
    throw new FabricError('FABRIC_UNPLANNED', `${mspId} still has an orderer of ${channel}`);
  const members = membersOf(config);
  const staying = members.filter((each) => each !== mspId);
  if (staying.length === 0) throw new FabricError('FABRIC_QUORUM', `${mspId} is the last member of ${channel}`);
  const consenting = (options.consenting ?? staying).filter((each) => each !== mspId);
  const definitions = await Promise.all(
    chaincodes.map((chaincode) => definitionSteps(site, chaincode, constituencyOf(config), { ...options, consenting })),
  );
  const entry = reconfigurationStep(
    site,
    config,
    {
      what: `${mspId} is no longer a member of ${channel}`,
      parts: ['Application'],
      change: (each) => {
        removeMember(each, mspId);
        setVoters(
          each,
          votersOf(each).filter((voter) => voter !== mspId),
        );
      },
    },
    { ...options, consenting },
  );
  const steps = [...definitions.flat(), ...entry];
  const change = await perform(steps, options);
  if (options.dryRun !== true && steps.length > 0) await everywhere(site, staying, signal);
  return change;
}

/** An organisation's entry as configtxgen writes it into a genesis block. @throws FabricError FABRIC_COMMAND */
export async function entryOf(site: Site, mspId: string, signal?: AbortSignal): Promise<OrganisationGroup> {
  const folder = site.path('entries', mspId);
  writeYaml(`${folder}/configtx.yaml`, configtx(site.plan, site.genesisFiles()));
  const said = await command(site.binaries.configtxgen, ['-printOrg', mspId], { config: folder, signal });
  return JSON.parse(said.slice(said.indexOf('{'), said.lastIndexOf('}') + 1)) as OrganisationGroup;
}
