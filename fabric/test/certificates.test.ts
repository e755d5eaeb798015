import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAuthority, readCertificate } from '@yilian/ledger';
import { expect, it, onTestFinished } from 'vitest';
import {
  dropSuccessor,
  dueOf,
  expiringOf,
  type HeldCertificate,
  hasSuccessor,
  putInPlace,
  renewalOf,
  requireValid,
  stageSuccessor,
} from '../src/certificates.ts';
import { write } from '../src/files.ts';

const DAY_MS = 24 * 3_600_000;
const authority = createAuthority({ mspId: 'AMSP' });

function held(name: string, days: number): HeldCertificate {
  const folder = mkdtempSync(join(tmpdir(), 'yilian-certificates-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const notAfter = Date.now() + days * DAY_MS;
  const notBefore = notAfter - 400 * DAY_MS;
  const hosts = ['127.0.0.1', 'localhost'];
  const attributes = { 'yilian.role': name };
  const issued = createAuthority({ mspId: 'AMSP', notBefore }).issue({
    commonName: name,
    role: 'peer',
    hosts,
    attributes,
    notBefore,
    notAfter,
  });
  return {
    holder: name,
    use: 'TLS',
    authority,
    certificate: write(join(folder, 'tls/cert.pem'), issued.certificate),
    privateKey: write(join(folder, 'tls/key.pem'), issued.privateKey),
  };
}

it('lists what has expired or soon will, the first to do so first', () => {
  const all = [held('later', 40), held('soon', 5), held('gone', -1)];
  const names = (days: number) => expiringOf(all, days, Date.now()).map(({ holder }) => holder);
  expect([names(0), names(10), names(50)]).toEqual([['gone'], ['gone', 'soon'], ['gone', 'soon', 'later']]);
});

it('has to renew what soon expires and what was begun, and says how long the first of it holds', () => {
  const all = [held('later', 40.5), held('soon', 5.5), held('gone', -1)];
  const [later] = all;
  const due = () => dueOf(all, 10, Date.now()).map(({ holder }) => holder);
  expect(due()).toEqual(['soon', 'gone']);
  stageSuccessor(later!);
  expect(due()).toEqual(['later', 'soon', 'gone']);
  expect(renewalOf('one', all.slice(0, 2), Date.now())).toBe('one renews TLS and TLS (5 days left)');
  expect(renewalOf('one', all, Date.now())).toBe('one renews TLS and TLS and TLS (0 days left)');
});

it('names every certificate that has expired, and its holder', () => {
  const all = [held('peer/AMSP/peer0', 5), held('orderer/one', 1)];
  requireValid(all, Date.now());
  expect(() => requireValid(all, Date.now() + 2 * DAY_MS)).toThrow(
    /^expired: TLS certificate of orderer\/one, on [^;]*$/,
  );
  expect(() => requireValid(all, Date.now() + 6 * DAY_MS)).toThrow(
    /orderer\/one.*; TLS certificate of peer\/AMSP\/peer0/,
  );
});

it('keeps the key where that is asked, even when a successor with another waits', () => {
  const own = held('orderer', 1);
  const before = new X509Certificate(readFileSync(own.certificate));
  stageSuccessor(own);
  for (const _ of [1, 2]) {
    const staged = stageSuccessor(own, { keepsKey: true });
    const after = new X509Certificate(readFileSync(staged.certificate));
    expect(after.publicKey.equals(before.publicKey)).toBe(true);
    expect(after.checkPrivateKey(createPrivateKey(readFileSync(staged.privateKey)))).toBe(true);
    expect(after.validToDate > before.validToDate).toBe(true);
  }
});

it('puts a successor for the same subject, attributes and hosts in place, and can do each step again', () => {
  const own = held('peer', 1);
  const before = new X509Certificate(readFileSync(own.certificate));
  stageSuccessor(own);
  const staged = readFileSync(stageSuccessor(own).certificate, 'utf8');
  expect(readFileSync(own.certificate, 'utf8')).toBe(before.toString());
  putInPlace(own);
  // As if the process had ended between the two files.
  write(own.certificate, before.toString());
  expect(hasSuccessor(own)).toBe(true);
  putInPlace(own);
  dropSuccessor(own);
  dropSuccessor(own);
  expect(hasSuccessor(own)).toBe(false);
  const after = new X509Certificate(readFileSync(own.certificate));
  expect(after.toString()).toBe(new X509Certificate(staged).toString());
  expect([after.subject, after.subjectAltName]).toEqual([before.subject, before.subjectAltName]);
  expect(readCertificate(after.toString()).attributes).toEqual({ 'yilian.role': 'peer' });
  expect(after.checkPrivateKey(createPrivateKey(readFileSync(own.privateKey)))).toBe(true);
  expect(after.verify(new X509Certificate(authority.rootPem).publicKey)).toBe(true);
});
