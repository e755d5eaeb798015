import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasSuccessor, stageSuccessor } from '@yilian/fabric';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Pki } from '../local/pki.ts';

const ISSUE = { commonName: 'relay', role: 'client', attributes: { 'yilian.role': 'relay' } } as const;
let folder: string;
let pki: Pki;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'yilian-pki-'));
  pki = new Pki(folder);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it('ends a renewal that was interrupted between a key and its certificate, whoever reads them first', async () => {
  const before = await pki.credential('OneMSP', 'relay', ISSUE);
  const [held] = await pki.issued(['OneMSP']);
  const staged = stageSuccessor(held!);
  expect(await pki.credential('OneMSP', 'relay', ISSUE)).toEqual(before);
  const next = await readFile(staged.privateKey, 'utf8');
  await writeFile(before.privateKeyFile, next);
  const after = await pki.credential('OneMSP', 'relay', ISSUE);
  expect([after.privateKey, after.certificate]).toEqual([next, await readFile(staged.certificate, 'utf8')]);
  expect(hasSuccessor(held!)).toBe(true);
});

it('refuses a key that is not its certificate’s, or none at all', async () => {
  const { privateKeyFile } = await pki.credential('TwoMSP', 'proxy', ISSUE);
  const { privateKey } = await pki.credential('TwoMSP', 'hospital', ISSUE);
  for (const wrong of [privateKey, privateKey.slice(0, 60)]) {
    await writeFile(privateKeyFile, wrong);
    await expect(pki.credential('TwoMSP', 'proxy', ISSUE)).rejects.toMatchObject({ code: 'STATE_DAMAGED' });
  }
});
