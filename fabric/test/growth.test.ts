import { readFileSync } from 'node:fs';
import { type Connection, submit } from '@yilian/ledger';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type ChaincodePlan, findBinaries } from '../src/index.ts';
import { RunningNetwork } from './fixture/running.ts';

const module = new URL('./fixture/conformance-contracts.ts', import.meta.url).href;
const binaries = await findBinaries().catch((error: unknown) => error as Error);
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });
const CHANNEL = 'records';
const DAY_MS = 24 * 3_600_000;

if (binaries instanceof Error)
  it.skip(`a live network grows and changes (skipped: ${binaries.message})`, () => undefined);
else
  describe('a live network that orders by Raft', () => {
    const every = (...mspIds: readonly string[]) => `AND(${mspIds.map((mspId) => `'${mspId}.peer'`).join(', ')})`;
    let running: RunningNetwork;

    beforeAll(async () => {
      running = await RunningNetwork.start(binaries, {
        channel: CHANNEL,
        consensus: 'raft',
        batch: { timeoutMs: 50, maxMessages: 200 },
        mspIds: ['AMSP', 'BMSP', 'CMSP'],
        orderers: ['AMSP'],
        chaincodes: [{ name: 'records', endorsement: every('AMSP', 'BMSP', 'CMSP'), module }],
      });
    });
    afterAll(() => running?.[Symbol.asyncDispose]());

    /** What a leader took and did not order before it went is lost: it is handed in again after so long. */
    const client = (mspId: string, peer = 'peer0'): Connection =>
      running.connect(mspId, { peer, deadlines: { commitStatusMs: 3000 } });
    const replanChaincode = (change: { endorsement?: string; previous?: ChaincodePlan['previous'] }) =>
      running.replan((plan) => ({ ...plan, chaincodes: plan.chaincodes.map((each) => ({ ...each, ...change })) }));

    it('takes in an organisation, which then has to endorse, and which reads what was written before', async () => {
      using a = client('AMSP');
      await a.contract(CHANNEL, 'records').submitTransaction('put', 'early', '1');
      const joining = await running.organisation('DMSP', ['records']);
      await running.replan((plan) => ({
        ...plan,
        organisations: [...plan.organisations, joining],
        chaincodes: plan.chaincodes.map((each) => ({
          ...each,
          endorsement: every('AMSP', 'BMSP', 'CMSP', 'DMSP'),
        })),
      }));
      const proposed = await running.network.admit('DMSP', { dryRun: true });
      expect(proposed).toEqual({
        steps: [
          'DMSP becomes a member of records',
          'the peers of DMSP join records',
          expect.stringMatching(/AMSP installs and approves records 1 as sequence 2; .*DMSP installs and approves/),
          "records 1 as sequence 2 is committed, endorsed by AND('AMSP.peer', 'BMSP.peer', 'CMSP.peer', 'DMSP.peer')",
        ],
        consents: [
          { needed: 2, of: ['AMSP', 'BMSP', 'CMSP'] },
          { needed: 3, of: ['AMSP', 'BMSP', 'CMSP', 'DMSP'] },
        ],
      });
      await expect(running.network.admit('DMSP', { consenting: ['AMSP'] })).rejects.toMatchObject({
        code: 'FABRIC_SIGNATURES',
        message: 'DMSP becomes a member of records on records needs 2 of 3, 1 agree; not: BMSP, CMSP',
      });
      expect((await running.network.admit('DMSP', { dryRun: true })).steps).toEqual(proposed.steps);
      expect(await running.network.admit('DMSP')).toEqual(proposed);
      await running.network.ready();
      using d = client('DMSP');
      const contract = d.contract(CHANNEL, 'records');
      expect(Buffer.from(await contract.evaluateTransaction('get', 'early')).toString()).toBe('1');
      await contract.submitTransaction('put', 'late', '2');
      // Without the new organisation nothing goes.
      await expect(
        contract.submit('put', { arguments: ['three', '3'], endorsingOrganizations: ['AMSP', 'BMSP', 'CMSP'] }),
      ).rejects.toThrow();
      expect(await running.network.admit('DMSP')).toEqual({ steps: [], consents: [] });
    });

    it('takes a new version of a contract, once enough organisations approve of it', async () => {
      const addresses = await Promise.all(running.network.plan.organisations.map(() => running.endpoint()));
      await running.replan((plan) => ({
        ...plan,
        organisations: plan.organisations.map((organisation, index) => ({
          ...organisation,
          contracts: { ...organisation.contracts, records_2: addresses[index]! },
        })),
        chaincodes: plan.chaincodes.map((each) => ({ ...each, version: '2', previous: { version: '1', module } })),
      }));
      await expect(running.network.upgrade('records', { consenting: ['AMSP', 'BMSP'] })).rejects.toMatchObject({
        code: 'FABRIC_APPROVALS',
        message: 'records 2 as sequence 3 on records needs 3 of 4, 2 agree; not: CMSP, DMSP',
      });
      using a = client('AMSP');
      await a.contract(CHANNEL, 'records').submitTransaction('put', 'meanwhile', '1');
      // What A and B have approved stays approved.
      const proposed = await running.network.upgrade('records', { dryRun: true });
      expect(proposed.steps[0]).toBe(
        'CMSP installs and approves records 2 as sequence 3; DMSP installs and approves records 2 as sequence 3',
      );
      expect(await running.network.upgrade('records')).toEqual(proposed);
      expect(await running.network.upgrade('records')).toEqual({ steps: [], consents: [] });
      await replanChaincode({ previous: undefined });
      expect(running.network.programs().filter(({ name }) => name === 'contracts/AMSP')).toEqual([]);
      await running.network.ready();
      const contract = a.contract(CHANNEL, 'records');
      await contract.submitTransaction('put', 'afterwards', '2');
      expect(Buffer.from(await contract.evaluateTransaction('get', 'meanwhile')).toString()).toBe('1');
    });

    it('lets an organisation go, which must no longer be named by a policy', async () => {
      await expect(running.network.dismiss('DMSP')).rejects.toMatchObject({ code: 'FABRIC_UNPLANNED' });
      await replanChaincode({ endorsement: every('AMSP', 'BMSP', 'CMSP') });
      const proposed = await running.network.dismiss('DMSP', { dryRun: true });
      expect(proposed.steps.at(-1)).toBe('DMSP is no longer a member of records');
      expect(await running.network.dismiss('DMSP')).toEqual(proposed);
      using d = client('DMSP');
      using a = client('AMSP');
      await a.contract(CHANNEL, 'records').submitTransaction('put', 'without', '1');
      await expect(d.contract(CHANNEL, 'records').submitTransaction('put', 'forbidden', '1')).rejects.toThrow();
      expect(await running.network.dismiss('DMSP')).toEqual({ steps: [], consents: [] });
      await running.replan((plan) => ({
        ...plan,
        organisations: plan.organisations.filter(({ mspId }) => mspId !== 'DMSP'),
      }));
      await running.network.ready();
    });

    it('takes in an organisation that only reads: no consent counts it, and it believes its own peer alone', async () => {
      const reading = { ...(await running.organisation('RMSP', ['records'])), reads: true as const };
      await running.replan((plan) => ({ ...plan, organisations: [...plan.organisations, reading] }));
      const proposed = await running.network.admit('RMSP');
      expect(proposed).toEqual({
        steps: [
          'RMSP becomes a member of records',
          'the peers of RMSP join records',
          'RMSP installs and approves records 2 as sequence 4',
        ],
        consents: [{ needed: 2, of: ['AMSP', 'BMSP', 'CMSP'] }],
      });
      await running.network.ready();
      using r = client('RMSP');
      const contract = r.contract(CHANNEL, 'records');
      const read = () => contract.evaluateTransaction('get', 'without');
      expect(Buffer.from(await read()).toString()).toBe('1');
      await running.kill('contracts/RMSP');
      await expect(read()).rejects.toThrow();
      const others = { arguments: ['without'], endorsingOrganizations: ['AMSP'] };
      expect(Buffer.from(await contract.evaluate('get', others)).toString()).toBe('1');
      await running.startMissing();
      await vi.waitFor(read, { timeout: 20_000, interval: 100 });
      await running.network.dismiss('RMSP');
      await running.replan((plan) => ({
        ...plan,
        organisations: plan.organisations.filter(({ mspId }) => mspId !== 'RMSP'),
      }));
    });

    it('takes in orderers one at a time, and fails no submit when the leader is killed or goes', async () => {
      for (const name of ['orderer1', 'orderer2']) {
        const orderer = await running.orderer(name, 'BMSP');
        await running.replan((plan) => ({ ...plan, orderers: [...plan.orderers, orderer] }));
        const proposed = await running.network.addOrderer(name, { dryRun: true });
        expect(proposed.steps).toEqual([`${name} of BMSP becomes a consenter of records`, `${name} joins records`]);
        expect(await running.network.addOrderer(name)).toEqual(proposed);
        expect(await running.network.addOrderer(name)).toEqual({ steps: [], consents: [] });
      }
      using a = client('AMSP');
      const contract = a.contract(CHANNEL, 'records');
      const keys: string[] = [];
      const submitMore = async () => {
        const key = `during${keys.length}`;
        await submit(contract, 'put', [key, '1'], { patienceMs: 20_000 });
        keys.push(key);
      };
      // One of them leads.
      for (const name of ['orderer0', 'orderer1', 'orderer2']) {
        const before = Array.from({ length: 3 }, submitMore);
        await running.kill(`orderer/${name}`);
        await Promise.all([...before, submitMore(), submitMore()]);
        await running.startMissing();
        await submitMore();
      }
      const over = new AbortController();
      const removed = running.network.removeOrderer('orderer0').finally(() => over.abort());
      while (!over.signal.aborted) await submitMore();
      expect((await removed).steps).toEqual([
        'orderer0 of AMSP is no longer a consenter of records',
        'orderer0 leaves records',
      ]);
      await running.replan((plan) => ({
        ...plan,
        orderers: plan.orderers.filter(({ name }) => name !== 'orderer0'),
      }));
      await submitMore();
      for (const key of keys) expect(Buffer.from(await contract.evaluateTransaction('get', key)).toString()).toBe('1');
      expect(keys.length).toBeGreaterThan(20);
    });

    it('renews certificates, of orderers on the channel too, and names what has expired', async () => {
      const { network } = running;
      const restart = (name: string) => running.startAnew(name);
      expect(network.expiring(30)).toEqual([]);
      expect(() => network.requireValid()).not.toThrow();
      expect(() => network.requireValid(Date.now() + 366 * DAY_MS)).toThrow(
        /TLS certificate of orderer\/orderer1, on /,
      );
      const due = () => network.expiring(366).map(({ holder, use }) => `${holder} ${use}`);
      expect(due()).toHaveLength(19);
      const proposed = await network.renewOrganisation('AMSP', { withinDays: 366, restart, dryRun: true });
      expect(proposed.steps).toEqual([
        'admin/AMSP renews identity and TLS (364 days left)',
        'contracts/AMSP renews TLS (364 days left)',
        'peer/AMSP/peer0 renews identity and TLS (364 days left)',
      ]);
      const before = network
        .expiring(366)
        .filter(({ holder }) => holder.endsWith('/AMSP'))
        .map(({ file }) => file);
      const old = before.map((file) => readFileSync(file, 'utf8'));
      expect(await network.renewOrganisation('AMSP', { withinDays: 366, restart })).toEqual(proposed);
      expect(before.map((file) => readFileSync(file, 'utf8')).filter((pem) => old.includes(pem))).toEqual([]);
      await network.ready();
      for (const name of ['orderer1', 'orderer2']) {
        const renewal = await network.renewOrderer(name, { withinDays: 366, restart, dryRun: true });
        expect(renewal).toEqual({
          steps: [`orderer/${name} renews identity and TLS (364 days left), in records first`],
          consents: [{ needed: 1, of: ['BMSP'] }],
        });
        expect(await network.renewOrderer(name, { withinDays: 366, restart })).toEqual(renewal);
        expect(await network.renewOrderer(name, { withinDays: 30, restart })).toEqual({ steps: [], consents: [] });
      }
      using a = client('AMSP');
      const contract = a.contract(CHANNEL, 'records');
      await vi.waitFor(() => contract.submitTransaction('put', 'renewed', '1'), { timeout: 20_000, interval: 100 });
    });

    it('joins a peer by a snapshot of another of its organisation', async () => {
      const [endpoint, chaincode, operations] = await Promise.all([0, 1, 2].map(() => running.endpoint()));
      const peer = { name: 'peer1', endpoint: endpoint!, chaincode: chaincode!, operations: operations! };
      await running.replan((plan) => ({
        ...plan,
        organisations: plan.organisations.map((each) =>
          each.mspId === 'CMSP' ? { ...each, peers: [...each.peers, peer] } : each,
        ),
      }));
      const join = { mspId: 'CMSP', peer: 'peer1', from: 'peer0' };
      const proposed = await running.network.joinFromSnapshot(join, { dryRun: true });
      expect(proposed.steps).toEqual(['peer1 of CMSP joins records by a snapshot of peer0']);
      expect(await running.network.joinFromSnapshot(join)).toEqual(proposed);
      expect(await running.network.joinFromSnapshot(join)).toEqual({ steps: [], consents: [] });
      await running.kill('peer/CMSP/peer0');
      // Now nobody else endorses for its organisation.
      using c = client('CMSP', 'peer1');
      const contract = c.contract(CHANNEL, 'records');
      await vi.waitFor(() => contract.submitTransaction('put', 'snapshot', '1'), { timeout: 20_000, interval: 100 });
      expect(Buffer.from(await contract.evaluateTransaction('get', 'early')).toString()).toBe('1');
      expect(Buffer.from(await contract.evaluateTransaction('history', 'early')).toString()).toBe('[]');
    });
  });
