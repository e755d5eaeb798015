import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encapsulate, generateKfrags, reencrypt, SecretKey, Signer } from '@yilian/pre';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Fragments } from '../src/fragments.ts';
import { type BookedGrant, GrantBook } from '../src/grant-book.ts';
import { SecretFiles } from '../src/sealed-file.ts';
import { WrapKeys } from '../src/wrap-keys.ts';

const delegating = SecretKey.random();
const receiving = SecretKey.random().publicKey();
const signer = new Signer(SecretKey.random());
const { capsule } = encapsulate(delegating.publicKey());
const grantOf = (grantId: string): BookedGrant => ({
  grantId,
  commitment: 'commitment',
  pseudonym: 'patient',
  signingKey: signer.verifyingKey().toBase64url(),
  receivingKey: receiving.toBase64url(),
  notAfter: 1,
  scopes: [{ scope: 'laboratory', epoch: 1, key: delegating.publicKey().toBase64url() }],
});
const kfrags = () =>
  generateKfrags({ delegatingKey: delegating, receivingKey: receiving, signer, threshold: 1, shares: 1 });

let folder: string;
let book: GrantBook;
let fragments: Fragments;
const reopen = (masterKey?: Uint8Array) => {
  book = new GrantBook(join(folder, 'grants.db'));
  fragments = new Fragments(book, new WrapKeys(join(folder, 'wrap'), new SecretFiles(masterKey)));
};
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fragments-test-'));
  reopen();
});
afterEach(() => {
  book.close();
  rmSync(folder, { recursive: true });
});

test('a stopped grant’s fragments are overwritten in memory, also where a release still holds them', () => {
  const [kfrag] = kfrags();
  fragments.hold(grantOf('one'), [kfrag!]);
  const inUse = fragments.use('one', 'laboratory');
  expect(() => reencrypt(capsule, inUse)).not.toThrow();
  fragments.stop('one');
  expect(() => reencrypt(capsule, inUse)).toThrow(expect.objectContaining({ code: 'KFRAG_INVALID' }));
  expect(() => fragments.use('one', 'laboratory')).toThrow(expect.objectContaining({ code: 'REVOKED' }));
});

test('what was stopped stays stopped, and is destroyed after a restart', () => {
  fragments.hold(grantOf('one'), kfrags());
  fragments.stop('one');
  book.close();
  reopen();
  expect(() => fragments.use('one', 'laboratory')).toThrow(expect.objectContaining({ code: 'REVOKED' }));
  expect(readdirSync(join(folder, 'wrap'))).toEqual(['one']);
  fragments.destroy('one', 5);
  fragments.destroy('one', 6);
  expect(fragments.get('one')).toMatchObject({ stage: 'destroyed', destroyedAt: 5 });
  expect(readdirSync(join(folder, 'wrap'))).toEqual([]);
});

test('a grant that was not stopped is not destroyed', () => {
  fragments.hold(grantOf('one'), kfrags());
  fragments.destroy('one', 5);
  expect(fragments.get('one')?.stage).toBe('held');
  expect(fragments.use('one', 'laboratory')).toBeDefined();
});

test('fragments are of the grant they were kept for, under its own key', () => {
  fragments.hold(grantOf('one'), kfrags());
  fragments.hold(grantOf('two'), kfrags());
  book.close();
  reopen();
  expect(() => fragments.use('one', 'imaging')).toThrow(expect.objectContaining({ code: 'FRAGMENTS_UNKNOWN' }));
  expect(() => fragments.use('three', 'laboratory')).toThrow(expect.objectContaining({ code: 'FRAGMENTS_UNKNOWN' }));
  expect(fragments.use('one', 'laboratory').toBytes()).not.toEqual(fragments.use('two', 'laboratory').toBytes());
});
