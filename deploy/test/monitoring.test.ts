import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readDescription } from '../local/description.ts';
import { Layout } from '../local/layout.ts';
import { ALERTS, prometheus } from '../local/monitoring.ts';
import { dashboard, expressions, figuresIn, type Panel } from './fixture/figures.ts';
import { DESCRIPTION } from './fixture/world.ts';

/** Grafana puts the chosen data source in its place. */
const CHOSEN = '{datasource}';
const WIDTH = 24;
const hasPromtool = spawnSync('promtool', ['--version']).status === 0;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'yilian-monitoring-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function configuration(engines: object): Promise<string> {
  const state = await mkdtemp(join(folder, 'state-'));
  await writeFile(join(state, 'engines.json'), JSON.stringify(engines));
  return prometheus(await Layout.open(state, await readDescription(DESCRIPTION)));
}

describe('what Prometheus is told', () => {
  it('names every holder’s Kubo where it keeps its figures, and none where there is none', async () => {
    const jobs = async (engines: object) =>
      (
        JSON.parse(await configuration(engines)) as {
          scrape_configs: { job_name: string; metrics_path?: string; static_configs: { labels: object }[] }[];
        }
      ).scrape_configs;
    const kubo = (await jobs({ vault: 'kubo' })).find(({ job_name: name }) => name === 'kubo');
    expect(kubo?.metrics_path).toBe('/debug/metrics/prometheus');
    expect(kubo?.static_configs.map(({ labels }) => labels)).toEqual([
      { network: 'region-a', organisation: 'HospitalA1' },
      { network: 'region-a', organisation: 'HospitalA2' },
      { network: 'region-b', organisation: 'HospitalB1' },
    ]);
    const names = (await jobs({})).map(({ job_name: name }) => name);
    expect(names.toSorted()).toEqual(['attester', 'proxy', 'relay']);
  });

  it('has an entry in the manual for every alarm, and no alarm twice', async () => {
    const manual = await readFile(new URL('../../docs/operations.md', import.meta.url), 'utf8');
    const alarms = [...(await readFile(ALERTS, 'utf8')).matchAll(/- alert: (\w+)/g)].map(([, alarm = '']) => alarm);
    expect(new Set(alarms).size).toBe(alarms.length);
    const [, section = ''] = /\n## Alarms\n(.*?)(?=\n## |$)/s.exec(manual) ?? [];
    const explained = [...section.matchAll(/^### (\w+)$/gm)].map(([, name = '']) => name);
    expect(explained.toSorted()).toEqual(alarms.toSorted());
  });
});

describe('the dashboard', () => {
  it('asks one data source that is chosen, of the networks that are chosen, in panels that lie beside each other', async () => {
    const { panels, templating } = await dashboard();
    expect(templating.list.map(({ name }) => name)).toEqual(['datasource', 'network']);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    for (const { gridPos } of panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(WIDTH);
    for (const [index, one] of panels.entries())
      for (const other of panels.slice(index + 1))
        expect([one.title, other.title, overlap(one, other)]).toContain(false);
    for (const { title, datasource, targets = [] } of panels.filter(({ type }) => type !== 'row')) {
      expect([title, datasource]).toEqual([title, { type: 'prometheus', uid: `$${CHOSEN}` }]);
      expect([title, targets.length]).not.toEqual([title, 0]);
      expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
      for (const { expr } of targets) {
        expect(expr.match(/network=~"\$network"/g)).toHaveLength(figuresIn(expr).length);
        expect(expr.replaceAll(/\$(network|__rate_interval)\b/g, '')).not.toContain('$');
      }
    }
  });
});

describe('a figure', () => {
  it('is found in an expression by its name alone', () => {
    expect(figuresIn('a_total{x=~"b_c"} < on (d_e) group_left () (max by (f_g) (h_i) - 5)')).toEqual([
      'a_total',
      'h_i',
    ]);
    expect(figuresIn('histogram_quantile(0.9, rate(j_bucket[5m])) > 0 and up == 0')).toEqual(['j_bucket']);
  });
});

describe.skipIf(!hasPromtool)(`promtool${hasPromtool ? '' : ' (skipped: no promtool in PATH)'}`, () => {
  const check = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync('promtool', ['check', ...args], { encoding: 'utf8' });
    return [status, status === 0 ? '' : stdout + stderr];
  };

  it('finds no fault with the configuration and the alarms', async () => {
    const file = join(folder, 'prometheus.yml');
    for (const engines of [{}, { engine: 'fabric', vault: 'kubo' }]) {
      await writeFile(file, await configuration(engines));
      expect(check('config', file)).toEqual([0, '']);
    }
    expect(check('rules', ALERTS)).toEqual([0, '']);
  });

  it('finds no fault with what the dashboard asks', async () => {
    const asked = (await expressions()).map((expr) => expr.replaceAll('$__rate_interval', '5m'));
    const rules = asked.map((expr, index) => ({ record: `yilian:${index}`, expr }));
    const file = join(folder, 'dashboard-rules.yml');
    await writeFile(file, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
    expect(check('rules', file)).toEqual([0, '']);
  });
});

function overlap({ gridPos: a }: Panel, { gridPos: b }: Panel): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}
