import { appendFile, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FileLimit } from '@yilian/testbed';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Pseudonyms } from '../src/index.ts';
import { send, TestAuthority } from './authority.ts';

const PAGE_BYTES = 4096;
const LINE_BYTES = 60;
let limit: FileLimit;
let authority: TestAuthority;
let service: Pseudonyms;
let auditFile: string;
beforeAll(async () => {
  limit = new FileLimit();
  authority = await TestAuthority.open();
  service = await authority.build();
  auditFile = join(authority.folder, 'authority', 'audit.log');
});
afterAll(async () => {
  limit[Symbol.dispose]();
  await service.close();
  await authority[Symbol.asyncDispose]();
});

const ask = () => send(service, JSON.stringify(authority.request()));

test('without room for its note a request is refused, and the next is answered once there is room', async () => {
  const { status, headers, body } = await limit.within(PAGE_BYTES - 1, ask);
  expect([status, headers['retry-after'], body]).toMatchObject([507, '1', { code: 'DISK_FULL' }]);
  expect((await ask()).status).toBe(200);
});

test('no pseudonym is given out without its line in the audit log, and no half line stays there', async () => {
  // Longer than all the other files, so that the log alone meets the limit.
  await appendFile(auditFile, `${'x'.repeat(PAGE_BYTES * 64)}\n`);
  const before = await readFile(auditFile, 'utf8');
  const asked = await limit.within(before.length + LINE_BYTES, () => Promise.all([ask(), ask(), ask()]));
  for (const { status, body } of asked) {
    expect([status, body.code]).toEqual([507, 'DISK_FULL']);
    expect(body.pseudonym).toBeUndefined();
  }
  expect(await readFile(auditFile, 'utf8')).toBe(before);
  expect((await Promise.all([ask(), ask()])).map(({ status }) => status)).toEqual([200, 200]);
  const lines = (await readFile(auditFile, 'utf8')).slice(before.length).trimEnd().split('\n');
  expect(lines.map((line) => (JSON.parse(line) as { region: string }).region)).toEqual(['region-a', 'region-a']);
});

test('without room no half key is made, and the service starts later with a whole one', async () => {
  const folder = join(authority.folder, 'new');
  await expect(limit.within(16, () => authority.build({ folder }))).rejects.toMatchObject({ code: 'DISK_FULL' });
  expect(await readdir(folder)).toEqual([]);
  const other = await authority.build({ folder });
  expect((await stat(join(folder, 'prf.key'))).size).toBe(32);
  await other.close();
});
