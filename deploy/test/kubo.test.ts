import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { openBlockVault, openRemoteVault, parseCid, type VaultFault } from '@yilian/vault';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { readDescription } from '../local/description.ts';
import { findKubo, kuboNodes } from '../local/kubo.ts';
import { Layout } from '../local/layout.ts';
import type { Published } from '../local/publishing.ts';
import type { Running } from '../local/running.ts';
import { expressions, figuresIn, OF_KUBO, told } from './fixture/figures.ts';
import { Stranger } from './fixture/kubo-stranger.ts';
import { listening } from './fixture/listening.ts';
import { servesAgain } from './fixture/waiting.ts';
import { DESCRIPTION, kill, living, World } from './fixture/world.ts';

const SLOW_MS = 60_000;
const MIB = 2 ** 20;
const HOLDERS = ['region-a/kubo/HospitalA1', 'region-a/kubo/HospitalA2', 'region-b/kubo/HospitalB1'];
const [FIRST = '', SECOND = ''] = HOLDERS;
const hasKubo = spawnSync('ipfs', ['version']).status === 0;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'yilian-kubo-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A folder for PATH with an `ipfs` that runs this shell script. */
async function pathWith(script: string): Promise<string> {
  const path = await mkdtemp(join(folder, 'path-'));
  await writeFile(join(path, 'ipfs'), `#!/bin/sh\n${script}\n`);
  await chmod(join(path, 'ipfs'), 0o755);
  return path;
}

describe('finding Kubo', () => {
  it('takes 0.30 and later below 1, and says what it wants and found otherwise', async () => {
    for (const version of ['0.30.0', '0.44.0-dev'])
      expect(await findKubo({ PATH: await pathWith(`echo ${version}`) })).toMatchObject({ version });
    for (const version of ['0.29.9', '1.0.0', 'go-ipfs'])
      await expect(findKubo({ PATH: await pathWith(`echo ${version}`) })).rejects.toMatchObject({
        code: 'KUBO_UNFIT',
        message: expect.stringMatching(
          version === 'go-ipfs' ? /no known version; 0\.30/ : RegExp(`${version}; 0\\.30`),
        ) as string,
      });
    await expect(findKubo({ PATH: await pathWith('exit 1') })).rejects.toMatchObject({ code: 'KUBO_UNFIT' });
    await expect(findKubo({ PATH: folder })).rejects.toMatchObject({
      code: 'KUBO_MISSING',
      message: expect.stringContaining('dist.ipfs.tech') as string,
    });
  });

  it('keeps `up --vault kubo` from starting when there is none, and keeps no such choice', {
    timeout: SLOW_MS,
  }, async () => {
    const world = await World.create();
    onTestFinished(() => world.close());
    const up = ['up', '--description', DESCRIPTION, '--vault', 'kubo'];
    const refusal = await world.terminal.refusal(up, { env: { PATH: folder } });
    expect(refusal).toMatchObject({ exitCode: 1, code: 'KUBO_MISSING' });
    expect(existsSync(join(world.state, 'engines.json'))).toBe(false);
  });

  it('is another engine than a state was founded on', { timeout: SLOW_MS }, async () => {
    const world = await World.create();
    onTestFinished(() => world.close());
    await writeFile(join(world.state, 'description.json'), await readFile(DESCRIPTION));
    expect(await world.terminal.refusal(['up', '--vault', 'kubo'])).toMatchObject({
      exitCode: 1,
      code: 'ENGINE_DIFFERS',
      message: expect.stringContaining('--vault embedded') as string,
    });
    expect(await world.terminal.refusal(['up', '--vault', 'floppy'])).toMatchObject({ exitCode: 2, code: 'USAGE' });
    await writeFile(join(world.state, 'engines.json'), '{"vault":"floppy"}');
    expect(await world.terminal.refusal(['up'])).toMatchObject({ exitCode: 1, code: 'STATE_DAMAGED' });
  });
});

describe('the repository of a Kubo', () => {
  const FAKE_INIT = `echo '{"Identity":{"PeerID":"12D3"},"Datastore":{"StorageMax":"10GB"}}' > "$IPFS_PATH/config"`;

  async function layoutOnKubo(): Promise<Layout> {
    const state = await mkdtemp(join(folder, 'state-'));
    await writeFile(join(state, 'engines.json'), '{"vault":"kubo"}');
    return Layout.open(state, await readDescription(DESCRIPTION));
  }

  it('is made anew when its making was killed, and kept from then on', async () => {
    const layout = await layoutOnKubo();
    const killed = await pathWith(`echo '{"Iden' > "$IPFS_PATH/config"; kill -9 $$`);
    const said: string[] = [];
    const nodes = (path: string) =>
      kuboNodes(layout, { program: join(path, 'ipfs'), version: '0.44.0' }, (line) => said.push(line));
    await expect(nodes(killed)).rejects.toMatchObject({ code: 'PROCESS_FAILED' });
    const whole = await pathWith(FAKE_INIT);
    expect((await nodes(whole)).map(({ name, ready }) => [name, ready])).toEqual(
      HOLDERS.map((name) => [name, layout.port(name)]),
    );
    expect(said).toEqual([expect.stringContaining(HOLDERS.join(', '))]);
    await nodes(killed);
    expect(said).toHaveLength(1);
    expect(existsSync(`${layout.path(FIRST)}.new`)).toBe(false);
  });

  it('keeps what Kubo wrote, and gets the settings that close it to the world', async () => {
    const layout = await layoutOnKubo();
    const program = join(await pathWith(FAKE_INIT), 'ipfs');
    const [first] = await kuboNodes(layout, { program, version: '0.44.0' }, () => undefined);
    expect(first?.env).toMatchObject({ IPFS_PATH: layout.path(FIRST), LIBP2P_FORCE_PNET: '1' });
    const peer = (name: string) => ({ ID: '12D3', Addrs: [`/ip4/127.0.0.1/tcp/${layout.port(name)}`] });
    expect(JSON.parse(await readFile(join(layout.path(FIRST), 'config'), 'utf8'))).toMatchObject({
      Identity: { PeerID: '12D3' },
      Datastore: {
        StorageMax: '10GB',
        HashOnRead: true,
        WriteThrough: true,
        BlockKeyCacheSize: 0,
        BloomFilterSize: 0,
        Spec: { mounts: [{ type: 'flatfs', sync: true }, { type: 'levelds' }] },
      },
      Addresses: { API: `/ip4/127.0.0.1/tcp/${layout.port(FIRST)}`, Gateway: [] },
      Routing: { Type: 'none' },
      Bootstrap: [],
      Peering: { Peers: [peer('region-a/swarm/HospitalA2'), peer('region-b/swarm/HospitalB1')] },
    });
  });

  it('is not taken for a new one when it is damaged', async () => {
    const layout = await layoutOnKubo();
    const program = join(await pathWith(FAKE_INIT), 'ipfs');
    const nodes = () => kuboNodes(layout, { program, version: '0.44.0' }, () => undefined);
    await nodes();
    const config = join(layout.path(FIRST), 'config');
    for (const text of ['{"Iden', '{"Identity":{}}']) {
      await writeFile(config, text);
      await expect(nodes()).rejects.toMatchObject({ code: 'STATE_DAMAGED' });
    }
    await rm(config);
    await expect(nodes()).rejects.toMatchObject({
      code: 'STATE_DAMAGED',
      message: expect.stringContaining(layout.path(FIRST)) as string,
    });
    await rm(layout.path(FIRST), { recursive: true });
    await nodes();
  });
});

describe.skipIf(!hasKubo)(`a federation on Kubo${hasKubo ? '' : ' (skipped: no ipfs in PATH)'}`, () => {
  let world: World;
  let layout: Layout;
  let requestId: string;
  const documents: Buffer[] = [];
  const published: Published[] = [];
  const yilian = <T>(args: string, exitCode = 0) => world.terminal.json<T>(args.split(' '), exitCode);

  /** Asks a holder's Kubo itself. */
  const rpc = (name: string, call: string) => fetch(`${layout.url(name)}/api/v0/${call}`, { method: 'POST' });
  const has = async (name: string, cid: string): Promise<boolean> =>
    (await rpc(name, `block/stat?arg=${cid}&offline=true`)).ok;
  const image = (): Published => {
    const [first] = published;
    if (first === undefined) throw new Error('nothing was published');
    return first;
  };
  /** The sealed image, as anybody reads it from the holders of its region, and whose holder failed meanwhile. */
  async function sealed(): Promise<{ readonly bytes: Buffer; readonly failed: readonly string[] }> {
    const failed: string[] = [];
    const onFault = (fault: VaultFault) => void ('holder' in fault && failed.push(fault.holder));
    await using vault = openRemoteVault({ holders: [...layout.holders(layout.region('region-a'))], onFault });
    const { cid, sealedSizeBytes } = image();
    return { bytes: await buffer(vault.get(parseCid(cid), { sizeBytes: sealedSizeBytes })), failed };
  }

  /** The doctor opens all that was published, byte for byte. */
  async function opens(): Promise<void> {
    const out = await mkdtemp(join(folder, 'opened-'));
    const { opened } = await yilian<{ opened: { recordId: string; file: string }[] }>(`open ${requestId} --out ${out}`);
    expect(opened).toHaveLength(documents.length);
    for (const { recordId, file } of opened) {
      const original = documents[published.findIndex((each) => each.recordId === recordId)];
      expect(original?.equals(await readFile(file))).toBe(true);
    }
  }

  beforeAll(async () => {
    world = await World.create();
    await world.terminal.json(['up', '--description', DESCRIPTION, '--vault', 'kubo']);
    ({ layout } = await world.actors());
  }, 2 * SLOW_MS);
  afterAll(() => world.close(), SLOW_MS);

  it('says so, and which Kubo', async () => {
    const { version, program } = await findKubo();
    const { engines, processes } = await yilian<Running>('status');
    expect(engines['vault']).toContain(`Kubo ${version} (${program})`);
    expect(processes.map(({ name }) => name)).toEqual(expect.arrayContaining(HOLDERS));
  });

  it('tells Prometheus where the figures of its Kubo nodes are, and every alarm and panel about Kubo is about some there are', async () => {
    const asked = (await expressions()).flatMap(figuresIn).filter((name) => OF_KUBO.test(name));
    expect(asked.length).toBeGreaterThan(4);
    // A Kubo tells how many peers it has as soon as it has one.
    await vi.waitFor(async () => {
      const { jobs, figures } = await told(world.state);
      expect(jobs.toSorted()).toEqual(['attester', 'kubo', 'proxy', 'relay']);
      expect(asked.filter((name) => !figures.has(name))).toEqual([]);
    }, 10_000);
  });

  it('keeps what hospitals publish in their Kubo, under the embedded vault’s content ids, and doctors open it', {
    timeout: SLOW_MS,
  }, async () => {
    const files = ['image.dcm', 'report.json'].map((name) => world.path(name));
    documents.push(randomBytes(3 * MIB + 1), Buffer.from('{"resourceType":"DiagnosticReport"}'));
    for (const [index, file] of files.entries()) await writeFile(file, documents[index] ?? '');
    await Promise.all([
      yilian('enrol patient alice --hospital HospitalA1 --id 110101199003070134'),
      world.terminal.json(['enrol', 'doctor', 'li', '--hospital', 'HospitalB1', '--title', 'Dr Li Wei']),
    ]);
    await world.terminal.lighten('alice', 'li');
    const { records } = await yilian<{ records: Published[] }>(
      `publish ${files.join(' ')} --patient alice --hospital HospitalA1 --scope encounter`,
    );
    published.push(...records);
    await yilian('grant --patient alice --doctor li');
    ({ requestId } = await yilian<{ requestId: string }>('request --doctor li --patient alice'));
    await opens();

    for (const { cid } of records) {
      expect([await has(FIRST, cid), await has(SECOND, cid)]).toEqual([true, true]);
      expect(await has(HOLDERS[2] ?? '', cid)).toBe(false);
    }
    await using embedded = await openBlockVault({ folder: join(folder, 'embedded') });
    const { bytes, failed } = await sealed();
    expect([await embedded.put(one(bytes)), failed]).toEqual([
      { cid: image().cid, sizeBytes: image().sealedSizeBytes },
      [],
    ]);
  });

  it('listens on this machine alone, and lets nobody into its swarm without the federation’s key', {
    timeout: SLOW_MS,
  }, async () => {
    const nodes = await Promise.all(HOLDERS.map((name) => world.process(name)));
    const ports = HOLDERS.flatMap((name) => [layout.port(name), layout.port(name.replace('kubo', 'swarm'))]);
    const heard = await listening(
      nodes.map(({ pid }) => pid),
      { udp: true },
    );
    expect(heard.toSorted()).toEqual(ports.map((port) => `127.0.0.1:${port}`).toSorted());

    const keys = await Promise.all(
      HOLDERS.map(async (name) => {
        const file = layout.path(name, 'swarm.key');
        expect((await stat(file)).mode & 0o077).toBe(0);
        return readFile(file, 'utf8');
      }),
    );
    expect(new Set(keys).size).toBe(1);
    const secret = keys[0]?.trim().split('\n').at(-1) ?? '';
    expect(secret).toMatch(/^[0-9a-f]{64}$/);
    for (const log of await readdir(layout.path('logs')))
      expect(await readFile(layout.path('logs', log), 'utf8')).not.toContain(secret);
    await vi.waitFor(async () => {
      const { Peers: peers } = (await (await rpc(FIRST, 'swarm/peers')).json()) as { Peers: unknown[] | null };
      expect(peers).toHaveLength(2);
    }, 20_000);
    const { ID: id } = (await (await rpc(FIRST, 'id')).json()) as { ID: string };
    const address = `/ip4/127.0.0.1/tcp/${layout.port('region-a/swarm/HospitalA1')}/p2p/${id}`;
    await using stranger = await Stranger.start(join(folder, 'stranger'));
    expect(await stranger.connect(address)).toBe(false);
    await using member = await Stranger.start(join(folder, 'member'), keys[0]);
    expect(await member.connect(address)).toBe(true);
  });

  it('starts a daemon again that was killed, over the lock it left', { timeout: SLOW_MS }, async () => {
    const before = await world.process(FIRST);
    expect(existsSync(layout.path(FIRST, 'repo.lock'))).toBe(true);
    kill(before);
    expect((await sealed()).bytes.length).toBe(image().sealedSizeBytes);
    await servesAgain(world, FIRST, before);
    expect(await has(FIRST, image().cid)).toBe(true);
    expect((await sealed()).failed).toEqual([]);
  });

  it('reads elsewhere what a Kubo lost of its blocks, and puts them back', { timeout: SLOW_MS }, async () => {
    const { cid, sealedSizeBytes } = image();
    const blocks = layout.path(FIRST, 'blocks');
    const files = (await readdir(blocks, { recursive: true })).filter((name) => name.endsWith('.data'));
    for (const file of files) await rm(join(blocks, file));
    expect(await has(FIRST, cid)).toBe(false);
    const { bytes, failed } = await sealed();
    expect([bytes.length, failed]).toEqual([sealedSizeBytes, []]);
    await using neighbour = await (await world.actors()).hospital('HospitalA2');
    const [first] = await neighbour.replicas();
    if (first === undefined) throw new Error('no other hospital');
    expect(bytes.equals(await buffer(first.get(parseCid(cid), { sizeBytes: sealedSizeBytes })))).toBe(true);
    expect(await has(FIRST, cid)).toBe(true);
    expect(await first.verify(parseCid(cid))).toMatchObject({ missing: 0, corrupt: 0 });
  });

  it('reads elsewhere when a whole repository is lost; it begins empty with the next `up`, to be pinned again', {
    timeout: 2 * SLOW_MS,
  }, async () => {
    const { cid, sealedSizeBytes } = image();
    const before = await world.process(FIRST);
    const { bytes } = await sealed();
    await rm(layout.path(FIRST), { recursive: true });
    kill(before);
    await vi.waitFor(async () => {
      const { state, ended } = (await world.running()).processes.find(({ name }) => name === FIRST) ?? {};
      expect([state, ended]).toEqual(['waiting', 'exit code 1']);
    }, 20_000);
    const [lost = ''] = layout.holders(layout.region('region-a'));
    const now = await sealed();
    expect([now.bytes.equals(bytes), new Set(now.failed)]).toEqual([true, new Set([lost])]);
    await opens();
    await using neighbour = await (await world.actors()).hospital('HospitalA2');
    await expect(neighbour.replicas()).rejects.toMatchObject({ code: 'UNAVAILABLE' });

    const everybody = await world.everybody();
    await yilian('down');
    expect(living(everybody)).toEqual([]);
    expect(await world.terminal.refusal(['up', '--vault', 'embedded'])).toMatchObject({ code: 'ENGINE_DIFFERS' });
    const { exitCode, stderr } = await world.terminal.run(['up']);
    expect([exitCode, stderr]).toEqual([0, expect.stringMatching(RegExp(`^${FIRST}: .*holds nothing`, 'm'))]);
    expect([await has(FIRST, cid), await has(SECOND, cid)]).toEqual([false, true]);
    expect((await sealed()).failed).toEqual([]);
    await using open = await (await world.actors()).hospital('HospitalA2');
    for (const replica of await open.replicas()) await replica.pin(parseCid(cid), { sizeBytes: sealedSizeBytes });
    expect(await has(FIRST, cid)).toBe(true);
  });
});

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
