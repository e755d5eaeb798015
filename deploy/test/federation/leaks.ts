import { appendFile, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { type Leak, LeakSearch, type Secret, spellings } from '../fixture/leak-search.ts';
import { doctorSecrets, fragmentSecrets, patientSecrets } from '../fixture/secrets.ts';
import { living, type World } from '../fixture/world.ts';
import { ALICE_ID } from './main-job.ts';

const SLOW_MS = 120_000;
/** Organisations' own keys; people's own keystores, which are encrypted; a doctor's own requests hold nothing in clear. */
const OWN = ['pki'];

/** After the main job: what was secret is nowhere between owner and requester. */
export function leaks(world: () => World): void {
  let secrets: Secret[] = [];

  it('finds a secret in each spelling and at every alignment, and nothing in chance bytes', () => {
    const secret = { name: 'secret', bytes: crypto.getRandomValues(new Uint8Array(32)) };
    const search = new LeakSearch([secret]);
    for (const before of [0, 1, 2]) {
      const longer = Buffer.concat([Buffer.alloc(before, 7), secret.bytes, Buffer.alloc(5, 9)]);
      for (const text of [longer.toString('base64'), longer.toString('base64url'), longer.toString('hex')])
        expect(search.in(text, Buffer.from(`x${text}y`))).not.toEqual([]);
      expect(search.in('raw', longer)).toMatchObject([{ encoding: 'raw' }]);
    }
    for (const [encoding, bytes] of spellings(secret))
      expect(search.in(encoding, Buffer.concat([Buffer.from('..'), bytes]))).not.toEqual([]);
    expect(search.in('chance', Buffer.from(crypto.getRandomValues(new Uint8Array(65_536))))).toEqual([]);
  });

  it('leaks no document, key or fragment to any chain, queue, log, vault, proxy or wire', {
    timeout: SLOW_MS,
  }, async () => {
    const actors = await world().actors();
    secrets = [
      { name: 'mark in the documents', bytes: world().mark },
      ...(await patientSecrets(actors, 'alice', await recordsOf(world()))),
      ...(await doctorSecrets(actors, 'li')),
      ...(await fragmentSecrets(actors, 'alice', world().recorder.flows())),
    ];
    const kinds = Map.groupBy(secrets, ({ name }) => name.split(/[ :]/)[0]);
    expect(kinds.get('content')?.length).toBe(world().story.records);
    expect(kinds.get('key')?.length).toBeGreaterThanOrEqual(6);

    for (const leak of PLACES) await leak.plant(world(), Buffer.from(secrets[0]?.bytes ?? []));
    const before = await world().everybody();
    await world().terminal.json(['down']);
    expect(living(before)).toEqual([]);

    const search = new LeakSearch(secrets);
    const { files, leaks: stored } = await search.inFolder(world().state, OWN);
    const flows = world().recorder.flows();
    const found = [...stored, ...flows.flatMap(({ name, bytes }) => search.in(name, bytes))];
    expect(files).toBeGreaterThan(100);
    expect(flows.reduce((sum, { bytes }) => sum + bytes.length, 0)).toBeGreaterThan(1_000_000);
    const heard = new Set(flows.map(({ name }) => name.replace(/^wire (to|from) /, '')));
    const vaults = actors.layout.listeners.filter((name) => name.includes('/vault/'));
    expect(actors.layout.listeners.filter((name) => !heard.has(name) && !vaults.includes(name))).toEqual([]);
    expect(vaults.some((name) => heard.has(name))).toBe(true);
    for (const { name, holds } of PLACES) expect([name, found.some(holds)]).toEqual([name, true]);
    expect(found.filter((leak) => !PLACES.some(({ holds }) => holds(leak)))).toEqual([]);
    for (const { mend } of PLACES) await mend?.(world());
  });

  it('tells the identity number to the pseudonym authority alone', async () => {
    const search = new LeakSearch([{ name: 'identity number', bytes: Buffer.from(ALICE_ID) }]);
    expect((await search.inFolder(world().state, OWN)).leaks).toEqual([]);
    const heard = world()
      .recorder.flows()
      .filter(({ name, bytes }) => search.in(name, bytes).length > 0);
    expect(new Set(heard.map(({ name }) => name))).toEqual(new Set(['wire to pseudonyms']));
  });

  it('starts again without recorders, on the same ports', { timeout: SLOW_MS }, async () => {
    await world().stopRecording();
    const { regions } = await world().terminal.json<{ regions: { relay: string }[] }>(['up']);
    const { layout } = await world().actors();
    expect(regions.map(({ relay }) => relay)).toEqual([layout.url('region-a/relay'), layout.url('region-b/relay')]);
    expect(layout.port('region-a/relay')).toBe(Number(layout.address('region-a/relay').split(':')[1]));
  });
}

interface Place {
  readonly name: string;
  readonly holds: (leak: Leak) => boolean;
  readonly plant: (world: World, secret: Buffer) => Promise<unknown>;
  readonly mend?: (world: World) => Promise<unknown>;
}

/** A leak on purpose in each kind of place, in a spelling of its own: the search must find each of them. */
const PLACES: readonly Place[] = [
  planted('chain', 'region-a/chain/planted.bin', (secret) => secret),
  planted('main chain', 'main/chain/planted.bin', (secret) => Buffer.from(`x${secret.toString('hex')}`)),
  planted('proxy', 'region-a/proxy/HospitalA1/planted.bin', (secret) =>
    Buffer.from(secret.toString('hex').toUpperCase()),
  ),
  planted('attester', 'main/attester/NationalCentre/planted.bin', (secret) =>
    Buffer.from(secret.toString('base64url')),
  ),
  planted('vault', 'region-a/vault/HospitalA1/planted.bin', (secret) => Buffer.concat([Buffer.from('..'), secret])),
  planted('pseudonyms', 'pseudonyms/planted.bin', (secret) => Buffer.from(secret.toString('latin1'), 'utf16le')),
  planted('keystores', 'keystores/planted.bin', (secret) => Buffer.from(secret.toString('latin1'), 'utf16le').swap16()),
  {
    name: 'log',
    holds: ({ place }) => place === 'logs/region-a-relay.log',
    plant: (world, secret) =>
      appendFile(
        join(world.state, 'logs/region-a-relay.log'),
        `{"x":"${Buffer.concat([Buffer.from('1'), secret]).toString('base64')}"}\n`,
      ),
    mend: async (world) => {
      const file = join(world.state, 'logs/region-a-relay.log');
      const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => !line.startsWith('{"x":'));
      await writeFile(file, lines.join('\n'));
    },
  },
  {
    name: 'queue',
    holds: ({ place }) => place.startsWith('region-a/redis/') || place === 'wire to region-a/redis',
    plant: async (world, secret) => {
      const { layout } = await world.actors();
      const redis = new Redis(layout.port('region-a/redis'), '127.0.0.1');
      await redis.set('planted', Buffer.concat([Buffer.from('12'), secret]).toString('base64'));
      await redis.del('planted');
      await redis.quit();
    },
  },
  {
    name: 'wire',
    holds: ({ place }) => place === 'wire to region-b/relay',
    plant: async (world, secret) => {
      const { layout } = await world.actors();
      const [host = '', port = ''] = layout.address('region-b/relay').split(':');
      await new Promise<void>((resolve, reject) => {
        const socket = connect(Number(port), host);
        socket.once('error', reject).once('close', resolve).resume();
        socket.end(`GET /health?${secret.toString('hex')} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
      });
    },
  },
];

function planted(name: string, place: string, spell: (secret: Buffer) => Buffer): Place {
  return {
    name,
    holds: (leak) => leak.place === place,
    plant: (world, secret) => writeFile(join(world.state, place), spell(secret)),
    mend: (world) => rm(join(world.state, place)),
  };
}

async function recordsOf(world: World): Promise<string[]> {
  const files = await readFile(world.path('opened', 'dossier.json'), 'utf8');
  const { legs } = JSON.parse(files) as { legs: { receipts: { document: { records: string[] } }[] }[] };
  return legs.flatMap(({ receipts }) => receipts.flatMap(({ document }) => document.records));
}
