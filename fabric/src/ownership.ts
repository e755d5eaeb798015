import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HeldCertificate } from './certificates.ts';
import { FabricError } from './errors.ts';
import { readIfThere } from './files.ts';
import type { Site } from './site.ts';

/**
 * Refuses a folder with somebody else's certificate or key, which Fabric's programs tell of in a stack trace or not at all.
 * @throws FabricError FABRIC_CERTIFICATE, naming every holder and file that is wrong, and what is wrong with it
 */
export function requireOwn(held: readonly HeldCertificate[]): void {
  const wrong = held.flatMap((each) => {
    const fault = faultOf(each);
    return fault === undefined ? [] : [`${each.use} of ${each.holder}: ${fault}`];
  });
  if (wrong.length > 0) throw new FabricError('FABRIC_CERTIFICATE', wrong.join('; '));
}

/**
 * An orderer whose certificates were lost cannot be given new ones as others can: the channel knows it by those it had.
 * To be asked before files are written. @throws FabricError FABRIC_CERTIFICATE
 */
export function requireOrderersKept(site: Site): void {
  for (const { name } of site.plan.orderers) {
    const folder = site.path('orderers', name);
    if (!hasRun(join(folder, 'data'))) continue;
    for (const file of ['msp/signcerts/cert.pem', 'msp/keystore/key.pem', 'tls/cert.pem', 'tls/key.pem'])
      if (readIfThere(join(folder, file)) === undefined)
        throw new FabricError(
          'FABRIC_CERTIFICATE',
          `orderer/${name} has lost ${join(folder, file)}: restore it, for the channel knows this orderer by no other`,
        );
  }
}

function faultOf({ holder, use, authority, certificate, privateKey }: HeldCertificate): string | undefined {
  const own = read(certificate, (bytes) => new X509Certificate(bytes));
  if (own === undefined) return `${certificate} holds no certificate`;
  const key = read<KeyObject>(privateKey, createPrivateKey);
  if (key === undefined) return `${privateKey} holds no private key`;
  const issuers = [authority.record().certificate, authority.rootPem].map((pem) => new X509Certificate(pem));
  if (!issuers.some(({ publicKey }) => own.verify(publicKey)))
    return `${certificate} is not by the authority of its organisation`;
  const [role = ''] = holder.split('/');
  if (use === 'identity' && !own.subject.split('\n').includes(`OU=${role}`))
    return `${certificate} is of another role than ${role}`;
  return own.checkPrivateKey(key) ? undefined : `${privateKey} is not the key of ${certificate}`;
}

function read<T>(file: string, parse: (bytes: Buffer) => T): T | undefined {
  try {
    return parse(readFileSync(file));
  } catch {
    return undefined;
  }
}

function hasRun(data: string): boolean {
  try {
    return readdirSync(data).length > 0;
  } catch {
    return false;
  }
}
