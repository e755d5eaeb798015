import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type HeldCertificate, hasSuccessor, LOCAL_NAME, putInPlace, successorIn } from '@yilian/fabric';
import {
  type Authority,
  type AuthorityRecord,
  type Credential,
  createAuthority,
  type IssueOptions,
  restoreAuthority,
} from '@yilian/ledger';
import { writeWhole } from '@yilian/service';
import type { Host } from '../hosts/host.ts';
import { DeployError } from './errors.ts';
import { readIfThere, readJsonIfThere } from './files.ts';

/** Marks every certificate of a federation whose keys all lie on one machine: its proofs show no independence. */
export const EMBEDDED = 'embedded';

const CERTIFICATE = '.cert.pem';

/** Paths of a credential's PEM files; the key's is readable by its owner only. */
export interface CredentialFiles {
  readonly certificateFile: string;
  readonly privateKeyFile: string;
}

/** Roots of an organisation whose keys are on another host; nothing when they are here. Throws when they are not known yet. */
export type Elsewhere = (
  mspId: string,
) => { readonly host: string; readonly root: string; readonly tlsRoot: string } | undefined;

/** All that a TLS certificate on a host may be for: what others reach it by, and the loopback. */
export function namesOf({ address }: Host): readonly string[] {
  return [address, LOCAL_NAME, '127.0.0.1'];
}

/** The certificate authorities of all organisations and what they issued, in one folder. */
export class Pki {
  readonly #folder: string;
  readonly #organisation: string | undefined;
  readonly #elsewhere: Elsewhere;
  readonly #permittedHosts: readonly string[] | undefined;

  /**
   * `organisation`: what certificates say instead of the MSP id. `permittedHosts`: whom alone authorities for TLS that are
   * made here can vouch for.
   */
  constructor(
    folder: string,
    organisation?: string,
    elsewhere: Elsewhere = () => undefined,
    permittedHosts?: readonly string[],
  ) {
    this.#folder = folder;
    this.#organisation = organisation;
    this.#elsewhere = elsewhere;
    this.#permittedHosts = permittedHosts;
  }

  /** The organisation's authority, created the first time. One on another host has a root and issues nothing. */
  authority(mspId: string): Promise<Authority> {
    return this.#authority(mspId, 'ca.json');
  }

  /** Its authority for TLS. */
  tlsAuthority(mspId: string): Promise<Authority> {
    return this.#authority(mspId, 'tls-ca.json');
  }

  /** The file of the roots of its TLS. */
  async tlsRootsFile(mspId: string): Promise<string> {
    const file = join(this.#folder, mspId, 'tls-roots.pem');
    if ((await readIfThere(file)) === undefined) writeWhole(file, (await this.tlsAuthority(mspId)).rootPem);
    return file;
  }

  async #authority(mspId: string, name: 'ca.json' | 'tls-ca.json'): Promise<Authority> {
    const elsewhere = this.#elsewhere(mspId);
    if (elsewhere !== undefined)
      return rootOnly(mspId, elsewhere.host, name === 'ca.json' ? elsewhere.root : elsewhere.tlsRoot);
    const file = join(this.#folder, mspId, name);
    const stored = await readIfThere(file);
    if (stored !== undefined) return restoreAuthority(JSON.parse(stored) as AuthorityRecord);
    const organisation = this.#organisation;
    const permittedHosts = name === 'tls-ca.json' ? this.#permittedHosts : undefined;
    const authority = createAuthority({
      mspId,
      ...(organisation !== undefined && { organisation }),
      ...(permittedHosts !== undefined && { permittedHosts }),
    });
    writeWhole(file, JSON.stringify(authority.record()));
    return authority;
  }

  /** The credential of this name, issued the first time. */
  credential(mspId: string, name: string, issue: IssueOptions): Promise<Credential & CredentialFiles> {
    return this.#credential(mspId, name, issue, () => this.authority(mspId));
  }

  /** The TLS certificate of a service, for whoever reaches it at this address. */
  tlsCredential(mspId: string, service: string, host: string): Promise<Credential & CredentialFiles> {
    const issue: IssueOptions = { commonName: `${service}.${mspId}`, role: 'client', hosts: [host, LOCAL_NAME] };
    return this.#credential(mspId, `${service}.tls`, issue, () => this.tlsAuthority(mspId));
  }

  async #credential(
    mspId: string,
    name: string,
    issue: IssueOptions,
    authority: () => Promise<Authority>,
  ): Promise<Credential & CredentialFiles> {
    const files = this.files(mspId, name);
    const kept = await readPair(files);
    if (kept !== undefined) return { ...kept, ...files };
    const issued = (await authority()).issue(issue);
    writeWhole(files.privateKeyFile, issued.privateKey);
    writeWhole(files.certificateFile, issued.certificate);
    return { ...issued, ...files };
  }

  files(mspId: string, name: string): CredentialFiles {
    const base = join(this.#folder, mspId, name);
    return { certificateFile: `${base}${CERTIFICATE}`, privateKeyFile: `${base}.key.pem` };
  }

  /** What these organisations' authorities issued to services and for clients, as `NAME/MSP`. */
  async issued(mspIds: readonly string[]): Promise<readonly HeldCertificate[]> {
    const held: HeldCertificate[] = [];
    for (const mspId of mspIds) {
      const authority = await this.authority(mspId);
      const names = (await readdir(join(this.#folder, mspId))).filter((name) => name.endsWith(CERTIFICATE)).toSorted();
      for (const name of names.map((each) => each.slice(0, -CERTIFICATE.length)))
        held.push({ holder: `${name}/${mspId}`, use: 'identity', authority, ...heldIn(this.files(mspId, name)) });
    }
    return held;
  }

  /** The certificates that an embedded orderer had before: earlier blocks are known by them. */
  async formerOrderers(mspId: string): Promise<readonly string[]> {
    return ((await readJsonIfThere(this.#formerOrderers(mspId))) ?? []) as string[];
  }

  /** Notes the one it has now among them. */
  async keepOrderer(mspId: string): Promise<void> {
    const certificate = await readIfThere(this.files(mspId, 'orderer').certificateFile);
    const former = await this.formerOrderers(mspId);
    const all = [...new Set([...former, ...(certificate === undefined ? [] : [certificate])])];
    writeWhole(this.#formerOrderers(mspId), JSON.stringify(all));
  }

  #formerOrderers(mspId: string): string {
    return join(this.#folder, mspId, 'former-orderers.json');
  }

  /** The certificate that waits to take the place of this one, or already has. */
  successor(mspId: string, name: string): string | undefined {
    return successorIn(heldIn(this.files(mspId, name)));
  }
}

function heldIn({ certificateFile, privateKeyFile }: CredentialFiles): Credential {
  return { certificate: certificateFile, privateKey: privateKeyFile };
}

/** Both files, when they are there. @throws DeployError STATE_DAMAGED when they are not of one key */
async function readPair(files: CredentialFiles): Promise<Credential | undefined> {
  for (let isLast = false; ; isLast = true) {
    const certificate = await readIfThere(files.certificateFile);
    const privateKey = await readIfThere(files.privateKeyFile);
    if (certificate === undefined || privateKey === undefined) return undefined;
    if (arePair(certificate, privateKey)) return { certificate, privateKey };
    if (isLast) throw new DeployError('STATE_DAMAGED', `${files.privateKeyFile} is not the key of its certificate`);
    // A renewal is between the two files, or was interrupted there.
    if (hasSuccessor(heldIn(files))) putInPlace(heldIn(files));
  }
}

function arePair(certificate: string, privateKey: string): boolean {
  try {
    return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(privateKey));
  } catch {
    return false;
  }
}

/** What is known here of an authority whose key is on another host. */
function rootOnly(mspId: string, host: string, rootPem: string): Authority {
  const refuse = (): never => {
    throw new DeployError('ELSEWHERE', `the keys of ${mspId} are on ${host}`);
  };
  return {
    mspId,
    rootPem,
    intermediates: [],
    issue: refuse,
    intermediate: refuse,
    revoke: refuse,
    crl: refuse,
    record: refuse,
  };
}
