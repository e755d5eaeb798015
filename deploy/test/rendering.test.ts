import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findBinaries } from '@yilian/fabric';
import { inPath } from '@yilian/service';
import { Ajv } from 'ajv';
import { StatefulSet } from 'kubernetes-models/apps/v1';
import { Service } from 'kubernetes-models/v1';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { agree, makeKeys, SWARM_FILE } from '../hosts/ceremony.ts';
import { prepareHost } from '../hosts/preparation.ts';
import { render } from '../hosts/render.ts';
import { findKubo } from '../local/kubo.ts';
import type { Layout } from '../local/layout.ts';
import { DESCRIPTION } from './fixture/world.ts';

const run = promisify(execFile);
const NAMES = ['a', 'b'] as const;
const why = await findBinaries().then(
  () => undefined,
  (error: unknown) => (error as Error).message,
);
const vault = await findKubo().then(
  () => 'kubo' as const,
  () => 'embedded' as const,
);
const kubectl = await inPath(['kubectl'], process.env['PATH']);
const systemdAnalyze = await inPath(['systemd-analyze'], process.env['PATH']);

interface Compose {
  readonly services: Readonly<Record<string, ComposeService>>;
}

interface ComposeService {
  readonly labels?: Readonly<Record<string, string>>;
  readonly ports?: readonly { readonly target: number; readonly published: string }[];
  readonly network_mode?: string;
  readonly user: string;
  readonly volumes?: readonly { readonly source: string; readonly target: string; readonly read_only: boolean }[];
}

if (why !== undefined) it.skip(`what is rendered for a host (skipped: ${why})`, () => undefined);
else
  describe('what is rendered for a host', () => {
    let folder: string;
    let programs: readonly string[];
    let layout: Layout;
    const path = (...parts: string[]) => join(folder, ...parts);
    const swarmKey = () => (vault === 'kubo' ? path('state-a', SWARM_FILE) : undefined);
    const rendered = (name: string, to = `rendered-${name}`) =>
      render(path(`state-${name}`), {
        to: path(to),
        agreement: path('agreement.json'),
        swarmKey: swarmKey(),
        say: () => undefined,
      });

    const ceremony = async (listen?: string): Promise<void> => {
      const description = JSON.parse(await readFile(DESCRIPTION, 'utf8')) as object;
      const hosts = NAMES.map((name) => ({
        name,
        address: `${name}.example`,
        ...(listen !== undefined && { listen }),
        regions: [`region-${name}`],
        authorities: name === 'a' ? ['AuthorityA', 'NationalCentre'] : ['AuthorityB'],
      }));
      await writeFile(path('description.json'), JSON.stringify({ ...description, hosts }));
      for (const name of NAMES)
        await writeFile(
          path(`${name}.json`),
          JSON.stringify(await makeKeys(path(`state-${name}`), path('description.json'), name, vault)),
        );
      await writeFile(path('agreement.json'), await agree(path('state-a'), [path('a.json'), path('b.json')]));
    };

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'yilian-rendering-'));
      await ceremony();
      await rendered('a');
      await rendered('b');
      const { stages, layout: own } = await prepareHost(path('state-a'), () => undefined);
      layout = own;
      programs = [...stages.first, ...stages.whileFounding, ...stages.founded.flat()].map(({ name }) => name);
    }, 120_000);
    afterAll(() => rm(folder, { recursive: true, force: true }));

    const json = async <T>(...parts: string[]): Promise<T> => JSON.parse(await readFile(path(...parts), 'utf8')) as T;
    const compose = (name: string) => json<Compose>(`rendered-${name}`, 'compose.yaml');
    const pod = async () => {
      const set = await json<ConstructorParameters<typeof StatefulSet>[0]>('rendered-a', 'kubernetes/statefulset.yaml');
      return { set, spec: set?.spec?.template.spec };
    };

    it('is a compose file by the schema of compose-spec', async () => {
      const text = await readFile(
        new URL('./schemas/compose.schema.json', import.meta.resolve('dclint/package.json')),
        'utf8',
      );
      // Draft 7, under another spelling of its name; its formats are compose's own.
      const { $schema: _, ...schema } = JSON.parse(text) as Readonly<Record<string, unknown>>;
      const validate = new Ajv({ strict: false, validateFormats: false }).compile(schema);
      for (const name of NAMES) {
        const file = await compose(name);
        expect(validate(file), JSON.stringify(validate.errors)).toBe(true);
        expect(validate({ ...file, services: { any: { image: 'any', unheardOf: 1 } } })).toBe(false);
      }
    });

    it('is a kustomize base by the schemas of Kubernetes', async () => {
      const { set } = await pod();
      new StatefulSet(set).validate();
      new Service(await json('rendered-a', 'kubernetes/service.yaml')).validate();
      expect(() => new StatefulSet({ ...set, spec: { ...set?.spec, replicas: 'one' } } as never).validate()).toThrow();
    });

    it.skipIf(kubectl === undefined)('is what kubectl reads (skipped without kubectl)', async () => {
      const { stdout } = await run(kubectl ?? '', ['kustomize', path('rendered-a', 'kubernetes')]);
      expect(stdout).toMatch(/^kind: StatefulSet$/m);
      expect(stdout).toMatch(/^ {4}app.kubernetes.io\/part-of: yilian$/m);
    });

    it.skipIf(systemdAnalyze === undefined)('is a unit that systemd takes (skipped without systemd)', async () => {
      const unit = path('rendered-a', 'yilian-a.service');
      expect(await readFile(unit, 'utf8')).toMatch(/^ExecStart=\S+ \S+cli\.ts" "--state" \S+ up "--agreement" /m);
      const { stderr } = await run(systemdAnalyze ?? '', ['verify', '--man=no', unit]);
      expect(stderr).not.toMatch(/yilian-a\.service/);
    });

    it('has every program of the host once, in both forms, and none as root', async () => {
      const { services } = await compose('a');
      expect(
        Object.values(services)
          .flatMap(({ labels }) => labels?.['org.yilian.program'] ?? [])
          .toSorted(),
      ).toEqual(programs.toSorted());
      for (const { user } of Object.values(services)) expect(user).toBe('1000:1000');
      const { spec } = await pod();
      const variables = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].flatMap(({ env = [] }) =>
        env.flatMap(({ name, value }) => (name === 'YILIAN_PROGRAM' ? [value ?? ''] : [])),
      );
      expect(variables.toSorted()).toEqual(programs.toSorted());
      expect(spec?.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 1000 });
    });

    it('publishes what others need, and nothing that is the loopback’s', async () => {
      const { services } = await compose('a');
      const isPublic = (name: string) => layout.endpoint(name).host === 'a.example';
      const expected = layout.listeners.filter(isPublic).map((name) => layout.port(name));
      const published = Object.entries(services).flatMap(([name, { ports = [] }]) =>
        ports.map(({ target, published: outside }) => [name, target, outside]),
      );
      expect(published).toEqual(expected.map((port) => ['network', port, `${port}`]));
      expect(expected.length).toBeLessThan(layout.listeners.length);
      for (const [name, { network_mode }] of Object.entries(services))
        expect(network_mode).toBe(name === 'network' ? undefined : name === 'prepare' ? 'none' : 'service:network');
      const { spec } = await json<{ spec: { ports: { port: number }[] } }>('rendered-a', 'kubernetes/service.yaml');
      expect(spec.ports.map(({ port }) => port)).toEqual(expected);
    });

    it('shows a program the keys it needs and no authority’s', async () => {
      const { services } = await compose('a');
      for (const { labels, volumes = [] } of Object.values(services)) {
        if (labels === undefined) continue;
        const program = labels['org.yilian.program'] ?? '';
        for (const { source, target } of volumes) {
          expect(target).toBe(source);
          expect(existsSync(source)).toBe(true);
          expect(source).not.toMatch(/\/pki(\/[^/]+)?$|ca\.json$|\/organisations(\/[^/]+)?$|swarm-secret$/);
          if (program.startsWith('region-a/proxy/')) expect(source).not.toMatch(/\/peers\/|relay|admin/);
        }
        expect(volumes, program).not.toEqual([]);
      }
      const relay = Object.values(services).find(({ labels }) => labels?.['org.yilian.program'] === 'region-a/relay');
      const seen = relay?.volumes?.map(({ source }) => source.replace(path('state-a/'), '')) ?? [];
      expect(seen).toEqual(
        expect.arrayContaining(['region-a/relay.json', 'region-a/operator-token', 'genesis.json', 'tls-roots.pem']),
      );
      expect(relay?.volumes?.every(({ read_only }) => read_only)).toBe(true);
    });

    it('holds no secret of this host, and nothing of another’s', async () => {
      const secrets = await secretsOf(folder);
      expect(secrets.length).toBeGreaterThan(20);
      for (const name of NAMES) {
        const files = await filesOf(path(`rendered-${name}`));
        expect(files).toHaveLength(5);
        for (const file of files) {
          const text = await readFile(file, 'utf8');
          expect(secrets.filter((secret) => text.includes(secret))).toEqual([]);
          expect(text).not.toContain(`state-${name === 'a' ? 'b' : 'a'}/pki`);
          expect(text).not.toContain(name === 'a' ? 'HospitalB1' : 'HospitalA1');
        }
      }
    });

    it('is refused for a host that listens on an address of its own machine', async () => {
      const before = folder;
      folder = await mkdtemp(join(tmpdir(), 'yilian-rendering-'));
      onTestFinished(async () => {
        await rm(folder, { recursive: true, force: true });
        folder = before;
      });
      await ceremony('192.0.2.1');
      await expect(rendered('a')).rejects.toMatchObject({
        code: 'USAGE',
        message: 'containers have addresses of their own: the description needs "listen": "0.0.0.0" at a',
      });
    });
  });

async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/** The lines that nobody else may read, of every key and secret below the state folders. */
async function secretsOf(folder: string): Promise<string[]> {
  const files = (await filesOf(folder)).filter((file) => /state-.\/.*(key\.pem|token|secret|ca\.json)$/.test(file));
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')));
  return texts.flatMap((text) => text.split(/\\n|\n|"/).filter((line) => /^[A-Za-z0-9+/=]{40,}$/.test(line)));
}
