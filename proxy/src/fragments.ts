import { KeyFrag, PublicKey, type VerifiedKeyFrag } from '@yilian/pre';
import type { Revocation, SignedBy } from '@yilian/protocol';
import { ProxyError } from './errors.ts';
import { failpoint } from './failpoints.ts';
import type { BookedGrant, GrantBook, GrantRow } from './grant-book.ts';
import { decrypt, encrypt } from './sealed-file.ts';
import type { WrapKeys } from './wrap-keys.ts';

/** Bytes of one key fragment. */
const KFRAG_BYTES = 310;
const MAX_CACHED = 4096;

/**
 * The key fragments this proxy holds. On disk they are encrypted under a key that lives elsewhere; in memory they are
 * kept verified while they are in use and overwritten when they are stopped.
 */
export class Fragments {
  readonly #book: GrantBook;
  readonly #wrapKeys: WrapKeys;
  readonly #open = new Map<string, readonly VerifiedKeyFrag[]>();

  /** Ends what a crash left half done: keys without a row, rows without a key. */
  constructor(book: GrantBook, wrapKeys: WrapKeys) {
    this.#book = book;
    this.#wrapKeys = wrapKeys;
    wrapKeys.destroyOthers((grantId) => {
      const stage = book.get(grantId)?.stage;
      return stage === 'held' || stage === 'stopped';
    });
    for (const grantId of book.held()) if (!wrapKeys.has(grantId)) book.forget(grantId);
  }

  get(grantId: string): GrantRow | undefined {
    return this.#book.get(grantId);
  }

  /** Keeps verified fragments, one for each scope in the grant's order. @throws DISK_FULL, and nothing is kept */
  hold(grant: BookedGrant, kfrags: readonly VerifiedKeyFrag[]): void {
    const { grantId } = grant;
    const plaintext = Buffer.concat(kfrags.map((kfrag) => kfrag.toBytes()));
    const key = this.#wrapKeys.create(grantId);
    failpoint('kfrags.wrapped');
    try {
      this.#book.hold(grant, encrypt(key, plaintext, grantId));
    } catch (error) {
      this.#wrapKeys.destroy(grantId);
      throw error;
    } finally {
      plaintext.fill(0);
      key.fill(0);
    }
    failpoint('kfrags.stored');
    this.#remember(grantId, kfrags);
  }

  /** The fragment of one scope. @throws FRAGMENTS_UNKNOWN REVOKED STORE_BROKEN */
  use(grantId: string, scope: string): VerifiedKeyFrag {
    const row = this.#book.get(grantId);
    if (row === undefined) throw new ProxyError('FRAGMENTS_UNKNOWN', 'no fragments of this grant are held');
    if (row.stage !== 'held') throw new ProxyError('REVOKED', 'the grant’s fragments are no longer used');
    const index = row.scopes.findIndex((candidate) => candidate.scope === scope);
    const kfrag = (this.#open.get(grantId) ?? this.#load(row))[index];
    if (kfrag === undefined) throw new ProxyError('FRAGMENTS_UNKNOWN', 'no fragment of this scope is held');
    return kfrag;
  }

  /**
   * Durable when it returns: the fragments are not used again.
   * @throws DISK_FULL: they are not used again either, because their key is gone, but what ended them is not noted
   */
  stop(grantId: string, revocation?: SignedBy<typeof Revocation>): void {
    const held = this.#book.get(grantId)?.stage === 'held';
    try {
      this.#book.stop(grantId, revocation);
      if (held) failpoint('revocation.stopped');
    } catch (error) {
      // To overwrite and remove a file needs no room.
      if (held) this.#wrapKeys.destroy(grantId);
      throw error;
    } finally {
      for (const kfrag of this.#open.get(grantId) ?? []) kfrag.wipe();
      this.#open.delete(grantId);
    }
  }

  /** Destroys a stopped grant's fragments: first their key, then what it encrypted. May be done again. */
  destroy(grantId: string, at: number): void {
    const stage = this.#book.get(grantId)?.stage;
    if (stage === undefined || stage === 'held') return;
    this.#wrapKeys.destroy(grantId);
    this.#book.erase(grantId, at);
    failpoint('destruction.erased');
  }

  /** Overwrites what is in memory. */
  close(): void {
    for (const kfrag of [...this.#open.values()].flat()) kfrag.wipe();
    this.#open.clear();
  }

  #load(row: GrantRow): readonly VerifiedKeyFrag[] {
    const key = this.#wrapKeys.read(row.grantId);
    const sealed = this.#book.fragments(row.grantId);
    if (key === undefined || sealed === undefined)
      throw new ProxyError('FRAGMENTS_UNKNOWN', 'the key of the fragments is lost');
    const plaintext = decrypt(key, sealed, row.grantId);
    key.fill(0);
    const kfrags = verifyFragments(plaintext, row);
    plaintext.fill(0);
    this.#remember(row.grantId, kfrags);
    return kfrags;
  }

  #remember(grantId: string, kfrags: readonly VerifiedKeyFrag[]): void {
    if (this.#open.size >= MAX_CACHED) this.close();
    this.#open.set(grantId, kfrags);
  }
}

/**
 * Takes fragments apart, one for each scope in the grant's order, and checks each against the keys of patient, scope and
 * grantee. @throws FRAGMENTS_INVALID, or pre's KFRAG_INVALID and SIGNATURE_INVALID
 */
export function verifyFragments(
  plaintext: Uint8Array,
  { scopes, signingKey, receivingKey }: Pick<BookedGrant, 'scopes' | 'signingKey' | 'receivingKey'>,
): VerifiedKeyFrag[] {
  if (plaintext.length !== scopes.length * KFRAG_BYTES)
    throw new ProxyError('FRAGMENTS_INVALID', 'not one fragment for each scope');
  return scopes.map(({ key }, index) =>
    KeyFrag.fromBytes(plaintext.subarray(index * KFRAG_BYTES, (index + 1) * KFRAG_BYTES)).verify({
      verifyingKey: PublicKey.fromBase64url(signingKey),
      delegatingKey: PublicKey.fromBase64url(key),
      receivingKey: PublicKey.fromBase64url(receivingKey),
    }),
  );
}
