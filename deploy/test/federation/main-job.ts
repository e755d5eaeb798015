import { spawnSync } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Person } from '../../local/actors.ts';
import type { Published } from '../../local/publishing.ts';
import { fhirExample, markedImage, markedReport, sha256, type TestDocument } from '../fixture/documents.ts';
import type { World } from '../fixture/world.ts';

interface Asked {
  readonly requestId: string;
  readonly complete: boolean;
  readonly absent: boolean;
  readonly legs: readonly {
    readonly region: string;
    readonly state: string;
    readonly records?: number;
    readonly transactionId?: string;
  }[];
}
interface Opened {
  readonly requestId: string;
  readonly opened: readonly {
    readonly recordId: string;
    readonly file: string;
    readonly sha256: string;
    readonly sizeBytes: number;
  }[];
  readonly dossier: string;
}

const SLOW_MS = 60_000;
export const ALICE_ID = '110101199003070134';
const BOB_ID = '11010119600313021X';
const NOBODY = 'A'.repeat(43);
const hasNamespaces = spawnSync('unshare', ['-n', 'true']).status === 0;

/** The main job, each step by its own process. */
export function mainJob(world: () => World): void {
  const { published, documents } = { published: new Map<string, Published>(), documents: [] as TestDocument[] };
  const yilian = <T>(args: string, exitCode = 0) => world().terminal.json<T>(args.split(' '), exitCode);

  it('enrols from two terminals at once: two patients and a doctor, none lost', { timeout: SLOW_MS }, async () => {
    const [alice, bob] = await Promise.all([
      yilian<Person>(`enrol patient alice --hospital HospitalA1 --id ${ALICE_ID}`),
      yilian<Person>(`enrol patient bob --hospital HospitalA1 --id ${BOB_ID}`),
      world().terminal.json<Person>(['enrol', 'doctor', 'li', '--hospital', 'HospitalB1', '--title', 'Dr Li Wei']),
    ]);
    expect(alice.pseudonym).not.toBe(bob.pseudonym);
    const people = (await (await world().actors()).people()).map(({ name }) => name);
    expect(people.toSorted()).toEqual(['alice', 'bob', 'li']);
    await world().terminal.lighten(...people);
    const again = await world().terminal.refusal([
      'enrol',
      'doctor',
      'alice',
      '--hospital',
      'HospitalB1',
      '--title',
      'x',
    ]);
    expect(again).toMatchObject({ exitCode: 1, code: 'NAME_TAKEN' });
    const other = ['enrol', 'patient', 'alice', '--hospital', 'HospitalA1', '--id', BOB_ID];
    expect(await world().terminal.refusal(other)).toMatchObject({ exitCode: 1, code: 'NAME_TAKEN' });
  });

  it('publishes FHIR documents and an image, from two terminals at once', { timeout: SLOW_MS }, async () => {
    documents.push(
      await fhirExample('Observation-f001.json'),
      await fhirExample('CarePlan-f001.json'),
      await markedReport(world().folder, world().mark),
      await markedImage(world().folder, world().mark),
    );
    const files = documents.map(({ file }) => file);
    const publish = (patient: string, some: readonly string[]) =>
      world().terminal.json<{ records: Published[] }>([
        'publish',
        ...some,
        '--patient',
        patient,
        '--hospital',
        'HospitalA1',
        '--scope',
        'encounter',
      ]);
    const [first, second] = await Promise.all([publish('alice', files), publish('bob', files.slice(0, 1))]);
    for (const record of first.records) published.set(record.recordId, record);
    expect(first.records.map(({ sha256: hash }) => hash)).toEqual(documents.map(({ sha256: hash }) => hash));
    expect(second.records).toHaveLength(1);
    world().story.records = published.size;
  });

  it('opens across regions what the patient granted, byte for byte', { timeout: SLOW_MS }, async () => {
    const granted = await yilian<{ grantId: string; acknowledgedBy: string[] }>('grant --patient alice --doctor li');
    expect(granted.acknowledgedBy.length).toBeGreaterThanOrEqual(2);
    world().story.grants.push(granted.grantId);
    const asked = await yilian<Asked>('request --doctor li --patient alice');
    expect(asked).toMatchObject({
      complete: true,
      absent: false,
      legs: [{ region: 'region-a', state: 'released', records: 4 }],
    });
    world().story.requests.push(asked.requestId);
    const out = world().path('opened');
    const opened = await world().terminal.json<Opened>(['open', asked.requestId, '--out', out]);
    expect(opened.opened).toHaveLength(documents.length);
    for (const { recordId, file, sha256: said } of opened.opened) {
      const bytes = await readFile(file);
      const original = documents.find(({ sha256: hash }) => hash === published.get(recordId)?.sha256);
      expect([said, bytes.length]).toEqual([original?.sha256, original?.bytes.length]);
      expect(original?.bytes.equals(bytes)).toBe(true);
      expect(said).toBe(sha256(bytes));
    }
    expect((await readdir(out)).toSorted()).toEqual([...published.keys(), 'dossier.json'].toSorted());
  });

  it('reuses the grant, proves an absence, and says no once the patient revoked', { timeout: SLOW_MS }, async () => {
    const again = await yilian<Asked>('request --doctor li --patient alice --scope encounter');
    expect(again.legs).toMatchObject([{ state: 'released', records: 4 }]);
    const absent = await yilian<Asked>(`request --doctor li --patient ${NOBODY}`, 3);
    expect(absent).toMatchObject({ absent: true, complete: true, legs: [] });
    const [grantId = ''] = world().story.grants;
    const revoked = await world().terminal.json(['revoke', grantId, '--patient', 'alice']);
    expect(revoked).toMatchObject({ region: 'region-a', destroyed: { k: 3, n: 3 } });
    const denied = await yilian<Asked>('request --doctor li --patient alice', 3);
    expect(denied.legs).toMatchObject([
      { state: 'denied', records: 0, reasons: ['encounter: REVOKED', 'laboratory: REVOKED'] },
    ]);
    const nothing = await world().terminal.run(['open', denied.requestId, '--out', world().path('denied')]);
    expect([nothing.exitCode, nothing.stdout]).toEqual([3, 'nothing was released\n']);
  });

  it('lists every access in every region', { timeout: SLOW_MS }, async () => {
    const list = await yilian<{
      accesses: { region: string; requestId: string; outcome?: { outcome: string } }[];
      unanswered: [];
    }>('accesses --patient alice');
    expect(list.unanswered).toEqual([]);
    const home = list.accesses.filter(({ region }) => region === 'region-a');
    expect(home.map(({ outcome }) => outcome?.outcome)).toEqual(['denied', 'released', 'released']);
    expect(home.at(-1)?.requestId).toBe(world().story.requests[0]);
  });

  it('verifies a dossier in an empty folder through a dead proxy, and refuses a changed one with the code', {
    timeout: SLOW_MS,
  }, async () => {
    const empty = world().path('empty');
    await mkdir(empty);
    const dead = { HTTP_PROXY: 'http://127.0.0.1:9', HTTPS_PROXY: 'http://127.0.0.1:9', NODE_USE_ENV_PROXY: '1' };
    const options = { cwd: empty, env: { ...dead, YILIAN_PASSPHRASE: '' } };
    const file = world().path('opened', 'dossier.json');
    const genesis = ['--genesis', world().genesis];
    expect(await world().terminal.json(['verify', file, ...genesis], 0, options)).toMatchObject({
      holds: true,
      report: { requestId: world().story.requests[0], requester: { name: 'Dr Li Wei' }, legs: [{ state: 'released' }] },
    });
    const dossier = JSON.parse(await readFile(file, 'utf8')) as { request: { document: { purpose: string } } };
    dossier.request.document.purpose = 'HRESCH';
    const changed = world().path('changed.json');
    await writeFile(changed, JSON.stringify(dossier));
    expect(await world().terminal.json(['verify', changed, ...genesis], 3, options)).toMatchObject({
      holds: false,
      code: 'REQUEST_INVALID',
    });
    await writeFile(changed, '{');
    expect(await world().terminal.refusal(['verify', changed, ...genesis], options)).toMatchObject({
      code: 'FILE_UNREADABLE',
    });
  });

  it.skipIf(!hasNamespaces)(
    'verifies a dossier where there is no network (skipped where `unshare -n` is not allowed)',
    {
      timeout: SLOW_MS,
    },
    async () => {
      const file = world().path('opened', 'dossier.json');
      const options = { cwd: world().folder, prefix: ['unshare', '-n'] };
      const verified = await world().terminal.json(['verify', file, '--genesis', world().genesis], 0, options);
      expect(verified).toMatchObject({ holds: true });
    },
  );

  it('asks two home regions at once, and queries inside one region', { timeout: 2 * SLOW_MS }, async () => {
    await Promise.all([
      yilian('enrol patient alice --hospital HospitalB1'),
      world().terminal.json(['enrol', 'doctor', 'wang', '--hospital', 'HospitalA2', '--title', 'Dr Wang Fang']),
    ]);
    const file = documents[1]?.file ?? '';
    await world().terminal.json([
      'publish',
      file,
      '--patient',
      'alice',
      '--hospital',
      'HospitalB1',
      '--scope',
      'encounter',
    ]);
    const grants = await Promise.all(
      [
        '--patient alice --doctor li',
        '--patient alice --doctor li --region region-b',
        '--patient bob --doctor wang',
      ].map((who) => yilian<{ grantId: string }>(`grant ${who}`)),
    );
    world().story.grants.push(...grants.map(({ grantId }) => grantId));
    const [both, inside] = await Promise.all([
      yilian<Asked>('request --doctor li --patient alice'),
      yilian<Asked>('request --doctor wang --patient bob'),
    ]);
    expect(both.complete).toBe(true);
    expect(both.legs).toMatchObject([
      { region: 'region-a', state: 'released', records: 4 },
      { region: 'region-b', state: 'released', records: 1 },
    ]);
    expect(inside.legs).toMatchObject([{ region: 'region-a', state: 'released', records: 1 }]);
    const opened = await world().terminal.json<Opened>(['open', both.requestId, '--out', join(world().folder, 'both')]);
    expect(opened.opened).toHaveLength(5);
    world().story.requests.push(both.requestId, inside.requestId);
  });
}
