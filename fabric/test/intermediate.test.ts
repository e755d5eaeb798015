import {
  type Attester,
  type Authority,
  type Connection,
  type Credential,
  connect,
  createAttester,
  submit,
} from '@yilian/ledger';
import { assembleProof, createMsp, type NetworkTrust, type OutcomeProof, verifyOutcome } from '@yilian/ledger/verify';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { findBinaries } from '../src/index.ts';
import { RunningNetwork } from './fixture/running.ts';

const module = new URL('./fixture/conformance-contracts.ts', import.meta.url).href;
const binaries = await findBinaries().catch((error: unknown) => error as Error);
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });
const CHANNEL = 'records';
const MSP_IDS = ['AMSP', 'BMSP'] as const;

if (binaries instanceof Error)
  it.skip(`an organisation has an intermediate authority (skipped: ${binaries.message})`, () => undefined);
else
  describe.each([
    ['raft', ['BMSP', 'AMSP', 'BMSP']],
    ['bft', ['BMSP', 'AMSP', 'BMSP', 'AMSP']],
  ] as const)('a network by %s, one of whose organisations has intermediate authorities', (consensus, orderers) => {
    const endorsement = "AND('AMSP.peer', 'BMSP.peer')";
    let running: RunningNetwork;
    let [root, sub]: Authority[] = [];
    let attesters: readonly Attester[];
    let client: Credential;
    const open: Connection[] = [];

    const as = (mspId: string, { certificate, privateKey }: Credential): Connection => {
      const { address, tls } = running.network.access(mspId, 'peer0');
      const connection = connect({ client: address, tls, identity: { mspId, certificate }, privateKey });
      open.push(connection);
      return connection;
    };
    const contractAs = (mspId: string, who: Credential) => as(mspId, who).contract(CHANNEL, 'records');
    const trustOf = (organisations: NetworkTrust['organisations'], version = 1): NetworkTrust => ({
      network: 'north',
      channel: CHANNEL,
      chaincode: 'records',
      version,
      endorsement,
      attestation: "AND('AMSP.client', 'BMSP.client')",
      attesters: { role: 'proxy' },
      organisations,
      validFrom: 0,
    });
    const proofOf = async (transactionId: string): Promise<OutcomeProof> => {
      const attested = await Promise.all(attesters.map((each) => each.attest(transactionId, 1)));
      const [{ envelope } = { envelope: new Uint8Array() }] = attested;
      return assembleProof(
        envelope,
        attested.map(({ attestation }) => attestation),
      );
    };

    beforeAll(async () => {
      running = await RunningNetwork.start(binaries, {
        channel: CHANNEL,
        consensus,
        batch: { timeoutMs: 50, maxMessages: 200 },
        mspIds: MSP_IDS,
        orderers,
        intermediates: ['BMSP'],
        chaincodes: [{ name: 'records', endorsement, module }],
      });
      [root, sub] = [running.roots.get('BMSP')!, running.authorities.get('BMSP')!];
      client = sub.issue({ commonName: 'client', role: 'client' });
      attesters = MSP_IDS.map((mspId) => {
        const authority = running.authorities.get(mspId)!;
        const own = authority.issue({ commonName: 'proxy', role: 'client', attributes: { role: 'proxy' } });
        const options = { mspId, ...own, network: 'north', channel: CHANNEL };
        return createAttester({ connection: as(mspId, own), ...options });
      });
    });
    afterAll(async () => {
      for (const connection of open) connection.close();
      await running?.[Symbol.asyncDispose]();
    });

    it('proves what it committed to whoever has the trust roots, which are those of the channel', async () => {
      const { transactionId } = await submit(contractAs('BMSP', client), 'put', ['one', '1']);
      const proof = await proofOf(transactionId);
      const organisations = [...running.authorities.values()].map(({ mspId, rootPem, intermediates }) => ({
        mspId,
        roots: [rootPem],
        ...(intermediates.length > 0 && { intermediates }),
      }));
      expect(organisations.map(({ intermediates = [] }) => intermediates.length)).toEqual([0, 1]);
      expect(await running.network.msps()).toEqual(organisations);
      const outcome = verifyOutcome(proof, [trustOf(organisations)], { args: ['one', '1'] }, Date.now());
      expect(outcome.creator.certificate).toBe(client.certificate);
      const rootsOnly = organisations.map(({ mspId, roots }) => ({ mspId, roots }));
      expect(() => verifyOutcome(proof, [trustOf(rootsOnly)])).toThrow(
        expect.objectContaining({ code: 'CERTIFICATE_UNTRUSTED' }),
      );
    });

    it('takes nobody whom the root issued, and neither do its trust roots', async () => {
      const byRoot = root!.issue({ commonName: 'by root', role: 'client' });
      await expect(submit(contractAs('BMSP', byRoot), 'put', ['two', '2'])).rejects.toMatchObject({ stage: 'endorse' });
      const own = (await running.network.msps()).find(({ mspId }) => mspId === 'BMSP')!;
      expect(() => createMsp(own).identify(byRoot.certificate, Date.now())).toThrow(
        expect.objectContaining({ code: 'CERTIFICATE_UNTRUSTED' }),
      );
    });

    it('renews certificates below the intermediate', async () => {
      const { network } = running;
      const restart = (name: string) => running.startAnew(name);
      const change = await network.renewOrganisation('BMSP', { withinDays: 366, restart });
      expect(change.steps).toContain('peer/BMSP/peer0 renews identity and TLS (364 days left)');
      await network.renewOrderer('orderer0', { withinDays: 366, restart });
      await network.ready();
      await vi.waitFor(() => submit(contractAs('BMSP', client), 'put', ['renewed', '1']), {
        timeout: 20_000,
        interval: 200,
      });
    });

    it('refuses a client that the intermediate revoked, as do the trust roots of the channel', async () => {
      const { transactionId } = await submit(contractAs('BMSP', client), 'put', ['three', '3']);
      const proof = await proofOf(transactionId);
      sub!.revoke(client.certificate);
      const crl = sub!.crl();
      await running.network.revoke('BMSP', [crl]);
      await expect(submit(contractAs('BMSP', client), 'put', ['four', '4'])).rejects.toMatchObject({
        stage: 'endorse',
      });
      const other = sub!.issue({ commonName: 'another', role: 'client' });
      await submit(contractAs('BMSP', other), 'put', ['four', '4']);
      const organisations = await running.network.msps();
      expect(organisations.map(({ crls }) => crls)).toEqual([undefined, [crl]]);
      const failing = () => verifyOutcome(proof, [trustOf(organisations)], {}, Date.now());
      expect(failing).toThrow(expect.objectContaining({ code: 'CERTIFICATE_REVOKED' }));
    });

    it('cannot keep an intermediate that its root revoked, on the channel as in the trust roots', async () => {
      const { certificate } = sub!.record();
      root!.revoke(certificate);
      const crl = root!.crl();
      await expect(running.network.revoke('BMSP', [crl])).rejects.toMatchObject({
        code: 'FABRIC_COMMAND',
        message: expect.stringContaining('The certificate has been revoked') as string,
      });
      const own = { mspId: 'BMSP', roots: [root!.rootPem], intermediates: [certificate] };
      expect(() => createMsp({ ...own, crls: [crl] })).toThrow(expect.objectContaining({ code: 'TRUST_INVALID' }));
    });
  });
