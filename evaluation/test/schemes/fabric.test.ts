import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { findEngine } from '../../src/schemes/index.ts';
import { children, LIMIT_MS, type Opened, open, tamper, timed } from './deployments.ts';

const RTT_MS = 20;
const FABRIC = ['peer', 'orderer'];
const engine = await findEngine('fabric').catch((error: unknown) => error as Error);

it('is named by what is missing of it', async () => {
  await expect(findEngine('fabric', '')).rejects.toMatchObject({
    code: 'ENGINE_MISSING',
    message: expect.stringMatching(/^not in PATH: peer, orderer, .*osnadmin.* of Hyperledger Fabric/) as string,
  });
});

if (engine instanceof Error) it.skip(`a federation on Fabric (skipped: ${engine.message})`, () => undefined);
else
  describe(`A federation on Hyperledger Fabric ${engine.version}`, () => {
    vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });
    let opened: Opened;
    beforeAll(async () => {
      opened = await open(engine, 'federation', RTT_MS);
    });
    afterEach(() => void vi.restoreAllMocks());
    afterAll(() => opened.stack[Symbol.asyncDispose]());

    it('answers right inside a region, and across no sooner than its messages can be there', async () => {
      const { deployment } = opened;
      const cpuMs = deployment.cpuMs();
      await timed(deployment, 'intra', 0, 'cold');
      const { latencyMs } = await timed(deployment, 'cross', 1, 'cold');
      expect(latencyMs).toBeGreaterThan(RTT_MS);
      expect(deployment.cpuMs()).toBeGreaterThan(cpuMs);
    });

    it('has a peer and an orderer of each authority, and those of its two regions', async () => {
      const running = await children();
      expect(FABRIC.map((name) => running.get(name)?.length)).toEqual([4 + 2 * 3, 4 + 2]);
    });

    it('takes a body that was tampered with for a wrong answer', async () => {
      const { deployment } = opened;
      const question = { kind: 'cross', patient: 0, temperature: 'warm' } as const;
      await deployment.prepare([question]);
      tamper();
      await expect(deployment.ask(question, AbortSignal.timeout(LIMIT_MS))).rejects.toMatchObject({
        code: 'WRONG_ANSWER',
      });
    });

    it('leaves nothing behind, and says so when one of its processes is gone', async () => {
      const { deployment, stack } = opened;
      const [peer = 0] = (await children()).get('peer') ?? [];
      process.kill(peer, 'SIGKILL');
      await vi.waitFor(() => expect(() => deployment.cpuMs()).toThrow('is gone'));
      await expect(stack[Symbol.asyncDispose]()).rejects.toMatchObject({ code: 14 });
      expect([...(await children()).keys()]).toEqual([]);
    });
  });
