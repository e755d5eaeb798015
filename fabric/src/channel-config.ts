/** A channel's configuration as configtxlator writes it in JSON; only what is changed here is named. */
export interface ChannelConfig {
  readonly channel_group: {
    readonly groups: Readonly<Record<'Application' | 'Orderer', { groups: Record<string, OrganisationGroup> }>>;
  };
}

interface OrganisationGroup {
  readonly values: { readonly MSP: { readonly value: { readonly config: MspConfig } } };
}

/** Lists are of base64. */
interface MspConfig {
  revocation_list?: string[];
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
