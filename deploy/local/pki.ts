import { join } from 'node:path';
import {
  type Authority,
  type AuthorityRecord,
  type Credential,
  createAuthority,
  type IssueOptions,
  restoreAuthority,
} from '@yilian/ledger';
import { writeWhole } from '@yilian/service';
import { readIfThere } from './files.ts';

/** Marks every certificate of a federation whose keys all lie on one machine: its proofs show no independence. */
const ORGANISATION = 'embedded';

/** Paths of a credential's PEM files; the key's is readable by its owner only. */
export interface CredentialFiles {
  readonly certificateFile: string;
  readonly privateKeyFile: string;
}

/** The certificate authorities of all organisations and what they issued, in one folder. */
export class Pki {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The organisation's authority, created the first time. */
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

  async #authority(mspId: string, name: string): Promise<Authority> {
    const file = join(this.#folder, mspId, name);
    const stored = await readIfThere(file);
    if (stored !== undefined) return restoreAuthority(JSON.parse(stored) as AuthorityRecord);
    const authority = createAuthority({ mspId, organisation: ORGANISATION });
    writeWhole(file, JSON.stringify(authority.record()));
    return authority;
  }

  /** The credential of this name, issued the first time. */
  async credential(mspId: string, name: string, issue: IssueOptions): Promise<Credential & CredentialFiles> {
    const files = this.files(mspId, name);
    const certificate = await readIfThere(files.certificateFile);
    const privateKey = await readIfThere(files.privateKeyFile);
    if (certificate !== undefined && privateKey !== undefined) return { certificate, privateKey, ...files };
    const issued = (await this.authority(mspId)).issue(issue);
    writeWhole(files.privateKeyFile, issued.privateKey);
    writeWhole(files.certificateFile, issued.certificate);
    return { ...issued, ...files };
  }

  files(mspId: string, name: string): CredentialFiles {
    const base = join(this.#folder, mspId, name);
    return { certificateFile: `${base}.cert.pem`, privateKeyFile: `${base}.key.pem` };
  }
}
