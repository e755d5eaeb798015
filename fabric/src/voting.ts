import { majorityOf } from './change.ts';
import type { ChannelConfig } from './channel-config.ts';
import { outOf, type SignaturePolicy } from './signature-policy.ts';

/** The policies of those who use a channel that a majority of the voters fulfils, and in which role. */
const POLICIES = { Admins: 'admin', Endorsement: 'peer', LifecycleEndorsement: 'peer' } as const;
type Role = (typeof POLICIES)[keyof typeof POLICIES];

/** `common.MSPRole` as configtxlator writes it. */
interface MspRole {
  readonly msp_identifier: string;
  readonly role: string;
}

/** In Fabric's policy language, by name of the policy. */
export function votingRules(voters: readonly string[]): readonly { readonly name: string; readonly rule: string }[] {
  const { needed } = majorityOf(voters);
  return Object.entries(POLICIES).map(([name, role]) => ({
    name,
    rule: `OutOf(${needed}, ${voters.map((mspId) => `'${mspId}.${role}'`).join(', ')})`,
  }));
}

/** The organisations whose majority decides about the channel and its contracts. */
export function votersOf({ channel_group }: ChannelConfig): readonly string[] {
  const { policy } = channel_group.groups.Application.policies['Admins'] ?? {};
  const { identities = [] } = (policy?.value ?? {}) as Partial<SignaturePolicy<MspRole>['value']>;
  return identities.map(({ principal }) => principal.msp_identifier).toSorted();
}

/** Makes these the voters; where they are already, nothing changes. */
export function setVoters(config: ChannelConfig, voters: readonly string[]): void {
  const sorted = voters.toSorted();
  if (JSON.stringify(sorted) === JSON.stringify(votersOf(config))) return;
  const { policies } = config.channel_group.groups.Application;
  for (const [name, role] of Object.entries(POLICIES)) {
    const before = policies[name];
    if (before !== undefined) before.policy = majority(sorted, role);
  }
}

function majority(voters: readonly string[], role: Role): SignaturePolicy<MspRole> {
  const roles = voters.map((msp_identifier) => ({ msp_identifier, role: role.toUpperCase() }));
  return outOf(majorityOf(voters).needed, 'ROLE', roles);
}
