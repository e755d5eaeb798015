import { X509Certificate } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Authority, IssueOptions } from '@yilian/ledger';
import { FabricError } from './errors.ts';
import { readIfThere, write } from './files.ts';
import { type CredentialFiles, shown } from './msp.ts';

/** A certificate of a network's process or administrator, its key, and whose it is. */
export interface HeldCertificate extends CredentialFiles {
  /** `orderer/…`, `peer/…`, `contracts/…` or `admin/…`. */
  readonly holder: string;
  readonly use: 'identity' | 'TLS';
  readonly authority: Authority;
}

export interface ExpiringCertificate {
  readonly holder: string;
  readonly use: HeldCertificate['use'];
  readonly file: string;
  /** Epoch milliseconds. */
  readonly notAfter: number;
}

const DAY_MS = 24 * 3_600_000;

/** Those that have expired or will have in so many days, the first to do so first. */
export function expiringOf(
  held: readonly HeldCertificate[],
  withinDays: number,
  now: number,
): readonly ExpiringCertificate[] {
  return held
    .map(({ holder, use, certificate: file }) => {
      const { validToDate } = new X509Certificate(readFileSync(file));
      return { holder, use, file, notAfter: validToDate.getTime() };
    })
    .filter(({ notAfter }) => notAfter <= now + withinDays * DAY_MS)
    .toSorted((one, other) => one.notAfter - other.notAfter);
}

/** @throws FabricError FABRIC_EXPIRED, naming every certificate that has expired */
export function requireValid(held: readonly HeldCertificate[], now: number): void {
  const expired = expiringOf(held, 0, now);
  if (expired.length === 0) return;
  const names = expired.map(
    ({ holder, use, notAfter }) => `${use} certificate of ${holder}, on ${new Date(notAfter).toISOString()}`,
  );
  throw new FabricError('FABRIC_EXPIRED', `expired: ${names.join('; ')}`);
}

/**
 * Issues a successor for the same subject, role and hosts, of the same key where that is kept, beside a certificate, unless
 * one waits there already. {@link putInPlace} makes it the certificate.
 */
export function stageSuccessor(
  { certificate, privateKey, use, authority }: HeldCertificate,
  { keepsKey = false } = {},
): CredentialFiles {
  const files = successorOf(certificate);
  const before = new X509Certificate(readFileSync(certificate));
  const waiting = readIfThere(files.certificate);
  if (waiting !== undefined && (!keepsKey || new X509Certificate(waiting).publicKey.equals(before.publicKey)))
    return files;
  const publicKey = before.publicKey.export({ type: 'spki', format: 'pem' });
  const issued = authority.issue({ ...optionsOf(before), ...(keepsKey && { publicKey: publicKey.toString() }) });
  // The certificate last: where it is, its key is.
  write(files.privateKey, keepsKey ? readFileSync(privateKey) : issued.privateKey);
  write(files.certificate, shown(issued.certificate, use, authority));
  return files;
}

/** Whether a renewal was begun and not ended. */
export function hasSuccessor({ certificate }: HeldCertificate): boolean {
  return readIfThere(successorOf(certificate).certificate) !== undefined;
}

/** Where a successor waits, it takes its place; it waits on until {@link dropSuccessor}, and this can be done again. */
export function putInPlace({ certificate, privateKey }: CredentialFiles): void {
  const files = successorOf(certificate);
  write(privateKey, readFileSync(files.privateKey));
  write(certificate, readFileSync(files.certificate));
}

/** The renewal is done: the process runs with it. */
export function dropSuccessor({ certificate }: HeldCertificate): void {
  const files = successorOf(certificate);
  rmSync(files.certificate, { force: true });
  rmSync(files.privateKey, { force: true });
}

/** Not among the certificates of an MSP, which are all that lie there. */
function successorOf(certificate: string): CredentialFiles {
  const folder = join(dirname(certificate), '../successor', dirname(certificate).split('/').at(-1) ?? '');
  return { certificate: join(folder, 'cert.pem'), privateKey: join(folder, 'key.pem') };
}

function optionsOf({ subject, subjectAltName }: X509Certificate): IssueOptions {
  const field = (name: string) =>
    subject
      .split('\n')
      .find((line) => line.startsWith(`${name}=`))
      ?.slice(name.length + 1) ?? '';
  const hosts = subjectAltName?.split(', ').map((each) => each.replace(/^(DNS|IP Address):/, ''));
  return {
    commonName: field('CN'),
    role: field('OU') as IssueOptions['role'],
    ...(hosts !== undefined && { hosts }),
  };
}
