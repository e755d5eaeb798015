import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Member } from './network.ts';

/** The folder of one federation: configurations, keys, chains, queues, logs. */
export class Files implements AsyncDisposable {
  readonly folder: string;
  readonly federation: string;
  readonly logLevel: string;
  /** Not removed at the end. */
  kept = false;

  private constructor(folder: string, federation: string, logLevel: string) {
    this.folder = folder;
    this.federation = federation;
    this.logLevel = logLevel;
  }

  /** @param below where the folder is made. Default: the system's folder for temporary files */
  static async open(federation: string, logLevel: string, below = tmpdir()): Promise<Files> {
    return new Files(await mkdtemp(join(below, `yilian-${federation}-`)), federation, logLevel);
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  async json(name: string, value: unknown): Promise<string> {
    const file = this.path(`${name}.json`);
    await writeFile(file, JSON.stringify(value), { mode: 0o600 });
    return file;
  }

  /** A member's certificate and key as files, as configurations name them. */
  async identity({ mspId, certificate, privateKey }: Member) {
    const base = this.path(`${mspId}-${certificate.slice(-60, -40).replaceAll(/\W/g, '')}`);
    const [certificateFile, privateKeyFile] = [`${base}.cert.pem`, `${base}.key.pem`];
    await writeFile(certificateFile, certificate);
    await writeFile(privateKeyFile, privateKey, { mode: 0o600 });
    return { mspId, certificateFile, privateKeyFile };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.kept) await rm(this.folder, { recursive: true, force: true });
  }
}
