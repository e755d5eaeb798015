import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAuthority } from '@yilian/ledger';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { type Endpoint, FabricNetwork, findBinaries, type NetworkPlan } from '../src/index.ts';

const binaries = await findBinaries().catch((error: unknown) => error as Error);
/** Nothing is started. */
const nowhere: Endpoint = { host: '127.0.0.1', port: 1 };
const PEER = 'organisations/AMSP/peers/peer0';
const OTHER = 'organisations/BMSP/peers/peer0';
const ORDERER = 'orderers/orderer0';

function planOf(): NetworkPlan {
  return {
    channel: 'owned',
    consensus: 'raft',
    batch: { timeoutMs: 10, maxMessages: 10 },
    organisations: ['AMSP', 'BMSP'].map((mspId) => ({
      mspId,
      authority: createAuthority({ mspId }),
      tlsAuthority: createAuthority({ mspId: `${mspId}-tls` }),
      peers: [{ name: 'peer0', endpoint: nowhere, chaincode: nowhere, operations: nowhere }],
    })),
    orderers: [{ name: 'orderer0', mspId: 'AMSP', endpoint: nowhere, admin: nowhere, operations: nowhere }],
    chaincodes: [],
  };
}

if (binaries instanceof Error)
  it.skip(`a node’s folder with wrong certificates (skipped: ${binaries.message})`, () => undefined);
else
  describe('a node’s folder', () => {
    let folder: string;
    let plan: NetworkPlan;
    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'yilian-ownership-'));
      onTestFinished(() => rm(folder, { recursive: true, force: true }));
      plan = planOf();
      (await prepare()).requireValid();
    });
    const prepare = () => FabricNetwork.prepare(plan, folder, binaries);
    const path = (...parts: string[]) => join(folder, ...parts);
    const refusal = async (): Promise<string> => {
      const network = await prepare();
      try {
        network.requireValid();
      } catch (error) {
        expect(error).toMatchObject({ code: 'FABRIC_CERTIFICATE' });
        return (error as Error).message;
      }
      throw new Error('nothing was refused');
    };

    it.each([
      [
        'another organisation’s certificate',
        OTHER,
        /^identity of peer\/AMSP\/peer0: \S+cert\.pem is not by the authority/,
      ],
      ['a certificate for another role', ORDERER, /^identity of peer\/AMSP\/peer0: \S+cert\.pem is of another role/],
    ])('is refused with %s, by name', async (_, from, message) => {
      await cp(path(from, 'msp/signcerts'), path(PEER, 'msp/signcerts'), { recursive: true, force: true });
      expect(await refusal()).toMatch(message);
    });

    it('is refused with another’s key, with what is no certificate, and with another’s for TLS: all at once', async () => {
      await cp(path(OTHER, 'msp/keystore/key.pem'), path(PEER, 'msp/keystore/key.pem'));
      await cp(path(OTHER, 'tls/cert.pem'), path(PEER, 'tls/cert.pem'));
      await writeFile(path(ORDERER, 'tls/cert.pem'), '-----BEGIN CERTIFICATE-----\n');
      const message = await refusal();
      expect(message.split('; ')).toEqual([
        expect.stringMatching(/^identity of peer\/AMSP\/peer0: \S+key\.pem is not the key of/),
        expect.stringMatching(/^TLS of peer\/AMSP\/peer0: \S+cert\.pem is not by the authority/),
        expect.stringMatching(/^TLS of orderer\/orderer0: \S+cert\.pem holds no certificate/),
      ]);
      expect(message).not.toContain('PRIVATE');
    });

    it('is filled anew when it was emptied, but for an orderer that has run: the channel knows it by what it had', async () => {
      await Promise.all(
        [PEER, ORDERER, 'organisations/AMSP'].map((each) => rm(path(each, 'msp'), { recursive: true })),
      );
      (await prepare()).requireValid();
      const before = await readFile(path(PEER, 'msp/signcerts/cert.pem'), 'utf8');
      (await prepare()).requireValid();
      expect(await readFile(path(PEER, 'msp/signcerts/cert.pem'), 'utf8')).toBe(before);
      await writeFile(path(ORDERER, 'data/wal'), '');
      await prepare();
      await rm(path(ORDERER, 'msp'), { recursive: true });
      await expect(prepare()).rejects.toMatchObject({
        code: 'FABRIC_CERTIFICATE',
        message: expect.stringContaining('orderer/orderer0 has lost') as string,
      });
    });
  });
