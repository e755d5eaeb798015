import { createHash, randomBytes } from 'node:crypto';
import { LedgerError } from '@yilian/ledger';
import { commitment, newContentSecret, PublicKey, SUITE, sealBody, sealHeader } from '@yilian/pre';
import {
  type CertificateSigner,
  type Coding,
  headerContext,
  RecordEntry,
  type ScopeKey,
  toBase64url,
} from '@yilian/protocol';
import type { RegionalChain } from '@yilian/regional-chain';
import type { Cid, Vault } from '@yilian/vault';
import { ClientError } from './core/client-error.ts';
import { signOwn } from './core/signing.ts';

export interface PublishOptions {
  readonly pseudonym: string;
  readonly scope: string;
  /** What kind of document it is, for whoever has a release; 1 to 8. */
  readonly codes: readonly Coding[];
  readonly source: AsyncIterable<Uint8Array>;
  /** Gets the plaintext bytes sealed so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Published {
  readonly recordId: string;
  readonly transactionId: string;
  readonly cid: string;
  readonly sealedSizeBytes: number;
  readonly plainSizeBytes: number;
  /** Of the plaintext, hexadecimal. */
  readonly sha256: string;
}

export interface Publisher {
  readonly mspId: string;
  readonly signer: CertificateSigner;
  readonly chain: Pick<RegionalChain, 'publish' | 'record'>;
  readonly vault: Pick<Vault, 'put' | 'unpin'>;
}

/**
 * Seals a record to a scope key that was checked, stores it and registers it, in memory of a few chunks.
 * @throws PUBLISH_UNCERTAIN when nobody can say whether the chain has it: the sealed body is then kept. On any other
 *   failure nothing is kept, and the error is that of the source, the vault or the ledger.
 */
export async function publishRecord(
  publisher: Publisher,
  scopeKey: ScopeKey,
  { codes, source, onProgress, signal }: Omit<PublishOptions, 'pseudonym' | 'scope'>,
): Promise<Published> {
  const { mspId, signer, vault } = publisher;
  const { federation, region, pseudonym, scope, epoch } = scopeKey;
  const recordId = toBase64url(randomBytes(16));
  const subject = { federation, region, recordId, pseudonym, scope, epoch };
  const secret = newContentSecret();
  try {
    const header = sealHeader(PublicKey.fromBase64url(scopeKey.key), secret, headerContext(subject));
    const plaintext = observed(source, onProgress, signal);
    const stored = await vault.put(sealBody(secret.key, plaintext), { signal });
    const sha256 = plaintext.digest();
    const record = signOwn(
      RecordEntry,
      {
        ...subject,
        codes: [...codes],
        cid: stored.cid,
        sizeBytes: stored.sizeBytes,
        suite: SUITE,
        header: toBase64url(header),
        commitment: toBase64url(commitment(secret.salt, sha256)),
        custodian: mspId,
        signedAt: Date.now(),
      },
      [signer],
    );
    return {
      recordId,
      transactionId: await register(publisher, record, stored.cid),
      cid: stored.cid,
      sealedSizeBytes: stored.sizeBytes,
      plainSizeBytes: plaintext.sizeBytes,
      sha256: sha256.toString('hex'),
    };
  } finally {
    secret.key.fill(0);
    secret.salt.fill(0);
  }
}

/** The body must outlast the record, and must not outlast a record that never came to be. */
async function register(
  { chain, vault }: Publisher,
  record: Parameters<RegionalChain['publish']>[0],
  cid: Cid,
): Promise<string> {
  try {
    return (await chain.publish(record)).transactionId;
  } catch (cause) {
    const { recordId } = record.document;
    const transactionId = cause instanceof LedgerError ? cause.transactionId : undefined;
    if (hadNoEffect(cause)) {
      await vault.unpin(cid);
      throw cause;
    }
    const found = await chain.record(recordId).catch(() => undefined);
    if (found?.document.cid === cid && transactionId !== undefined) return transactionId;
    throw new ClientError('PUBLISH_UNCERTAIN', `the chain may yet take record ${recordId}`, { cause });
  }
}

/** Until a transaction was handed to the orderer it cannot have happened, and once it is invalid it never will. */
function hadNoEffect(error: unknown): boolean {
  if (!(error instanceof LedgerError)) return false;
  return error.stage === 'evaluate' || error.stage === 'endorse' || error.stage === 'validate';
}

interface Observed extends AsyncIterable<Uint8Array> {
  readonly sizeBytes: number;
  digest(): Buffer;
}

/** Hashes and counts what goes by. */
function observed(
  source: AsyncIterable<Uint8Array>,
  onProgress: ((bytes: number) => void) | undefined,
  signal: AbortSignal | undefined,
): Observed {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  return {
    get sizeBytes() {
      return sizeBytes;
    },
    digest: () => hash.digest(),
    async *[Symbol.asyncIterator]() {
      for await (const piece of source) {
        signal?.throwIfAborted();
        hash.update(piece);
        sizeBytes += piece.length;
        onProgress?.(sizeBytes);
        yield piece;
      }
    },
  };
}
