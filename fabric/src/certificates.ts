import { X509Certificate } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Authority, type IssueOptions, readCertificate } from '@yilian/ledger';
import { writeWhole } from '@yilian/service';
import { FabricError } from './errors.ts';
import { readIfThere } from './files.ts';
import { type CredentialFiles, shown } from './msp.ts';

/** A certificate of a process or an administrator, its key, and whose it is. */
export interface HeldCertificate extends CredentialFiles {
  /** Of a network: `orderer/…`, `peer/…`, `contracts/…` or `admin/…`. */
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

/** What a renewal has to do: what expires in so many days, and what was begun. */
export function dueOf(held: readonly HeldCertificate[], withinDays: number, now: number): readonly HeldCertificate[] {
  const files = new Set(expiringOf(held, withinDays, now).map(({ file }) => file));
  return held.filter((each) => files.has(each.certificate) || hasSuccessor(each));
}

/** What a holder renews, in words, and how many days the first of it has left. */
export function renewalOf(holder: string, due: readonly HeldCertificate[], now: number): string {
  const [first] = expiringOf(due, Number.POSITIVE_INFINITY, now);
  const daysLeft = Math.max(0, Math.floor(((first?.notAfter ?? now) - now) / DAY_MS));
  return `${holder} renews ${due.map(({ use }) => use).join(' and ')} (${daysLeft} days left)`;
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
 * Issues a successor for the same subject, role, attributes and hosts, of the same key where that is kept, beside a certificate, unless
 * one waits there already. {@link putInPlace} makes it the certificate.
 */
export function stageSuccessor(held: HeldCertificate, { keepsKey = false } = {}): CredentialFiles {
  const { certificate, privateKey, use, authority } = held;
  const files = successorOf(held);
  const before = new X509Certificate(readFileSync(certificate));
  const waiting = readIfThere(files.certificate);
  if (waiting !== undefined && (!keepsKey || new X509Certificate(waiting).publicKey.equals(before.publicKey)))
    return files;
  const publicKey = before.publicKey.export({ type: 'spki', format: 'pem' });
  const issued = authority.issue({ ...optionsOf(before), ...(keepsKey && { publicKey: publicKey.toString() }) });
  // The certificate last: where it is, its key is.
  writeWhole(files.privateKey, keepsKey ? readFileSync(privateKey) : issued.privateKey);
  writeWhole(files.certificate, shown(issued.certificate, use, authority));
  return files;
}

/** Whether a renewal was begun and not ended. */
export function hasSuccessor(held: CredentialFiles): boolean {
  return successorIn(held) !== undefined;
}

/** The certificate that waits, or has taken its place. */
export function successorIn(held: CredentialFiles): string | undefined {
  return readIfThere(successorOf(held).certificate);
}

/** Where a successor waits, it takes its place; it waits on until {@link dropSuccessor}, and this can be done again. */
export function putInPlace(held: CredentialFiles): void {
  const files = successorOf(held);
  writeWhole(held.privateKey, readFileSync(files.privateKey));
  writeWhole(held.certificate, readFileSync(files.certificate));
}

/** The renewal is done: the process runs with it. */
export function dropSuccessor(held: CredentialFiles): void {
  const files = successorOf(held);
  rmSync(files.certificate, { force: true });
  rmSync(files.privateKey, { force: true });
}

/** Not among the certificates of an MSP, which are all that lie there. */
function successorOf({ certificate, privateKey }: CredentialFiles): CredentialFiles {
  const folder = join(dirname(certificate), '../successor', basename(dirname(certificate)));
  return { certificate: join(folder, basename(certificate)), privateKey: join(folder, basename(privateKey)) };
}

function optionsOf(certificate: X509Certificate): IssueOptions {
  const { subject, subjectAltName } = certificate;
  const { attributes } = readCertificate(certificate.toString());
  const field = (name: string) =>
    subject
      .split('\n')
      .find((line) => line.startsWith(`${name}=`))
      ?.slice(name.length + 1) ?? '';
  const hosts = subjectAltName?.split(', ').map((each) => each.replace(/^(DNS|IP Address):/, ''));
  return {
    commonName: field('CN'),
    role: field('OU') as IssueOptions['role'],
    ...(Object.keys(attributes).length > 0 && { attributes }),
    ...(hosts !== undefined && { hosts }),
  };
}
