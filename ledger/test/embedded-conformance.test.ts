import { Client, credentials } from '@grpc/grpc-js';
import type { GrpcClient } from '@hyperledger/fabric-gateway';
import { expect } from 'vitest';
import { createAuthority } from '../src/ca.ts';
import { type EmbeddedConfig, type EmbeddedNode, openEmbedded } from '../src/embedded/index.ts';
import { type ConformanceNetwork, ledgerConformance } from './conformance.ts';
import { ConformanceContract } from './conformance-contract.ts';
import { authority, CHANNEL, clientOf, configOf, gatewayOf, POLICIES, rootAuthority } from './fixture/embedded.ts';
import { eventually, follow } from './fixture/follower.ts';

ledgerConformance('The embedded node in process', () => openNetwork(async (node) => ({ client: node.client() })));

ledgerConformance('The embedded node over gRPC', () =>
  openNetwork(async (node) => {
    const { address } = await node.serve();
    const client = new Client(address, credentials.createInsecure());
    return { client, close: () => client.close() };
  }),
);

ledgerConformance('A follower of the embedded node', () =>
  openNetwork(async (node, chaincodes) => {
    const follower = await follow(node.client(), {}, configOf(chaincodes));
    await follower.caughtUp();
    return {
      client: follower.client(),
      update: (height) => eventually(() => expect(follower.height()).toBeGreaterThan(height)),
      async close() {
        await eventually(() => expect(follower.height()).toBe(node.height()));
        await follower.verifyChain();
        await follower.close();
      },
    };
  }),
);

interface Reached {
  readonly client: GrpcClient;
  /** Waits for what changed when there were this many blocks. */
  readonly update?: (height: number) => Promise<void>;
  readonly close?: () => void | Promise<void>;
}

async function openNetwork(
  reach: (node: EmbeddedNode, chaincodes: EmbeddedConfig['chaincodes']) => Promise<Reached>,
): Promise<ConformanceNetwork> {
  const chaincodes = Object.entries(POLICIES).map(([name, endorsement]) => ({
    name,
    version: '1.0',
    endorsement,
    contracts: [ConformanceContract],
  }));
  const node = await openEmbedded(configOf(chaincodes), { folder: ':memory:' });
  const { client, close, update } = await reach(node, chaincodes);
  return {
    channel: CHANNEL,
    mspIds: ['AMSP', 'BMSP', 'CMSP'],
    chaincodes: { any: 'any', every: 'every', two: 'two' },
    member: async (mspId, attributes) => clientOf(mspId, attributes),
    byRoot: async () => clientOf('CMSP', {}, rootAuthority('CMSP')),
    stranger: async (mspId) => clientOf(mspId, {}, createAuthority({ mspId, organisation: 'embedded' })),
    connect: (member) => gatewayOf(client, member),
    async revoke({ identity }) {
      const ca = authority(identity.mspId);
      ca.revoke(Buffer.from(identity.credentials).toString());
      const height = node.height();
      node.updateOrganisation({ mspId: identity.mspId, crls: [ca.crl()] });
      await update?.(height);
    },
    async [Symbol.asyncDispose]() {
      await close?.();
      await node.verifyChain();
      await node.close();
    },
  };
}
