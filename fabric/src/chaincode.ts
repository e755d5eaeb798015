import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ApplicationPolicy, type CommittedDefinition, isPolicy } from './chaincode-definition.ts';
import { asked, type ChangeOptions, majorityOf, requireConsent, type Step } from './change.ts';
import type { Constituency } from './channel-config.ts';
import { decoded } from './configtxlator.ts';
import {
  type Administrator,
  approvalOf,
  flags,
  hasJoined,
  installPackage,
  lifecycle,
  type OrdererAccess,
  orderingFlags,
} from './lifecycle.ts';
import { type ChaincodePlan, versionOf } from './plan.ts';
import type { Site } from './site.ts';
import { until } from './until.ts';

const APPROVED_MS = 30_000;

/** Every committed definition of the channel. @throws FabricError FABRIC_COMMAND */
export async function committedDefinitions(
  channel: string,
  administrator: Administrator,
  signal?: AbortSignal,
): Promise<readonly CommittedDefinition[]> {
  const said = await lifecycle(administrator, ['querycommitted', '--channelID', channel, '--output', 'json'], signal);
  const { chaincode_definitions = [] } = JSON.parse(said) as { chaincode_definitions?: CommittedDefinition[] };
  return chaincode_definitions;
}

/**
 * The steps that bring a chaincode's definition to what is planned: installed, approved, and committed as the next
 * sequence where version or policy differ from what is committed. Where they do not, only organisations that have not
 * yet approved do so.
 * @param constituency the organisations that use the channel, or will when the steps are done
 * @throws FabricError FABRIC_COMMAND; its steps FABRIC_APPROVALS when too few approve, naming who does not
 */
export async function definitionSteps(
  site: Site,
  chaincode: ChaincodePlan,
  { members, voters }: Constituency,
  options: ChangeOptions,
): Promise<readonly Step[]> {
  const { consenting = members, signal } = options;
  const { channel } = site.plan;
  const { name, endorsement } = chaincode;
  const version = versionOf(chaincode);
  const planned = site.package(name);
  const endorsing = site.plan.organisations.filter(
    ({ mspId, contracts }) => contracts !== undefined && members.includes(mspId),
  );
  const approving = endorsing.filter(({ mspId }) => consenting.includes(mspId)).map(({ mspId }) => mspId);
  const reader = await readerOf(site, approving, options);
  if (reader === undefined) return [];
  const committed = (await committedDefinitions(channel, reader, signal)).find((each) => each.name === name);
  const isCommitted =
    committed !== undefined &&
    committed.version === version &&
    isPolicy(await decodedPolicy(site, committed.validation_parameter, signal), endorsement);
  const sequence = isCommitted ? committed.sequence : (committed?.sequence ?? 0) + 1;
  const terms = flags({ channelID: channel, name, version, sequence: `${sequence}`, 'signature-policy': endorsement });
  const definition = `${name} ${version} as sequence ${sequence}`;

  const approve = async (mspId: string, access: OrdererAccess): Promise<void> => {
    for (const each of site.administrators(site.organisation(mspId)))
      await installPackage(each, site.packageFile(planned), signal);
    const args = ['approveformyorg', '--package-id', planned.id, ...terms, ...orderingFlags(access)];
    await lifecycle(site.administrator(mspId), args, signal);
  };
  const agreed = isCommitted ? members : await agreedTo(reader, terms, signal);
  const approvals = await Promise.all(
    approving.map(async (mspId) => {
      const approval =
        agreed.includes(mspId) &&
        (await asked(approvalOf(site.administrator(mspId), channel, name, sequence, signal), options, undefined));
      return approval === planned.id ? [] : [{ what: `${mspId} installs and approves ${definition}`, mspId }];
    }),
  );
  const toApprove = approvals.flat();
  const steps: Step[] = [];
  if (toApprove.length > 0)
    steps.push({
      what: toApprove.map(({ what }) => what).join('; '),
      run: async () => {
        const { access } = await site.consenter(signal);
        await Promise.all(toApprove.map(({ mspId }) => approve(mspId, access)));
      },
    });
  if (isCommitted) return steps;
  const consent = majorityOf(voters);
  const commit = async (): Promise<void> => {
    const approved = await approvedBy(site, reader, terms, approving, signal);
    requireConsent('FABRIC_APPROVALS', `${definition} on ${channel}`, consent, approved);
    // Of this machine's organisations only those that agree are asked to endorse.
    const endorsers = endorsing
      .filter(
        ({ mspId, isElsewhere }) =>
          approved.includes(mspId) && voters.includes(mspId) && (isElsewhere === true || approving.includes(mspId)),
      )
      .map(({ mspId }) => site.administrator(mspId));
    const peers = endorsers.flatMap(({ address, roots }) => ['--peerAddresses', address, '--tlsRootCertFiles', roots]);
    const { access } = await site.consenter(signal);
    await lifecycle(reader, ['commit', ...terms, ...orderingFlags(access), ...peers], signal);
  };
  return [
    ...steps,
    { what: `${definition} is committed, endorsed by ${endorsement}`, consents: [consent], run: commit },
  ];
}

/** An administrator at a peer that is on the channel. */
async function readerOf(
  site: Site,
  mspIds: readonly string[],
  options: ChangeOptions,
): Promise<Administrator | undefined> {
  for (const mspId of mspIds) {
    const administrator = site.administrator(mspId);
    const joined = hasJoined(administrator, site.plan.channel, options.signal);
    if (await asked(joined, options, false)) return administrator;
  }
  return undefined;
}

/** Who has approved, when the reader's peer knows of all that have just done so. */
async function approvedBy(
  site: Site,
  reader: Administrator,
  terms: readonly string[],
  expected: readonly string[],
  signal?: AbortSignal,
): Promise<readonly string[]> {
  const look = async () => {
    const agreed = await agreedTo(reader, terms, signal);
    return expected.every((mspId) => agreed.includes(mspId)) && agreed;
  };
  return until(`approvals do not reach a peer of ${site.plan.channel}`, look, { withinMs: APPROVED_MS, signal });
}

/** Who has approved of the terms, as a peer knows it. */
async function agreedTo(
  reader: Administrator,
  terms: readonly string[],
  signal?: AbortSignal,
): Promise<readonly string[]> {
  const said = await lifecycle(reader, ['checkcommitreadiness', ...terms, '--output', 'json'], signal);
  const { approvals } = JSON.parse(said) as { readonly approvals: Readonly<Record<string, boolean>> };
  return Object.keys(approvals).filter((mspId) => approvals[mspId] === true);
}

async function decodedPolicy(site: Site, base64: string, signal?: AbortSignal): Promise<ApplicationPolicy> {
  await using work = await mkdtempDisposable(join(site.folder, 'policy-'));
  const file = join(work.path, 'policy.pb');
  await writeFile(file, Buffer.from(base64, 'base64'));
  return await decoded<ApplicationPolicy>(site.binaries, 'protos.ApplicationPolicy', file, work.path, signal);
}
