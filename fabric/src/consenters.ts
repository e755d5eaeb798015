import { type ChannelConfig, type OrganisationGroup, ownValue, type Part } from './channel-config.ts';
import { FabricError } from './errors.ts';
import { addressOf, type Endpoint } from './plan.ts';
import { outOf, type SignaturePolicy } from './signature-policy.ts';

/** An orderer as the channel knows it. Certificates are PEM. */
export interface Consenter {
  readonly host: string;
  readonly port: number;
  readonly mspId: string;
  readonly identity: string;
  readonly tls: string;
}

/** As configtxlator writes them; certificates are base64 of PEM. Raft's have no id, organisation and identity. */
interface Entry {
  readonly host: string;
  readonly port: number;
  readonly client_tls_cert: string;
  readonly server_tls_cert: string;
}
interface MappedEntry extends Entry {
  readonly id: number;
  readonly msp_id: string;
  readonly identity: string;
}

interface OrdererValues {
  readonly ConsensusType: { readonly value: { readonly metadata: { consenters?: Entry[] } } };
  readonly Orderers?: { readonly value: { consenter_mapping: MappedEntry[] } };
}

/** SmartBFT outlives the loss of one orderer of four. */
const BFT_MINIMUM = 4;

/** The consenters of a channel. */
export function consentersOf(config: ChannelConfig): readonly { readonly host: string; readonly port: number }[] {
  const { ConsensusType, Orderers } = valuesOf(config);
  return Orderers?.value.consenter_mapping ?? ConsensusType.value.metadata.consenters ?? [];
}

/** Whether the channel has a consenter at this address, with these certificates. */
export function hasConsenter(config: ChannelConfig, consenter: Consenter): boolean {
  const entry = consentersOf(config).find((each) => isAt(each, consenter)) as Entry | undefined;
  return entry?.server_tls_cert === base64(consenter.tls);
}

/** Whether the channel has a consenter at this address, whatever its certificates. */
export function hasConsenterAt(config: ChannelConfig, endpoint: Endpoint): boolean {
  return consentersOf(config).some((each) => isAt(each, endpoint));
}

/** What a consenter's addition or removal changes: its organisation's own endpoints too, where that stays. */
export function partsFor({ channel_group }: ChannelConfig, { mspId }: Consenter): readonly Part[] {
  return ['Orderer', ...(channel_group.groups.Orderer.groups[mspId] === undefined ? [] : [{ mspId }])];
}

/**
 * Adds a consenter, or puts its present certificates in the place of those before, with its endpoint in the entry of its
 * organisation, which is added where there is none.
 */
export function putConsenter(config: ChannelConfig, consenter: Consenter, group: OrganisationGroup): void {
  const { groups } = config.channel_group.groups.Orderer;
  const { host, port, mspId, tls, identity } = consenter;
  const address = addressOf(consenter);
  const existing = groups[mspId];
  if (existing === undefined) {
    const { AnchorPeers: _, ...values } = group.values;
    groups[mspId] = { ...group, values: { ...values, Endpoints: ownValue({ addresses: [address] }) } };
  } else {
    const addresses = existing.values.Endpoints?.value.addresses ?? [];
    if (!addresses.includes(address))
      existing.values.Endpoints = {
        ...(existing.values.Endpoints ?? ownValue({})),
        value: { addresses: [...addresses, address] },
      };
  }
  const entry = { client_tls_cert: base64(tls), host, port, server_tls_cert: base64(tls) };
  setConsenters(config, {
    raft: (before) => placed(before, entry),
    bft: (before) => {
      const id = before.find((each) => isAt(each, consenter))?.id ?? Math.max(0, ...before.map((each) => each.id)) + 1;
      return placed(before, { ...entry, id, msp_id: mspId, identity: base64(identity) });
    },
  });
}

/**
 * Removes a consenter and its endpoint, and its organisation's entry among the orderers' when it was the last one of it.
 * @throws FabricError FABRIC_QUORUM when too few would be left
 */
export function removeConsenter(config: ChannelConfig, consenter: Consenter): void {
  const present = consentersOf(config);
  if (!present.some((each) => isAt(each, consenter))) return;
  const least = valuesOf(config).Orderers === undefined ? 1 : BFT_MINIMUM;
  if (present.length <= least)
    throw new FabricError('FABRIC_QUORUM', `no orderer can go: ${least} have to stay, ${present.length} are there`);
  const without = <T extends Entry>(before: readonly T[]) => before.filter((each) => !isAt(each, consenter));
  setConsenters(config, { raft: without, bft: without });
  const { groups } = config.channel_group.groups.Orderer;
  const endpoints = groups[consenter.mspId]?.values.Endpoints;
  if (endpoints === undefined) return;
  endpoints.value.addresses = endpoints.value.addresses.filter((each) => each !== addressOf(consenter));
  if (endpoints.value.addresses.length === 0) delete groups[consenter.mspId];
}

function setConsenters(
  config: ChannelConfig,
  change: {
    raft(before: readonly Entry[]): Entry[];
    bft(before: readonly MappedEntry[]): MappedEntry[];
  },
): void {
  const { ConsensusType, Orderers } = valuesOf(config);
  if (Orderers === undefined) {
    const { metadata } = ConsensusType.value;
    metadata.consenters = change.raft(metadata.consenters ?? []);
    return;
  }
  Orderers.value.consenter_mapping = change.bft(Orderers.value.consenter_mapping);
  const validation = config.channel_group.groups.Orderer.policies['BlockValidation'];
  if (validation) validation.policy = blockValidation(Orderers.value.consenter_mapping);
}

/** Who has to sign a block: a quorum of the consenters, in the order of their mapping. `configtxgen` writes it once only. */
function blockValidation(mapping: readonly MappedEntry[]): SignaturePolicy<object> {
  const n = mapping.length;
  const f = Math.floor((n - 1) / 3);
  const signers = mapping.map(({ msp_id, identity }) => ({ id_bytes: identity, mspid: msp_id }));
  return outOf(Math.ceil((n + f + 1) / 2), 'IDENTITY', signers);
}

function valuesOf({ channel_group }: ChannelConfig): OrdererValues {
  return channel_group.groups.Orderer.values as unknown as OrdererValues;
}

function placed<T extends Entry>(before: readonly T[], entry: T): T[] {
  const index = before.findIndex((each) => isAt(each, entry));
  return index < 0 ? [...before, entry] : before.with(index, sameAs(before[index], entry));
}

/** What was there where nothing differs, so that nothing changes. */
function sameAs<T extends Entry>(before: T | undefined, entry: T): T {
  const same = before !== undefined && Object.entries(entry).every(([key, value]) => before[key as keyof T] === value);
  return same ? before : entry;
}

function isAt(entry: { readonly host: string; readonly port: number }, at: { host: string; port: number }): boolean {
  return entry.host === at.host && entry.port === at.port;
}

function base64(pem: string): string {
  return Buffer.from(pem).toString('base64');
}
