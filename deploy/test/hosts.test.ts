import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findBinaries } from '@yilian/fabric';
import { inPath } from '@yilian/service';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Agreement, Bundle } from '../hosts/bundle.ts';
import { readDescription } from '../local/description.ts';
import { findKubo } from '../local/kubo.ts';
import { Layout } from '../local/layout.ts';
import { down, lastRunning } from '../local/running.ts';
import { Terminal } from './fixture/command-line.ts';
import { ComposedHost } from './fixture/composed-host.ts';
import { SeparateHosts } from './fixture/separate-hosts.ts';
import { DESCRIPTION } from './fixture/world.ts';

const SLOW_MS = 180_000;
const HOSTS = { 'host-a': 'AuthorityA', 'host-b': 'AuthorityB', centre: 'NationalCentre' };
const NAMES = Object.keys(HOSTS);
const OTHERS = ['host-a', 'host-b'];
const ALICE_ID = '110101199003070134';
const REPORT = 'haemoglobin 142 g/l';
const why = await findBinaries().then(
  async () => {
    if (!SeparateHosts.isPossible()) return 'only root can make network namespaces, with `ip`';
    return (await inPath(['redis-server'], process.env['PATH'])) === undefined ? 'no redis-server in PATH' : undefined;
  },
  (error: unknown) => (error as Error).message,
);
const vault = await findKubo().then(
  () => 'kubo',
  () => 'embedded',
);

if (why !== undefined) it.skip(`a federation of three separate hosts (skipped: ${why})`, () => undefined);
else
  describe('a federation of three separate hosts', () => {
    let folder: string;
    let network: SeparateHosts;
    const composed: ComposedHost[] = [];
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'yilian-hosts-'));
      network = new SeparateHosts(NAMES);
      const description = JSON.parse(await readFile(DESCRIPTION, 'utf8')) as object;
      const hosts = Object.entries(HOSTS).map(([name, authority]) => ({
        name,
        address: network.address(name),
        // As containers need it.
        ...(name !== 'host-b' && { listen: '0.0.0.0' }),
        regions: name === 'centre' ? [] : [`region-${name.at(-1)}`],
        authorities: [authority],
      }));
      await writeFile(path('description.json'), JSON.stringify({ ...description, hosts }));
      await writeFile(path('report.txt'), REPORT);
    });
    afterAll(async () => {
      await Promise.all(composed.map((host) => host[Symbol.asyncDispose]()));
      await Promise.all(NAMES.map((name) => down(state(name)).catch(() => undefined)));
      network?.[Symbol.dispose]();
      await rm(folder, { recursive: true, force: true });
    }, 60_000);

    const path = (...parts: string[]) => join(folder, ...parts);
    const state = (name: string) => path(`state-${name}`);
    const on = (name: string) => ({ prefix: network.on(name), cwd: folder });
    const yilian = <T>(name: string, args: readonly string[]) => new Terminal(state(name)).json<T>(args, 0, on(name));
    const refusal = (name: string, args: readonly string[]) => new Terminal(state(name)).refusal(args, on(name));
    const layout = async (name: string) => Layout.open(state(name), await readDescription(path('description.json')));
    const bundles = NAMES.map((name) => `${name}.json`);
    const secret = () => (vault === 'kubo' ? ['--swarm-key', path('state-centre', 'swarm-secret')] : []);
    const agreed = () => ['--agreement', 'agreement.json', ...secret()];
    const up = () => ['up', ...agreed()];
    /** The host as its compose file has it. */
    const inContainers = async (name: string): Promise<ComposedHost> => {
      const to = path(`rendered-${name}`);
      await yilian(name, ['host', 'render', '--to', to, ...agreed()]);
      const log = path(`${name}.log`);
      const host = new ComposedHost(join(to, 'compose.yaml'), state(name), log, network.on(name));
      composed.push(host);
      return host;
    };

    it('makes on each host the keys of those it holds and no others, and nothing secret leaves but the swarm’s key', {
      timeout: SLOW_MS,
    }, async () => {
      expect(await refusal('host-a', ['up', '--description', 'description.json'])).toMatchObject({ code: 'USAGE' });
      for (const name of NAMES)
        await yilian(name, ['host', 'keys', '--description', 'description.json', '--host', name, '--vault', vault]);
      expect((await readdir(path('state-host-a', 'pki'))).toSorted()).toEqual([
        'AuthorityA',
        'CommissionA',
        'HospitalA1',
        'HospitalA2',
      ]);
      for (const bundle of bundles)
        expect(await readFile(path(bundle), 'utf8')).not.toMatch(/PRIVATE KEY|"[0-9a-f]{64}",?\n.*swarm/);
      const again = await readFile(path('host-a.json'), 'utf8');
      await yilian('host-a', ['host', 'keys', '--description', 'description.json', '--host', 'host-a']);
      expect(await readFile(path('host-a.json'), 'utf8')).toBe(again);
    });

    it('agrees on the bundles of all hosts and on nothing less, once', { timeout: SLOW_MS }, async () => {
      const refused = (files: readonly string[]) => refusal('centre', ['host', 'agree', ...files]);
      expect(await refused(bundles.slice(1))).toMatchObject({
        code: 'BUNDLE_INVALID',
        message: 'the bundle of host-a is missing',
      });
      const bundle = JSON.parse(await readFile(path('host-a.json'), 'utf8')) as Bundle;
      const { CommissionA, ...fewer } = bundle.organisations;
      const boundless = { root: CommissionA?.root ?? '', tlsRoot: CommissionA?.root ?? '' };
      for (const changed of [
        { ...bundle, organisations: fewer },
        { ...bundle, organisations: { ...fewer, CommissionA: boundless } },
        { ...bundle, description: '0'.repeat(64) },
        { ...bundle, more: 1 },
      ]) {
        await writeFile(path('changed.json'), JSON.stringify(changed));
        expect(await refused(['changed.json', ...bundles.slice(1)])).toMatchObject({ code: 'BUNDLE_INVALID' });
      }
      const answer = await yilian<{ sha256: string; swarmKey?: string }>('centre', ['host', 'agree', ...bundles]);
      expect(answer.sha256).toMatch(/^[0-9a-f]{64}$/);
      if (answer.swarmKey !== undefined) expect((await stat(answer.swarmKey)).mode & 0o077).toBe(0);
    });

    it('refuses to start on an agreement that says of this host what it did not make', {
      timeout: SLOW_MS,
    }, async () => {
      const agreement = JSON.parse(await readFile(path('agreement.json'), 'utf8')) as Agreement;
      const [own, other] = [agreement.bundles.find(({ host }) => host === 'host-a'), agreement.bundles[0]];
      const [made, foreign] = [own?.organisations['CommissionA'], other?.organisations['NationalCentre']];
      if (own === undefined || made === undefined || foreign === undefined) throw new Error('a bundle is missing');
      own.organisations['CommissionA'] = { ...made, root: foreign.root };
      await writeFile(path('forged.json'), JSON.stringify(agreement));
      expect(await refusal('host-a', ['up', '--agreement', 'forged.json', ...secret()])).toMatchObject({
        code: 'BUNDLE_INVALID',
        message: 'the bundle of host-a is not what this host made',
      });
      expect(await refusal('host-a', ['up'])).toMatchObject({ code: 'NOT_AGREED' });
    });

    it('refuses to start on a first block that says other than the bundles', { timeout: SLOW_MS }, async () => {
      const agreement = JSON.parse(await readFile(path('agreement.json'), 'utf8')) as Agreement;
      // Of the same length, so that it is a block all the same.
      const block = Buffer.from(agreement.genesis, 'base64')
        .toString('latin1')
        .replaceAll('CommissionB', 'CommissionX');
      const genesis = Buffer.from(block, 'latin1').toString('base64');
      await writeFile(path('forged.json'), JSON.stringify({ ...agreement, genesis }));
      expect(await refusal('host-a', ['up', '--agreement', 'forged.json', ...secret()])).toMatchObject({
        code: 'FABRIC_GENESIS',
        message: expect.stringContaining('CommissionB') as string,
      });
      expect(await refusal('host-a', ['up'])).toMatchObject({ code: 'NOT_AGREED' });
    });

    it('says who is missing when the others do not come', { timeout: SLOW_MS }, async () => {
      const refused = await refusal('centre', [...up(), '--patience', '1']);
      expect(refused).toMatchObject({ code: 'FABRIC_APPROVALS' });
      expect(refused.message).toMatch(/needs 2 of 3, 1 agree; not: AuthorityA, AuthorityB$/);
    });

    it('is founded when all are there, whoever comes first, also in containers', { timeout: SLOW_MS }, async () => {
      const centre = await inContainers('centre');
      await Promise.all([centre.up(), ...OTHERS.map((name) => yilian(name, up()))]);
      expect(centre.programs.toSorted()).toEqual([
        'main/attester/NationalCentre',
        'main/contracts/NationalCentre',
        'main/orderer/orderer.NationalCentre',
        'main/peer/NationalCentre/peer0',
        'pseudonyms',
      ]);
      const running = await Promise.all(OTHERS.map((name) => lastRunning(state(name))));
      expect(running.map((each) => each?.state)).toEqual(['ready', 'ready']);
      expect(running[0]?.processes.some(({ name }) => /region-b|HospitalB|CommissionB/.test(name))).toBe(false);
    });

    it('shows other hosts what they need by TLS, and nothing else', { timeout: SLOW_MS }, async () => {
      const { listeners, ...places } = await layout('host-a').then((of) => ({
        listeners: of.listeners,
        url: (name: string) => of.url(name),
        port: (name: string) => of.port(name),
      }));
      const found = listeners.filter((name) =>
        network.finds('host-b', `${network.address('host-a')}:${places.port(name)}`),
      );
      const kinds = new Set(found.map((name) => name.split('/')[1]));
      expect(kinds).toEqual(
        new Set(['attester', 'orderer', 'peer', 'proxy', 'relay', 'vault', ...(vault === 'kubo' ? ['swarm'] : [])]),
      );
      expect(places.url('region-a/relay')).toMatch(/^https:/);
      expect(listeners.length).toBeGreaterThan(found.length);
    });

    it('opens in one region what was published in the other', { timeout: SLOW_MS }, async () => {
      const [alice, li] = await Promise.all([
        yilian<{ pseudonym: string }>('host-a', [
          'enrol',
          'patient',
          'alice',
          '--hospital',
          'HospitalA1',
          '--id',
          ALICE_ID,
        ]),
        yilian<{ keyCertificateId: string }>('host-b', [
          'enrol',
          'doctor',
          'li',
          '--hospital',
          'HospitalB1',
          '--title',
          'Dr Li',
        ]),
      ]);
      const enrol = ['enrol', 'doctor', 'wu', '--hospital', 'HospitalB1', '--title', 'Dr Wu'];
      expect(await refusal('host-a', enrol)).toMatchObject({
        code: 'ELSEWHERE',
        message: expect.stringContaining('host-b') as string,
      });
      await new Terminal(state('host-a')).lighten('alice');
      await new Terminal(state('host-b')).lighten('li');
      await yilian('host-a', [
        'publish',
        'report.txt',
        '--patient',
        'alice',
        '--hospital',
        'HospitalA1',
        '--scope',
        'encounter',
      ]);
      await yilian('host-a', ['grant', '--patient', 'alice', '--doctor', `region-b/${li.keyCertificateId}`]);
      pseudonym = alice.pseudonym;
      const asked = await yilian<Asked>('host-b', request());
      expect(asked).toMatchObject(RELEASED);
      expect(await opened(asked.requestId)).toEqual([REPORT]);
    });

    it('refuses to change from one host, and says why', { timeout: SLOW_MS }, async () => {
      for (const change of [
        ['change', 'description.json'],
        ['change', 'description.json', '--dry-run'],
        ['upgrade', 'region-a', '--module', 'report.txt', '--to', '2'],
        ['renew'],
      ])
        expect(await refusal('host-a', change)).toMatchObject({
          code: 'CHANGE_UNSUPPORTED',
          message: expect.stringMatching(/no host has the keys of all$/) as string,
        });
    });

    it('answers a query late, not wrong, when the home region was cut off and came back', {
      timeout: SLOW_MS,
    }, async () => {
      let requestId: string;
      {
        using _ = network.cut('host-a');
        const waiting = await refusal('host-b', [...request(), '--timeout', '5']);
        expect(waiting.code).toBe('TIMEOUT');
        requestId = /open (\S+)/.exec(waiting.message)?.[1] ?? '';
      }
      expect(await opened(requestId)).toEqual([REPORT]);
    });

    it('comes back alone, while all others are away, and goes on with them', { timeout: SLOW_MS }, async () => {
      await yilian('host-a', ['down']);
      {
        using _ = network.cut('host-a');
        await yilian('host-a', ['up']);
      }
      expect(await yilian<Asked>('host-b', request())).toMatchObject(RELEASED);
    });

    it('goes on in containers, each of which sees of the state only what it is given', {
      timeout: SLOW_MS,
    }, async () => {
      await yilian('host-a', ['down']);
      const host = await inContainers('host-a');
      await host.up();
      const files = [
        'region-a/relay.json',
        'pki/CommissionA/relay.key.pem',
        'pki/CommissionA/ca.json',
        'agreement.json',
      ];
      const seen = await Promise.all(files.map((file) => host.sees('region-a-relay', join(state('host-a'), file))));
      expect(seen).toEqual([true, true, false, false]);
      const asked = await yilian<Asked>('host-b', request());
      expect(asked).toMatchObject(RELEASED);
      expect(await opened(asked.requestId)).toEqual([REPORT]);
    });

    interface Asked {
      readonly requestId: string;
    }
    let pseudonym = '';
    const RELEASED = { complete: true, legs: [{ region: 'region-a', state: 'released', records: 1 }] };
    const request = () => ['request', '--doctor', 'li', '--patient', pseudonym];
    /** What the doctor then reads. */
    const opened = async (requestId: string): Promise<string[]> => {
      const answer = await yilian<{ opened: { file: string }[] }>('host-b', [
        'open',
        requestId,
        '--out',
        path(`opened-${requestId}`),
      ]);
      return Promise.all(answer.opened.map(({ file }) => readFile(file, 'utf8')));
    };
  });
