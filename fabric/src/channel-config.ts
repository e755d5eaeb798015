import { type Consent, majorityOf } from './change.ts';
import type { Endpoint } from './plan.ts';
import { votersOf } from './voting.ts';

/** A channel's configuration as configtxlator writes it in JSON; only what is read or changed here is named. */
export interface ChannelConfig {
  readonly sequence: string;
  readonly channel_group: {
    readonly groups: { readonly Application: ApplicationGroup; readonly Orderer: OrdererGroup };
  };
}

interface OrganisationGroups {
  readonly groups: Record<string, OrganisationGroup>;
}

/** The part of those who use the channel; `voting.ts` knows its policies. */
interface ApplicationGroup extends OrganisationGroups {
  readonly policies: Record<string, { policy: { readonly type: number; readonly value: unknown } }>;
}

/** The orderers' part; `consenters.ts` knows its values. */
interface OrdererGroup extends OrganisationGroups {
  readonly values: Record<string, Value<never>>;
  readonly policies: Record<string, { policy: { type: number; value: unknown } }>;
}

/** What a change may be of: a part of the channel, or an organisation's own entry. */
export type Part = 'Application' | 'Orderer' | { readonly mspId: string };

/** An organisation's entry, the same for both parts but for what each alone may hold. */
export interface OrganisationGroup {
  readonly values: {
    readonly MSP: Value<{ readonly config: MspConfig }>;
    AnchorPeers?: Value<{ anchor_peers: Endpoint[] }>;
    Endpoints?: Value<{ addresses: string[] }>;
  };
}

interface Value<T> {
  readonly mod_policy: string;
  readonly version: string;
  value: T;
}

/** Lists are of base64. */
interface MspConfig {
  revocation_list?: string[];
}

const ADMINS = 'Admins';

/** The organisations that use the channel. */
export function membersOf({ channel_group }: ChannelConfig): readonly string[] {
  return Object.keys(channel_group.groups.Application.groups).toSorted();
}

/** Who uses a channel, and who of these has a voice. */
export interface Constituency {
  readonly members: readonly string[];
  readonly voters: readonly string[];
}

export function constituencyOf(config: ChannelConfig): Constituency {
  return { members: membersOf(config), voters: votersOf(config) };
}

/** The organisations that have orderers of the channel. */
export function orderingMembersOf({ channel_group }: ChannelConfig): readonly string[] {
  return Object.keys(channel_group.groups.Orderer.groups).toSorted();
}

/** Whose signatures a change of these parts needs, under the policies that `configtx.ts` gives a channel. */
export function signaturesFor(config: ChannelConfig, parts: readonly Part[]): readonly Consent[] {
  return parts.map((part) => {
    if (typeof part === 'object') return { needed: 1, of: [part.mspId] };
    return majorityOf(part === 'Application' ? votersOf(config) : orderingMembersOf(config));
  });
}

/** Adds an organisation that uses the channel; one that is there stays as it is. */
export function addMember(
  { channel_group }: ChannelConfig,
  mspId: string,
  group: OrganisationGroup,
  anchors: readonly Endpoint[],
): void {
  const { groups } = channel_group.groups.Application;
  if (groups[mspId] !== undefined) return;
  const { Endpoints: _, ...values } = group.values;
  const anchor_peers = anchors.map(({ host, port }) => ({ host, port }));
  groups[mspId] = { ...group, values: { ...values, AnchorPeers: ownValue({ anchor_peers }) } };
}

/** Takes an organisation from those that use the channel. */
export function removeMember({ channel_group }: ChannelConfig, mspId: string): void {
  delete channel_group.groups.Application.groups[mspId];
}

/** Puts an organisation's revocation lists (PEM) in the place of those before, wherever the channel knows the organisation. */
export function setRevocationLists(config: ChannelConfig, mspId: string, crls: readonly string[]): void {
  const lists = crls.map((pem) => Buffer.from(pem).toString('base64'));
  const { Application, Orderer } = config.channel_group.groups;
  for (const { groups } of [Application, Orderer]) {
    const organisation = groups[mspId];
    if (organisation !== undefined) organisation.values.MSP.value.config.revocation_list = lists;
  }
}

/** A value that an organisation's administrators may change. */
export function ownValue<T>(value: T): Value<T> {
  return { mod_policy: ADMINS, version: '0', value };
}
