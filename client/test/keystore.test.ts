import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { filePins, Keystore, memoryPins } from '../src/index.ts';
import { failure } from './fixture/case.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'yilian-keystore-'));
});
afterAll(() => rm(folder, { recursive: true }));

const quick = { logN: 14 };
const secrets = { master: new Uint8Array(32).fill(5), privateKey: '-----BEGIN PRIVATE KEY-----\nMIGH\n-----END' };
const PASSPHRASE = '马到成功 2026';

async function created(name: string): Promise<string> {
  const file = join(folder, name);
  await Keystore.create(file, PASSPHRASE, secrets, quick);
  return file;
}

describe('a keystore', () => {
  test('gives back what was put in, to the passphrase however it was typed', async () => {
    const file = await created('round-trip');
    expect((await Keystore.open(file, PASSPHRASE)).secrets).toEqual(secrets);
    const accented = join(folder, 'accented');
    await Keystore.create(accented, 'caf\u00e9', { receivingKey: new Uint8Array(32).fill(9) }, quick);
    expect((await Keystore.open(accented, 'cafe\u0301')).secrets).toEqual({ receivingKey: new Uint8Array(32).fill(9) });
  });

  test('stays locked to another passphrase', async () => {
    const file = await created('locked');
    for (const wrong of ['', `${PASSPHRASE} `, PASSPHRASE.slice(1)]) {
      expect(await failure(() => Keystore.open(file, wrong))).toEqual({ code: 'KEYSTORE_LOCKED' });
    }
  });

  test('is corrupt with any byte of it changed, lost or added', async () => {
    const file = await created('altered');
    const bytes = await readFile(file);
    const altered = [...bytes.keys()].map((at) => {
      const copy = Buffer.from(bytes);
      copy[at] = (copy[at] ?? 0) ^ (1 << (at % 8));
      return copy;
    });
    for (const copy of [...altered, bytes.subarray(0, -1), Buffer.concat([bytes, Buffer.from(' ')]), Buffer.from('')]) {
      await writeFile(file, copy);
      expect(await failure(() => Keystore.open(file, PASSPHRASE))).toEqual({ code: 'KEYSTORE_CORRUPT' });
    }
  });

  test('is corrupt when the ciphertext was changed and the checksum made to fit', async () => {
    const file = await created('forged');
    const { sum: _, ...content } = JSON.parse(await readFile(file, 'utf8')) as { sealed: string; sum: string };
    content.sealed = (content.sealed.startsWith('A') ? 'B' : 'A') + content.sealed.slice(1);
    const { digest } = await import('@yilian/protocol');
    const sum = digest(Buffer.from(JSON.stringify(content)));
    await writeFile(file, `${JSON.stringify({ ...content, sum })}\n`);
    expect(await failure(() => Keystore.open(file, PASSPHRASE))).toEqual({ code: 'KEYSTORE_CORRUPT' });
  });

  test('is readable by its owner only, and not opened otherwise', async () => {
    const file = await created('permissions');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    await chmod(file, 0o640);
    expect(await failure(() => Keystore.open(file, PASSPHRASE))).toEqual({ code: 'KEYSTORE_EXPOSED' });
  });

  test('holds no secret in the open and leaves no file behind', async () => {
    const file = await created('sealed');
    const text = await readFile(file, 'utf8');
    for (const secret of ['PRIVATE', 'BQUFBQUF', PASSPHRASE]) expect(text).not.toContain(secret);
    expect((await readdir(folder)).filter((name) => name.endsWith('.part'))).toEqual([]);
    expect((await created('sealed-again')) && (await readFile(join(folder, 'sealed-again'), 'utf8'))).not.toBe(text);
  });

  test('is never overwritten by a new one, and takes another passphrase in one step', async () => {
    const file = await created('kept');
    expect(await failure(() => Keystore.create(file, 'other', {}, quick))).toEqual({ code: 'KEYSTORE_EXISTS' });
    const keystore = await Keystore.open(file, PASSPHRASE);
    await keystore.save('another');
    expect(await failure(() => Keystore.open(file, PASSPHRASE))).toEqual({ code: 'KEYSTORE_LOCKED' });
    expect((await Keystore.open(file, 'another')).secrets).toEqual(secrets);
  });

  test('takes no empty passphrase and no key of another length', async () => {
    const file = join(folder, 'never');
    expect(await failure(() => Keystore.create(file, '', secrets, quick))).toEqual({ code: 'ARGUMENT_INVALID' });
    const short = { master: new Uint8Array(31) };
    expect(await failure(() => Keystore.create(file, 'x', short, quick))).toEqual({ code: 'ARGUMENT_INVALID' });
    await expect(stat(file)).rejects.toThrow('ENOENT');
  });

  test('costs 128 MiB to try a passphrase unless told otherwise', async () => {
    const file = join(folder, 'default');
    await Keystore.create(file, PASSPHRASE, secrets);
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ kdf: { name: 'scrypt', logN: 17, r: 8, p: 1 } });
  });
});

describe('pins', () => {
  const PATIENT = 'A'.repeat(43);
  const [first, second] = [`Ag${'A'.repeat(42)}`, `Aw${'A'.repeat(42)}`];

  test.each([
    ['in memory', () => memoryPins()],
    ['in a file', () => filePins(join(folder, 'pins'))],
  ])('%s hold the first key of a patient against any other', async (_, open) => {
    const pins = open();
    expect(await pins.get(PATIENT)).toBeUndefined();
    await Promise.all([pins.pin(PATIENT, first), pins.pin(`B${PATIENT.slice(1)}`, second)]);
    await pins.pin(PATIENT, first);
    expect(await failure(() => pins.pin(PATIENT, second))).toEqual({ code: 'PATIENT_KEY_CHANGED' });
    expect(await pins.get(PATIENT)).toBe(first);
    expect(await pins.get(`B${PATIENT.slice(1)}`)).toBe(second);
  });

  test('outlive the process in their file, and are not guessed at when it is damaged', async () => {
    const file = join(folder, 'lasting');
    await filePins(file).pin(PATIENT, first);
    expect(await filePins(file).get(PATIENT)).toBe(first);
    await writeFile(file, '[["x"');
    expect(await failure(() => filePins(file).get(PATIENT))).toEqual({ code: 'PINS_CORRUPT' });
  });
});
