import type { ChannelConfig, EmbeddedConfig } from '@yilian/ledger/embedded';
import { MAIN, type RegionDescription } from './description.ts';
import type { Layout } from './layout.ts';
import type { CredentialFiles } from './pki.ts';

/** Configuration of `chain-main.ts`. */
export interface ChainConfig {
  readonly chaincode: string;
  readonly endorsement: string;
  readonly folder: string;
  readonly port: number;
  readonly network: Omit<EmbeddedConfig, 'chaincodes'>;
}

/** Configuration of `view-main.ts`. */
export interface ViewConfig {
  readonly chaincode: string;
  readonly endorsement: string;
  readonly folder: string;
  readonly port: number;
  /** `host:port` of the main chain. */
  readonly upstream: string;
  readonly network: Omit<ChannelConfig, 'chaincodes'>;
  readonly identity: CredentialFiles & { readonly mspId: string };
}

/** A network on the embedded node: a peer of every organisation, and the first one's orderer. */
export async function chainConfig(layout: Layout, network: string): Promise<ChainConfig> {
  const { pki } = layout;
  const trust = await layout.trust(network);
  const organisations = await Promise.all(
    trust.organisations.map(async ({ mspId, roots }) => {
      const { certificate, privateKey } = await pki.credential(mspId, 'peer', {
        commonName: `peer.${mspId}`,
        role: 'peer',
      });
      return { mspId, roots, peer: { certificate, privateKey } };
    }),
  );
  const [first] = trust.organisations;
  const mspId = first?.mspId ?? '';
  const { certificate, privateKey } = await pki.credential(mspId, 'orderer', {
    commonName: `orderer.${mspId}`,
    role: 'orderer',
  });
  return {
    chaincode: trust.chaincode,
    endorsement: trust.endorsement,
    folder: await layout.folder(network, 'chain'),
    port: layout.port(`${network}/chain`),
    network: {
      network,
      channel: network,
      organisations,
      orderer: { mspId, certificate, privateKey, formerCertificates: await pki.formerOrderers(mspId) },
    },
  };
}

/** A region's own view of the main chain, under the identity its relay has there. */
export async function viewConfig(layout: Layout, region: RegionDescription): Promise<ViewConfig> {
  const { chaincode, endorsement, network } = await chainConfig(layout, MAIN);
  const { privateKey: _, ...orderer } = network.orderer;
  const { main } = await layout.relayIdentities(region);
  const name = `${region.region}/main-view`;
  return {
    chaincode,
    endorsement,
    folder: await layout.folder(name),
    port: layout.port(name),
    upstream: layout.address(`${MAIN}/chain`),
    network: {
      network: network.network,
      channel: network.channel,
      organisations: network.organisations.map(({ peer: _, ...organisation }) => organisation),
      orderer,
    },
    identity: { mspId: main.mspId, certificateFile: main.certificateFile, privateKeyFile: main.privateKeyFile },
  };
}
