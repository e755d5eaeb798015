import { rmSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import type { Authority, Credential, IssueOptions } from '@yilian/ledger';
import { readIfThere, write, writeYaml } from './files.ts';
import type { OrganisationPlan } from './plan.ts';

/** What a TLS server that is only known by its address is called as well. */
export const LOCAL_NAME = 'localhost';
const ROLES = ['client', 'peer', 'admin', 'orderer'] as const;

export interface CredentialFiles {
  readonly certificate: string;
  readonly privateKey: string;
}

/** As what a TLS server is known that is reached at a host: RFC 6066 has no addresses as server names. */
export function serverNameOf(host: string): string {
  return isIP(host) ? LOCAL_NAME : host;
}

/** The MSP folder of an organisation as a channel knows it: roots, intermediates and roles, no keys. */
export function writeOrganisationMsp(folder: string, { authority, tlsAuthority }: OrganisationPlan): string {
  write(join(folder, 'cacerts/ca.pem'), authority.rootPem);
  write(join(folder, 'tlscacerts/tlsca.pem'), tlsAuthority.rootPem);
  // Fabric takes whatever lies in these folders: of an intermediate that was replaced nothing may stay.
  writeAll(join(folder, 'intermediatecerts'), authority.intermediates);
  writeAll(join(folder, 'tlsintermediatecerts'), tlsAuthority.intermediates);
  // A role whose certificate is named is one of what this very authority issued; intermediates come and go.
  const issuer = authority.intermediates.length === 0 && { Certificate: 'cacerts/ca.pem' };
  const identifier = (role: string) => ({ ...issuer, OrganizationalUnitIdentifier: role });
  writeYaml(join(folder, 'config.yaml'), {
    NodeOUs: {
      Enable: true,
      ...Object.fromEntries(
        ROLES.map((role) => [`${role.charAt(0).toUpperCase()}${role.slice(1)}OUIdentifier`, identifier(role)]),
      ),
    },
  });
  return folder;
}

/** The MSP folder of somebody in an organisation: the organisation's, and their own certificate and key. */
export function writeLocalMsp(folder: string, organisation: OrganisationPlan, options: IssueOptions): string {
  writeOrganisationMsp(folder, organisation);
  keep(organisation.authority, 'identity', options, {
    certificate: join(folder, 'signcerts/cert.pem'),
    privateKey: join(folder, 'keystore/key.pem'),
  });
  return folder;
}

/** A TLS certificate for whoever listens at these hosts, who may also be a client with it. */
export function writeTls(
  folder: string,
  { tlsAuthority }: OrganisationPlan,
  commonName: string,
  role: IssueOptions['role'],
  hosts: readonly string[],
): CredentialFiles & { readonly roots: string } {
  const files = { certificate: join(folder, 'cert.pem'), privateKey: join(folder, 'key.pem') };
  keep(
    tlsAuthority,
    'TLS',
    { commonName, role, hosts: hosts.some((host) => isIP(host)) ? [...hosts, LOCAL_NAME] : hosts },
    files,
  );
  return { ...files, roots: write(join(folder, 'roots.pem'), tlsAuthority.rootPem) };
}

/**
 * What its holder shows of a certificate: to whom it speaks by TLS also what leads to the root, which is all they have; an
 * identity stands alone, since the channel has the rest.
 */
export function shown(certificate: string, use: 'identity' | 'TLS', authority: Authority): string {
  return use === 'TLS' ? [certificate, ...authority.intermediates].join('') : certificate;
}

/** Issues a credential the first time. */
function keep(authority: Authority, use: 'identity' | 'TLS', options: IssueOptions, files: CredentialFiles): void {
  if (readIfThere(files.certificate) !== undefined && readIfThere(files.privateKey) !== undefined) return;
  const issued: Credential = authority.issue(options);
  write(files.privateKey, issued.privateKey);
  write(files.certificate, shown(issued.certificate, use, authority));
}

function writeAll(folder: string, certificates: readonly string[]): void {
  rmSync(folder, { recursive: true, force: true });
  for (const [index, certificate] of certificates.entries()) write(join(folder, `${index}.pem`), certificate);
}
