import { connect, type Gateway, hash } from '@hyperledger/fabric-gateway';
import { type Credential, createAuthority, createSigner, openClient } from '@yilian/ledger';
import { ledgerConformance, type Member } from '@yilian/ledger/conformance';
import { it, vi } from 'vitest';
import { findBinaries } from '../src/index.ts';
import { RunningNetwork } from './fixture/running.ts';

const MSP_IDS = ['AMSP', 'BMSP', 'CMSP'] as const;
const PEERS = "'AMSP.peer', 'BMSP.peer', 'CMSP.peer'";
const module = new URL('./fixture/conformance-contracts.ts', import.meta.url).href;
const binaries = await findBinaries().catch((error: unknown) => error as Error);

if (binaries instanceof Error)
  it.skip(`a Fabric network behaves like one (skipped: ${binaries.message})`, () => undefined);
else {
  vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });
  ledgerConformance(`Hyperledger Fabric ${binaries.version}`, async () => {
    const running = await RunningNetwork.start(binaries, {
      channel: 'records',
      consensus: 'raft',
      batch: { timeoutMs: 100, maxMessages: 200 },
      mspIds: MSP_IDS,
      orderers: ['AMSP'],
      intermediates: ['CMSP'],
      chaincodes: [
        { name: 'any', endorsement: `OR(${PEERS})`, module },
        { name: 'every', endorsement: `AND(${PEERS})`, module },
        { name: 'two', endorsement: `OutOf(2, ${PEERS})`, module },
      ],
    });
    const clients = new Map(
      MSP_IDS.map((mspId) => {
        const { address, tls } = running.network.access(mspId, 'peer0');
        return [mspId as string, openClient(address, tls)];
      }),
    );
    return {
      channel: 'records',
      mspIds: MSP_IDS,
      chaincodes: { any: 'any', every: 'every', two: 'two' },
      member: async (mspId, attributes = {}) =>
        memberOf(mspId, running.authorities.get(mspId)!.issue({ commonName: 'client', role: 'client', attributes })),
      byRoot: async () => memberOf('CMSP', running.roots.get('CMSP')!.issue({ commonName: 'by root', role: 'client' })),
      stranger: async (mspId) =>
        memberOf(mspId, createAuthority({ mspId }).issue({ commonName: 'stranger', role: 'client' })),
      connect: ({ identity, signer }): Gateway =>
        connect({ client: clients.get(identity.mspId)!, identity, signer, hash: hash.none }),
      async revoke({ identity }) {
        const authority = running.authorities.get(identity.mspId)!;
        authority.revoke(Buffer.from(identity.credentials).toString());
        await running.network.revoke(identity.mspId, [authority.crl()]);
      },
      async [Symbol.asyncDispose]() {
        for (const client of clients.values()) client.close();
        await running[Symbol.asyncDispose]();
      },
    };
  });
}

function memberOf(mspId: string, { certificate, privateKey }: Credential): Member {
  const sign = createSigner(privateKey);
  return {
    identity: { mspId, credentials: Buffer.from(certificate) },
    signer: (message) => Promise.resolve(sign(message)),
  };
}
