import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findBinaries } from '@yilian/fabric';
import { inPath } from '@yilian/service';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { agree, makeKeys, SWARM_FILE } from '../hosts/ceremony.ts';
import { render } from '../hosts/render.ts';
import { findKubo } from '../local/kubo.ts';
import { ComposedHost } from './fixture/composed-host.ts';
import { SeparateHosts } from './fixture/separate-hosts.ts';
import { DESCRIPTION } from './fixture/world.ts';

const SLOW_MS = 300_000;
const HOSTS = { a: ['AuthorityA', 'NationalCentre'], b: ['AuthorityB'] };
const NAMES = Object.keys(HOSTS);
const why = await findBinaries().then(
  async () => {
    if (!SeparateHosts.isPossible()) return 'only root can make network namespaces, with `ip`';
    return (await inPath(['redis-server'], process.env['PATH'])) === undefined ? 'no redis-server in PATH' : undefined;
  },
  (error: unknown) => (error as Error).message,
);
const vault = await findKubo().then(
  () => 'kubo' as const,
  () => 'embedded' as const,
);

if (why !== undefined) it.skip(`the compose files of two hosts (skipped: ${why})`, () => undefined);
else
  describe('the compose files of two hosts', () => {
    let folder: string;
    let network: SeparateHosts;
    let composed: readonly ComposedHost[] = [];
    const path = (...parts: string[]) => join(folder, ...parts);
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'yilian-containers-'));
      network = new SeparateHosts(NAMES);
      const hosts = Object.entries(HOSTS).map(([name, authorities]) => ({
        name,
        address: network.address(name),
        listen: '0.0.0.0',
        regions: [`region-${name}`],
        authorities,
      }));
      const description = JSON.parse(await readFile(DESCRIPTION, 'utf8')) as object;
      await writeFile(path('description.json'), JSON.stringify({ ...description, hosts }));
      for (const name of NAMES) {
        const bundle = await makeKeys(path(`state-${name}`), path('description.json'), name, vault);
        await writeFile(path(`${name}.json`), JSON.stringify(bundle));
      }
      await writeFile(path('agreement.json'), await agree(path('state-a'), [path('a.json'), path('b.json')]));
      for (const name of NAMES)
        await render(path(`state-${name}`), {
          to: path(`rendered-${name}`),
          agreement: path('agreement.json'),
          swarmKey: vault === 'kubo' ? path('state-a', SWARM_FILE) : undefined,
          say: () => undefined,
        });
    }, SLOW_MS);
    afterAll(async () => {
      await Promise.all(composed.map((host) => host[Symbol.asyncDispose]()));
      network?.[Symbol.dispose]();
      await rm(folder, { recursive: true, force: true });
    }, 60_000);

    it('found a federation and run it, though every program sees of the state only what it is given', {
      timeout: SLOW_MS,
    }, async () => {
      composed = NAMES.map(
        (name) =>
          new ComposedHost(
            path(`rendered-${name}`, 'compose.yaml'),
            path(`state-${name}`),
            path(`${name}.log`),
            network.on(name),
          ),
      );
      await Promise.all(composed.map((host) => host.up()));
      const [a] = composed;
      const seen = await Promise.all(
        ['region-a/relay.json', 'pki/CommissionA/relay.key.pem', 'pki/CommissionA/ca.json', 'agreement.json'].map(
          async (file) => a?.sees('region-a-relay', path('state-a', file)),
        ),
      );
      expect(seen).toEqual([true, true, false, false]);
      for (const name of NAMES) {
        const roots = path(`state-${name}`, 'tls-roots.pem');
        const config = JSON.parse(await readFile(path(`state-${name}`, `region-${name}`, 'relay.json'), 'utf8')) as {
          readonly publicUrl: string;
        };
        for (const from of NAMES)
          await expect
            .poll(() => network.fetches(from, `${config.publicUrl}/ready`, roots), { timeout: 60_000, interval: 500 })
            .toBe(200);
      }
    });
  });
