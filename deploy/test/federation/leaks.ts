import { appendFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { type Leak, LeakSearch, type Secret, spellings } from '../fixture/leak-search.ts';
import { ask } from '../fixture/queries.ts';
import { doctorSecrets, fragmentSecrets, patientSecrets } from '../fixture/secrets.ts';
import { halt, kill, living, type World } from '../fixture/world.ts';
import { ALICE_ID } from './main-job.ts';

const SLOW_MS = 120_000;
/** Organisations' own keys; people's own keystores, which are encrypted; a doctor's own requests hold nothing in clear. */
const OWN = ['pki'];
/** Where a leak is planted in a row. */
const DATABASE = 'region-a/proxy/HospitalA2/grants.db';

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

  it('finds a secret in a row that a database cuts in two', async () => {
    const folder = world().path('cut');
    await mkdir(folder);
    const many = Array.from({ length: 300 }, (_, index) => ({
      name: `secret ${index}`,
      bytes: crypto.getRandomValues(new Uint8Array(32)),
    }));
    const file = join(folder, 'cut.db');
    const database = new DatabaseSync(file);
    database.exec('CREATE TABLE planted (value BLOB); BEGIN');
    const insert = database.prepare('INSERT INTO planted VALUES (?)');
    for (const [index, { bytes }] of many.entries())
      insert.run(Buffer.concat([Buffer.alloc(2_000), bytes, Buffer.alloc(9_000 + 16 * index)]));
    database.exec('COMMIT');
    database.close();
    const search = new LeakSearch(many);
    expect(search.in('cut.db', await readFile(file)).length).toBeLessThan(many.length);
    const { leaks } = await search.inFolder(folder, []);
    expect(new Set(leaks.filter(({ place }) => place === 'cut.db#planted').map(({ secret }) => secret)).size).toBe(300);
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
    await killAll(world());

    const search = new LeakSearch(secrets);
    const { files, leaks: stored } = await search.inFolder(world().state, OWN);
    const flows = world().recorder.flows();
    const found = [...stored, ...flows.flatMap(({ name, bytes }) => search.in(name, bytes))];
    expect(files).toBeGreaterThan(100);
    expect(flows.reduce((sum, { bytes }) => sum + bytes.length, 0)).toBeGreaterThan(1_000_000);
    // Compressed, a leak would go unseen.
    expect(flows.filter(({ bytes }) => /^content-encoding: (?!identity)/im.test(bytes.toString('latin1')))).toEqual([]);
    const heard = new Set(flows.map(({ name }) => name.replace(/^wire (to|from) /, '')));
    const vaults = actors.layout.listeners.filter((name) => name.includes('/vault/'));
    expect(actors.layout.listeners.filter((name) => !heard.has(name) && !vaults.includes(name))).toEqual([]);
    expect(vaults.some((name) => heard.has(name))).toBe(true);
    for (const { name, holds } of PLACES) expect([name, found.some(holds)]).toEqual([name, true]);
    expect(found.map(({ place }) => place)).toContain(`${DATABASE}#planted`);
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
}

/** With a query on its way. */
async function killAll(world: World): Promise<void> {
  const before = await world.everybody();
  const actors = await world.actors();
  halt(await world.process('region-a/chain'));
  const { requestId } = await ask(actors, (await actors.doctor('li')).practitioner);
  expect(await actors.relay('region-b').status(requestId)).toMatchObject({ final: false });
  world.story.asked.push(requestId);
  for (const each of before) kill(each);
  while (living(before).length > 0) await delay(10);
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
    name: 'row',
    holds: ({ place }) => place.startsWith(DATABASE),
    plant: (world, secret) => {
      const text = secret.toString('base64').replace(/=+$/, '').padEnd(9_000, '.');
      return inDatabase(world, (database) => {
        database.exec('CREATE TABLE planted (value TEXT)');
        database.prepare('INSERT INTO planted VALUES (?)').run(text);
      });
    },
    mend: (world) => inDatabase(world, (database) => database.exec('DROP TABLE planted; VACUUM')),
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

async function inDatabase(world: World, work: (database: DatabaseSync) => void): Promise<void> {
  const database = new DatabaseSync(join(world.state, DATABASE), { timeout: 5_000 });
  work(database);
  database.close();
}

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

/** At the end, after every crash: what the logs say leads to nobody. */
export function logs(world: () => World): void {
  it('wrote no pseudonym, request, grant, record or key certificate into a log', async () => {
    const actors = await world().actors();
    const people = await actors.people();
    const { grants, requests, asked } = world().story;
    const identifiers = [
      ...people.flatMap(({ pseudonym = [], keyCertificateId = [] }) => [pseudonym, keyCertificateId].flat()),
      ...grants,
      ...requests,
      ...asked,
      ...(await recordsOf(world())),
    ];
    expect(people.length).toBeGreaterThan(3);
    expect(identifiers.length).toBeGreaterThan(30);
    const search = new LeakSearch(identifiers.map((id) => ({ name: id, bytes: Buffer.from(id, 'base64url') })));
    const said = async (): Promise<Leak[]> => {
      const supervisor = await readFile(join(world().state, 'supervisor.log'));
      const { files, leaks } = await search.inFolder(join(world().state, 'logs'), []);
      expect(files).toBeGreaterThan(15);
      return [...leaks, ...search.in('supervisor.log', supervisor)];
    };
    expect(await said()).toEqual([]);
    const [first = ''] = asked;
    await appendFile(join(world().state, 'logs', 'region-a-relay.log'), `{"msg":"about ${first}"}\n`);
    expect(await said()).toMatchObject([{ place: 'region-a-relay.log', secret: first }]);
  });
}
