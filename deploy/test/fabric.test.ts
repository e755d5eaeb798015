import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findBinaries } from '@yilian/fabric';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ALERTS } from '../local/monitoring.ts';
import { ending, FABRIC_FAULTS, faults } from './federation/faults.ts';
import { mainJob } from './federation/main-job.ts';
import { answer, ask, ONCE, outcomes } from './fixture/queries.ts';
import { DESCRIPTION, kill, World } from './fixture/world.ts';

const SLOW_MS = 120_000;
const PROMQL = new Set(['group_left', 'histogram_quantile']);
const missing = await findBinaries().then(
  () => undefined,
  (error: unknown) => error as Error,
);

if (missing !== undefined)
  it.skip(`the same federation on Hyperledger Fabric (skipped: ${missing.message})`, () => undefined);
else
  describe('the same federation on Hyperledger Fabric', () => {
    let world: World;
    beforeAll(async () => {
      // An orderer takes 128 MiB for its log at once.
      world = await World.create({ ownDisk: false });
    });
    afterAll(() => world.close(), 60_000);

    it('starts, also after everything was killed halfway, every organisation with a peer and a contract server of its own', {
      timeout: SLOW_MS,
    }, async () => {
      const interrupted = await world.terminal.run(['up', '--engine', 'fabric', '--description', DESCRIPTION], {
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
        expect([network, members]).toEqual([network, { main: 3, 'region-a': 3, 'region-b': 2 }[network]]);
        // The commissions read the main chain at their own peers, with contract servers of their own.
        const readers = network === 'main' ? 2 : 0;
        expect(kinds.filter((kind) => kind === `${network}/contracts`).length).toBe(members + readers);
      }
      expect(await world.terminal.refusal(['up'])).toMatchObject({ code: 'STATE_BUSY' });
    });

    it('tells Prometheus where its figures are, and every alarm is about figures there are', async () => {
      const { scrape_configs } = JSON.parse(await readFile(join(world.state, 'prometheus.yml'), 'utf8')) as {
        scrape_configs: { job_name: string; static_configs: { targets: string[] }[] }[];
      };
      const jobs = scrape_configs.map(({ job_name }) => job_name);
      expect(jobs.toSorted()).toEqual(['attester', 'orderer', 'peer', 'proxy', 'relay']);
      const figures = new Set<string>();
      for (const target of scrape_configs.flatMap(({ static_configs }) =>
        static_configs.flatMap((each) => each.targets),
      )) {
        const response = await fetch(`http://${target}/metrics`);
        expect([target, response.status]).toEqual([target, 200]);
        for (const [, name = ''] of (await response.text()).matchAll(/^# TYPE (\S+)/gm)) figures.add(name);
      }
      const alerts = await readFile(ALERTS, 'utf8');
      const expressions = [...alerts.matchAll(/expr: (.*)/g)].map(([, expression = '']) => expression);
      const asked = expressions.flatMap((expression) => expression.match(/\b[a-z]+_[a-z_A-Z]+\b/g) ?? []);
      const unknown = asked.filter((name) => !figures.has(name.replace(/_bucket$/, '')) && !PROMQL.has(name));
      expect([expressions.length, unknown]).toEqual([13, []]);
      const manual = await readFile(new URL('../../docs/operations.md', import.meta.url), 'utf8');
      for (const [, alarm] of alerts.matchAll(/- alert: (\w+)/g)) expect(manual).toContain(`### ${alarm}\n`);
    });

    mainJob(() => world);
    faults(() => world, FABRIC_FAULTS);

    it('starts again after everything was killed at once, and goes on', { timeout: SLOW_MS }, async () => {
      const before = await world.actors();
      const { practitioner } = await before.doctor('li');
      const asked = await ask(before, practitioner);
      for (const each of await world.everybody()) kill(each);
      const other = ['up', '--engine', 'embedded'];
      expect(await world.terminal.refusal(other)).toMatchObject({ exitCode: 1, code: 'ENGINE_DIFFERS' });
      await world.terminal.json(['up']);
      const actors = await world.actors();
      const next = await ask(actors, practitioner);
      const answered = [await answer(actors, practitioner, asked), await answer(actors, practitioner, next)];
      expect(await outcomes(actors, answered)).toEqual([ONCE, ONCE]);
    });

    ending(() => world);
  });
