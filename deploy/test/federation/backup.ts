import { cp, mkdir, readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { Manifest } from '../../local/backup/manifest.ts';
import type { Published } from '../../local/publishing.ts';
import { Terminal } from '../fixture/command-line.ts';
import { fhirExample } from '../fixture/documents.ts';
import { type Asked, answer, ask, askedWhile, askPatiently, ONCE, outcomes } from '../fixture/queries.ts';
import { SmallDisk } from '../fixture/small-disk.ts';
import { kill, living, type World } from '../fixture/world.ts';

const SLOW_MS = 240_000;

interface Granted {
  readonly grantId: string;
}
interface Opened {
  readonly recordId: string;
  readonly sha256: string;
}

/** The federation of the main job, backed up, lost and restored. What no engine makes a difference to is shown on the embedded one. */
export function backedUpAndRestored(world: () => World, engine: 'embedded' | 'fabric'): void {
  const isEmbedded = engine === 'embedded';
  let before: Asked;
  let opened: readonly Opened[];
  const yilian = <T>(args: string) => world().terminal.json<T>(args.split(' '));
  const folder = (): string => world().path('backup');
  const manifest = async (): Promise<Manifest> =>
    JSON.parse(await readFile(join(folder(), 'manifest.json'), 'utf8')) as Manifest;
  const grant = async (region: string): Promise<string> =>
    (await yilian<Granted>(`grant --patient alice --doctor li --region ${region}`)).grantId;
  const open = async (into: string): Promise<readonly Opened[]> => {
    const { requestId } = await yilian<{ requestId: string }>('request --doctor li --patient alice --scope encounter');
    const args = ['open', requestId, '--out', world().path(into)];
    const { opened: all } = await world().terminal.json<{ opened: Opened[] }>(args);
    return all.map(({ recordId, sha256 }) => ({ recordId, sha256 })).toSorted(byRecord);
  };

  it('has answered before it is backed up', { timeout: SLOW_MS }, async () => {
    opened = await open('before');
    expect(new Set(opened.map(({ recordId }) => recordId)).size).toBeGreaterThan(world().story.records);
    const actors = await world().actors();
    const { practitioner } = await actors.doctor('li');
    before = await ask(actors, practitioner);
    expect(await outcomes(actors, [await answer(actors, practitioner, before)])).toEqual([ONCE]);
  });

  it('says what a backup would do, and takes no folder that is used or part of the state', {
    timeout: SLOW_MS,
  }, async () => {
    const { steps } = await yilian<{ steps: string[] }>(`backup ${folder()} --dry-run`);
    expect(steps).toEqual(expect.arrayContaining(['copy region-a/redis', 'copy the sealed bodies of region-b']));
    const ordering = steps.filter((step) => step.includes('; copy them; start them'));
    expect(ordering).toEqual([expect.stringMatching(/main.*region-a.*region-b/)]);
    await expect(stat(folder())).rejects.toThrow('ENOENT');
    await mkdir(world().path('used'));
    await writeFile(world().path('used', 'file'), '');
    for (const [wrong, why] of [
      [world().path('used'), 'is not empty'],
      [join(world().state, 'backup'), 'lies in the state'],
      [world().path('used', 'file'), 'cannot be used'],
    ] as const)
      expect(await world().terminal.refusal(['backup', wrong])).toMatchObject({
        code: 'BACKUP_UNUSABLE',
        message: expect.stringContaining(why) as string,
      });
    expect(await readdir(world().path('used'))).toEqual(['file']);
  });

  if (isEmbedded)
    it.skipIf(!SmallDisk.isPossible())(
      'leaves nothing where there is no room for it, and everything runs on (skipped where no small disk can be made)',
      { timeout: SLOW_MS },
      async () => {
        const small = world().path('no-room');
        await mkdir(small);
        using disk = new SmallDisk(small, 1024);
        expect(await world().terminal.refusal(['backup', join(disk.folder, 'backup')])).toMatchObject({
          code: 'DISK_FULL',
        });
        expect(await readdir(join(disk.folder, 'backup'))).toEqual([]);
        expect((await world().running()).processes.filter(({ state }) => state !== 'running')).toEqual([]);
      },
    );

  if (isEmbedded)
    it('takes no backup for one that was killed halfway', { timeout: SLOW_MS }, async () => {
      const halfway = world().path('halfway');
      const interrupted = await world().terminal.run(['backup', halfway], {
        onStderr: (piece) => {
          if (piece.includes('ordering stands still'))
            void world()
              .everybody()
              .then((all) => all.forEach(kill));
        },
      });
      expect([interrupted.exitCode, interrupted.stderr]).toEqual([1, expect.stringContaining('ordering stands still')]);
      expect(await readdir(halfway)).toContain('kept');
      const elsewhere = new Terminal(world().path('elsewhere'));
      expect(await elsewhere.refusal(['restore', halfway])).toMatchObject({
        code: 'BACKUP_INVALID',
        message: expect.stringContaining('the backup did not end') as string,
      });
      await world().terminal.json(['up']);
    });

  it('backs up while questions are asked, and every one is answered', { timeout: SLOW_MS }, async () => {
    const actors = await world().actors();
    const { practitioner } = await actors.doctor('li');
    const restarts = async () =>
      Object.fromEntries((await world().running()).processes.map((each) => [each.name, each.restarts]));
    const earlier = await restarts();
    const taking = world().terminal.json(['backup', folder()]);
    const asked = await askedWhile(taking, () => askPatiently(actors, practitioner));
    expect(await taking).toMatchObject({ folder: folder(), federation: 'yilian-test', missing: [] });
    expect(asked.length).toBeGreaterThan(0);
    const answered: string[] = [];
    for (const each of asked) answered.push(await answer(actors, practitioner, each));
    expect(new Set(await outcomes(actors, answered))).toEqual(new Set([ONCE]));
    // What the backup stopped and started on purpose counts from nought.
    const more = Object.entries(await restarts()).filter(([name, times]) => times > (earlier[name] ?? 0));
    expect(more).toEqual([]);
    expect((await world().running()).processes.filter(({ state }) => state !== 'running')).toEqual([]);
  });

  it('keeps what it has from others, and no key of any fragment', { timeout: SLOW_MS }, async () => {
    const { files, networks } = await manifest();
    expect(networks.map(({ network }) => network)).toEqual(['main', 'region-a', 'region-b']);
    for (const { height, copies } of networks) {
      expect(height).toBeGreaterThan(3);
      for (const copy of copies)
        expect([copy.process, copy.height <= height && copy.height > 3]).toEqual([copy.process, true]);
    }
    expect((await stat(folder())).mode & 0o777).toBe(0o700);
    const wrapped = await Promise.all(
      ['CommissionA', 'HospitalA1', 'HospitalA2'].map((mspId) =>
        readFile(join(world().state, 'region-a/proxy', mspId, 'wrap', world().story.grants[1]!)),
      ),
    );
    for (const { path } of files) {
      const file = join(folder(), path);
      expect([path, (await stat(file)).mode & 0o777]).toEqual([path, 0o600]);
      const bytes = await readFile(file);
      for (const key of wrapped) expect([path, bytes.includes(key)]).toEqual([path, false]);
    }
    expect(files.filter(({ path }) => /\/(wrap|journal\.db)|\.lock$/.test(path))).toEqual([]);
  });

  if (isEmbedded)
    it('refuses a backup that is not whole, and names what is wrong with it', { timeout: SLOW_MS }, async () => {
      const elsewhere = new Terminal(world().path('elsewhere'));
      const refused = async (why: string): Promise<void> => {
        expect(await elsewhere.refusal(['restore', folder()])).toMatchObject({
          code: 'BACKUP_INVALID',
          message: expect.stringContaining(why) as string,
        });
        expect(await readdir(elsewhere.state)).toEqual([]);
      };
      const { files } = await manifest();
      const some = (ending: string): string => files.find(({ path }) => path.endsWith(ending))?.path ?? '';
      const kept = world().path('kept');
      const damaged = async (path: string, damage: (file: string) => Promise<unknown>, why = path): Promise<void> => {
        const file = join(folder(), path);
        await cp(file, kept);
        await damage(file);
        await refused(why);
        await rename(kept, file);
      };
      await damaged(some('grants.db'), changeByte, `${some('grants.db')} was changed`);
      await damaged(some('.car'), (file) => truncate(file, 100), `${some('.car')} was changed`);
      await damaged(some('genesis.json'), (file) => rm(file), `${some('genesis.json')} is missing`);
      await damaged('manifest.json', (file) => rm(file), 'the backup did not end');
      await damaged('manifest.json', (file) => truncate(file, 200), 'manifest.json is damaged');
      await damaged('manifest.json', replace('"format": 1', '"format": 2'), 'another version');
      await damaged('manifest.json', replace('"yilian": "', '"yilian": "9'), 'taken by Yilian 9');
      await damaged('manifest.json', replace('"path": "kept/', '"path": "kept/../../'), 'manifest.json is damaged');
      await writeFile(join(folder(), 'kept/stranger'), '');
      await refused('kept/stranger is in no manifest');
      await rm(join(folder(), 'kept/stranger'));
      expect(await elsewhere.json(['restore', folder(), '--dry-run'])).toMatchObject({ verified: true });
      expect(await world().terminal.refusal(['restore', folder()])).toMatchObject({ code: 'STATE_FOREIGN' });
    });

  it('serves what it had before the backup after everything was lost, and knows of nothing since', {
    timeout: 2 * SLOW_MS,
  }, async () => {
    const later = await fhirExample('Observation-f002.json');
    const publish = async (): Promise<string> => {
      const args = ['publish', later.file, '--patient', 'alice', '--hospital', 'HospitalA1', '--scope', 'encounter'];
      const { records } = await world().terminal.json<{ records: Published[] }>(args);
      return records[0]?.recordId ?? '';
    };
    const lost = await publish();
    const everybody = await world().everybody();
    everybody.forEach(kill);
    while (living(everybody).length > 0) await delay(50);
    for (const name of await readdir(world().state)) await rm(join(world().state, name), { recursive: true });

    await writeFile(join(world().state, 'restoring'), '');
    expect(await world().terminal.refusal(['up'])).toMatchObject({ code: 'STATE_DAMAGED' });
    for (const name of await readdir(world().state)) await rm(join(world().state, name), { recursive: true });

    const [revoked = '', inA = '', inB = ''] = world().story.grants;
    const restored = await yilian<{ lost: { region: string; grants: string[] }[] }>(`restore ${folder()}`);
    expect(restored).toMatchObject({
      restored: true,
      lost: [
        { region: 'region-a', grants: expect.arrayContaining([inA]) as string[] },
        { region: 'region-b', grants: [inB] },
      ],
    });
    expect(restored.lost[0]?.grants).not.toContain(revoked);
    await world().terminal.json(['up']);
    const actors = await world().actors();
    expect(await outcomes(actors, [before.requestId])).toEqual([ONCE]);

    for (const grantId of [inA, inB]) await yilian(`revoke ${grantId} --patient alice`);
    await grant('region-a');
    await grant('region-b');
    expect(await open('after')).toEqual(opened);
    await using hospital = await actors.hospital('HospitalA1');
    await expect(hospital.chain.record(lost)).rejects.toThrow('RECORD_UNKNOWN');
    const again = await publish();
    expect((await open('again')).map(({ recordId }) => recordId)).toContain(again);
  });
}

function byRecord(a: Opened, b: Opened): number {
  return a.recordId < b.recordId ? -1 : 1;
}

async function changeByte(file: string): Promise<void> {
  const bytes = await readFile(file);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
  await writeFile(file, bytes);
}

function replace(text: string, by: string): (file: string) => Promise<void> {
  return async (file) => {
    const content = await readFile(file, 'utf8');
    expect(content).toContain(text);
    await writeFile(file, content.replace(text, by));
  };
}
