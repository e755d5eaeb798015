import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { findBinaries } from '../src/index.ts';
import { RunningNetwork } from './fixture/running.ts';

const module = new URL('./fixture/conformance-contracts.ts', import.meta.url).href;
const binaries = await findBinaries().catch((error: unknown) => error as Error);
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

if (binaries instanceof Error)
  it.skip(`a chain that orders by SmartBFT grows and shrinks (skipped: ${binaries.message})`, () => undefined);
else
  describe('a live network that orders by SmartBFT', () => {
    it('takes in the orderer of a new organisation, and lets the first one go', async () => {
      const mspIds = ['AMSP', 'BMSP', 'CMSP', 'DMSP'];
      const running = await RunningNetwork.start(binaries, {
        channel: 'main',
        consensus: 'bft',
        batch: { timeoutMs: 50, maxMessages: 200 },
        mspIds,
        orderers: mspIds,
        chaincodes: [{ name: 'main', endorsement: "OR('BMSP.peer')", module }],
      });
      onTestFinished(() => running[Symbol.asyncDispose]());
      using connection = running.connect('BMSP');
      const contract = connection.contract('main', 'main');
      await expect(running.network.removeOrderer('orderer0')).rejects.toMatchObject({ code: 'FABRIC_QUORUM' });
      const organisation = await running.organisation('EMSP', ['main']);
      const orderer = await running.orderer('orderer4', 'EMSP');
      await running.replan((plan) => ({
        ...plan,
        organisations: [...plan.organisations, organisation],
        orderers: [...plan.orderers, orderer],
      }));
      await running.network.admit('EMSP');
      const proposed = await running.network.addOrderer('orderer4', { dryRun: true });
      expect(proposed).toEqual({
        steps: ['orderer4 of EMSP becomes a consenter of main', 'orderer4 joins main'],
        consents: [{ needed: 3, of: mspIds }],
      });
      await expect(running.network.addOrderer('orderer4', { consenting: ['AMSP', 'BMSP'] })).rejects.toMatchObject({
        code: 'FABRIC_SIGNATURES',
      });
      expect(await running.network.addOrderer('orderer4')).toEqual(proposed);
      await contract.submitTransaction('put', 'one', '1');
      await running.network.removeOrderer('orderer0');
      await running.replan((plan) => ({
        ...plan,
        orderers: plan.orderers.filter(({ name }) => name !== 'orderer0'),
      }));
      await running.network.ready();
      const restart = (name: string) => running.startAnew(name);
      const renewed = await running.network.renewOrderer('orderer4', { withinDays: 366, restart });
      expect(renewed.steps).toEqual(['orderer/orderer4 renews identity and TLS (364 days left), in main first']);
      // A quorum of four, one of them the new one.
      await running.kill('orderer/orderer3');
      await vi.waitFor(() => contract.submitTransaction('put', 'two', '2'), { timeout: 30_000, interval: 200 });
      expect(Buffer.from(await contract.evaluateTransaction('get', 'two')).toString()).toBe('2');
      expect(
        await running.network.removeOrderer('orderer4', { dryRun: true }).catch((error: unknown) => error),
      ).toMatchObject({
        code: 'FABRIC_QUORUM',
      });
    });
  });
