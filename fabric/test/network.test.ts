import { submit } from '@yilian/ledger';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { findBinaries } from '../src/index.ts';
import { RunningNetwork } from './fixture/running.ts';

const module = new URL('./fixture/conformance-contracts.ts', import.meta.url).href;
const binaries = await findBinaries().catch((error: unknown) => error as Error);
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

if (binaries instanceof Error)
  it.skip(`a main chain orders by SmartBFT (skipped: ${binaries.message})`, () => undefined);
else
  describe('a network of four that order by SmartBFT', () => {
    const MSP_IDS = ['AMSP', 'BMSP', 'CMSP', 'DMSP'];
    const majority = `OutOf(3, ${MSP_IDS.map((mspId) => `'${mspId}.peer'`).join(', ')})`;

    it('takes transactions while one of them is gone, says so when two are, and is there again after a restart', async () => {
      const running = await RunningNetwork.start(binaries, {
        channel: 'main',
        consensus: 'bft',
        batch: { timeoutMs: 50, maxMessages: 200 },
        mspIds: MSP_IDS,
        orderers: MSP_IDS,
        chaincodes: [{ name: 'main', endorsement: majority, module }],
      });
      onTestFinished(() => running[Symbol.asyncDispose]());
      using connection = running.connect('AMSP');
      const contract = connection.contract('main', 'main');
      await contract.submitTransaction('put', 'one', '1');
      await running.kill('orderer/orderer3');
      await contract.submitTransaction('put', 'two', '2');
      await running.kill('orderer/orderer2');
      await expect(submit(contract, 'put', ['never', '0'])).rejects.toMatchObject({
        code: 'UNAVAILABLE',
        stage: 'submit',
      });
      await running.kill();
      await running.restart();
      const read = async (key: string) => Buffer.from(await contract.evaluateTransaction('get', key)).toString();
      expect([await read('one'), await read('two')]).toEqual(['1', '2']);
      await contract.submitTransaction('put', 'three', '3');
    });
  });
