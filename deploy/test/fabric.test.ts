import { readFile, writeFile } from 'node:fs/promises';
import { findBinaries } from '@yilian/fabric';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Description } from '../local/description.ts';
import { findKubo } from '../local/kubo.ts';
import { backedUpAndRestored } from './federation/backup.ts';
import { ending, FABRIC_FAULTS, faults } from './federation/faults.ts';
import { mainJob } from './federation/main-job.ts';
import { expressions, figuresIn, OF_KUBO, told } from './fixture/figures.ts';
import { DESCRIPTION, kill, World } from './fixture/world.ts';

const SLOW_MS = 120_000;
const vault = await findKubo().then(
  () => 'kubo',
  () => 'embedded',
);
const missing = await findBinaries().then(
  () => undefined,
  (error: unknown) => error as Error,
);

if (missing !== undefined)
  it.skip(`the same federation on Hyperledger Fabric (skipped: ${missing.message})`, () => undefined);
else
  describe('the same federation on Hyperledger Fabric', () => {
    let world: World;
    let description: string;
    beforeAll(async () => {
      // An orderer takes 128 MiB for its log at once.
      world = await World.create({ ownDisk: false });
      description = world.path('description.json');
      await writeFile(description, await withSeveralOrderers());
    });
    afterAll(() => world.close(), 60_000);

    it('starts, also after everything was killed halfway, every organisation with a peer and a contract server of its own', {
      timeout: SLOW_MS,
    }, async () => {
      const chosen = ['--engine', 'fabric', '--vault', vault];
      const interrupted = await world.terminal.run(['up', ...chosen, '--description', description], {
        onStderr: (piece) => {
          if (piece.includes('joining peers')) void world.everybody().then((all) => all.forEach(kill));
        },
      });
      expect(interrupted.exitCode).toBe(1);
      await world.terminal.json(['up']);
      const { engines, processes } = await world.running();
      expect(engines['chains']).toMatch(/^Hyperledger Fabric /);
      const kinds = processes.map(({ name }) => name.split('/').slice(0, 2).join('/'));
      for (const network of ['main', 'region-a', 'region-b']) {
        const members = kinds.filter((kind) => kind === `${network}/peer`).length;
        expect([network, members]).toEqual([network, { main: 4, 'region-a': 3, 'region-b': 2 }[network]]);
        // The commissions read the main chain at their own peers, with contract servers of their own.
        const readers = network === 'main' ? 2 : 0;
        expect(kinds.filter((kind) => kind === `${network}/contracts`).length).toBe(members + readers);
      }
      expect(await world.terminal.refusal(['up'])).toMatchObject({ code: 'STATE_BUSY' });
    });

    it('tells Prometheus where its figures are, and every alarm and panel is about figures there are', async () => {
      const { jobs, figures } = await told(world.state);
      const ofKubo = vault === 'kubo' ? ['kubo'] : [];
      expect(jobs.toSorted()).toEqual(['attester', ...ofKubo, 'orderer', 'peer', 'proxy', 'relay']);
      const asked = (await expressions()).flatMap(figuresIn).filter((name) => vault === 'kubo' || !OF_KUBO.test(name));
      expect(asked.length).toBeGreaterThan(40);
      expect(asked.filter((name) => !figures.has(name))).toEqual([]);
    });

    mainJob(() => world);
    faults(() => world, FABRIC_FAULTS);
    backedUpAndRestored(() => world, 'fabric');

    ending(() => world);
  });

/** SmartBFT on the main chain, three of Raft in a region, one in the other. */
async function withSeveralOrderers(): Promise<string> {
  const { authorities, regions, ...rest } = JSON.parse(await readFile(DESCRIPTION, 'utf8')) as Description;
  return JSON.stringify({
    ...rest,
    authorities: [...authorities, { mspId: 'Academy', name: 'Academy of Sciences' }],
    regions: regions.map((region) => ({
      ...region,
      ...(region.organisations.length > 2 && { orderers: region.organisations.map(({ mspId }) => mspId) }),
    })),
  });
}
