import { Client, credentials } from '@grpc/grpc-js';
import type { GrpcClient } from '@hyperledger/fabric-gateway';
import { createAuthority } from '../src/ca.ts';
import { type EmbeddedNode, openEmbedded } from '../src/embedded/index.ts';
import { type ConformanceNetwork, ledgerConformance } from './conformance.ts';
import { ConformanceContract } from './conformance-contract.ts';
import { authority, CHANNEL, clientOf, configOf, gatewayOf, POLICIES } from './fixture/embedded.ts';

ledgerConformance('The embedded node in process', () => openNetwork(async (node) => ({ client: node.client() })));

ledgerConformance('The embedded node over gRPC', () =>
  openNetwork(async (node) => {
    const { address } = await node.serve();
    const client = new Client(address, credentials.createInsecure());
    return { client, close: () => client.close() };
  }),
);

async function openNetwork(
  reach: (node: EmbeddedNode) => Promise<{ client: GrpcClient; close?: () => void }>,
): Promise<ConformanceNetwork> {
  const chaincodes = Object.entries(POLICIES).map(([name, endorsement]) => ({
    name,
    version: '1.0',
    endorsement,
    contracts: [ConformanceContract],
  }));
  const node = await openEmbedded(configOf(chaincodes), { folder: ':memory:' });
  const { client, close } = await reach(node);
  return {
    channel: CHANNEL,
    mspIds: ['AMSP', 'BMSP', 'CMSP'],
    chaincodes: { any: 'any', every: 'every', two: 'two' },
    member: async (mspId, attributes) => clientOf(mspId, attributes),
    stranger: async (mspId) => clientOf(mspId, {}, createAuthority({ mspId, organisation: 'embedded' })),
    connect: (member) => gatewayOf(client, member),
    async revoke({ identity }) {
      const ca = authority(identity.mspId);
      ca.revoke(Buffer.from(identity.credentials).toString());
      node.updateOrganisation({ mspId: identity.mspId, crls: [ca.crl()] });
    },
    async [Symbol.asyncDispose]() {
      close?.();
      await node.verifyChain();
      await node.close();
    },
  };
}
