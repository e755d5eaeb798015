import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { signDocument, toBase64url } from '@yilian/protocol';
import { type Member, Testbed } from '@yilian/testbed';
import {
  buildPseudonyms,
  type PseudonymDependencies,
  PseudonymRequest,
  type Pseudonyms,
  RESIDENT_ID,
} from '../src/index.ts';

/** The example of GB 11643-1999. */
export const ID = '11010519491231002X';
export const OTHER_ID = '440524188001010014';

export const random = (length: number): string => toBase64url(crypto.getRandomValues(new Uint8Array(length)));

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
  readonly body: { readonly code?: string; readonly pseudonym?: string; readonly keyEpoch?: number };
}

/** A pseudonym authority beside the chains of two regions, in this process, HTTP without a port. */
export class TestAuthority implements AsyncDisposable {
  readonly testbed: Testbed;
  readonly folder: string;
  readonly hospital: Member;

  private constructor(testbed: Testbed, folder: string) {
    this.testbed = testbed;
    this.folder = folder;
    this.hospital = testbed.member('HospitalA1', 'hospital');
  }

  static async open(): Promise<TestAuthority> {
    const testbed = await Testbed.open(['region-a', 'region-b']);
    return new TestAuthority(testbed, await mkdtemp(join(tmpdir(), 'pseudonyms-test-')));
  }

  config(changes: Partial<Parameters<typeof buildPseudonyms>[0]> = {}) {
    return {
      federation: this.testbed.federation,
      folder: join(this.folder, 'authority'),
      host: '127.0.0.1',
      port: 0,
      main: {
        address: '127.0.0.1:1',
        channel: 'main',
        mspId: 'Authority1',
        certificateFile: 'none',
        privateKeyFile: 'none',
      },
      logLevel: 'silent',
      ...changes,
    };
  }

  dependencies(): PseudonymDependencies {
    return { connection: this.testbed.connection('main', this.testbed.member('Authority1', 'relay')) };
  }

  build(changes: Partial<Parameters<typeof buildPseudonyms>[0]> = {}, more: PseudonymDependencies = {}) {
    return buildPseudonyms(this.config(changes), { ...this.dependencies(), ...more });
  }

  request(changes: Partial<PseudonymRequest> = {}, signers: readonly Member[] = [this.hospital]) {
    const document: PseudonymRequest = {
      federation: this.testbed.federation,
      region: 'region-a',
      system: RESIDENT_ID,
      nationalId: ID,
      evidence: random(32),
      signedAt: Date.now(),
      nonce: random(16),
      ...changes,
    };
    return signDocument(PseudonymRequest, document, signers);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.testbed[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true });
  }
}

export async function send({ app }: Pseudonyms, payload: string, url = '/v1/pseudonyms'): Promise<Reply> {
  const headers = { 'content-type': 'application/json' };
  const reply = await app.inject({ method: 'POST', url, headers, payload });
  return { status: reply.statusCode, headers: reply.headers, text: reply.body, body: reply.json() };
}
