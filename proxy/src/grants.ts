import { openSealed, PreError, type SecretKey } from '@yilian/pre';
import {
  type CertificateSigner,
  DestructionReceipt,
  digest,
  fromBase64url,
  kfragContext,
  type Revocation,
  requireKeySignature,
  type SignedBy,
  signDocument,
} from '@yilian/protocol';
import type { GrantEntry, RegionalChain } from '@yilian/regional-chain';
import type { KfragDelivery, KfragReply, RevocationReply } from './api.ts';
import type { Clock } from './clock.ts';
import { isRefusal, ProxyError } from './errors.ts';
import { failpoint } from './failpoints.ts';
import { type Fragments, verifyFragments } from './fragments.ts';
import type { BookedGrant, GrantBook, GrantedScope, GrantRow } from './grant-book.ts';
import type { Self } from './release-rules.ts';
import { Serial } from './serial.ts';

export interface GrantsOptions extends Self {
  readonly chain: RegionalChain;
  readonly fragments: Fragments;
  readonly book: GrantBook;
  readonly transportKey: SecretKey;
  readonly signer: CertificateSigner;
  readonly clock: Clock;
  /** Whether the own peer would accept this receipt now; nothing is committed. */
  readonly wouldAccept: (receipt: SignedBy<typeof DestructionReceipt>) => Promise<boolean>;
  /** Told that there is something to {@link Grants.settle}. */
  readonly onDue: (grantId: string) => void;
}

type SignedRevocation = SignedBy<typeof Revocation>;

/** The life of a grant at this proxy: taken, acknowledged, stopped, destroyed, and each said on the chain. */
export class Grants {
  readonly #options: GrantsOptions;
  readonly #serial = new Serial();

  constructor(options: GrantsOptions) {
    this.#options = options;
  }

  /**
   * Takes the key fragments of a grant on the chain, and acknowledges them there.
   * @throws GRANT_UNKNOWN PROXY_UNKNOWN COMMITMENT_MISMATCH REVOKED PERIOD EPOCH FRAGMENTS_INVALID; LedgerError
   */
  take({ grantId, sealed }: KfragDelivery): Promise<KfragReply> {
    return this.#serial.run(grantId, async () => {
      const { chain, fragments, clock } = this.#options;
      const entry = await chain.grantEntry(grantId);
      const bytes = fromBase64url(sealed);
      const commitment = this.#commitmentIn(entry);
      if (commitment === undefined) throw new ProxyError('PROXY_UNKNOWN', 'the grant names other proxies');
      if (digest(bytes) !== commitment)
        throw new ProxyError('COMMITMENT_MISMATCH', 'these are not the fragments the grant commits to');
      const row = fragments.get(grantId);
      if (entry.revokedAt !== undefined || this.#receiptedIn(entry) || (row !== undefined && row.stage !== 'held'))
        throw new ProxyError('REVOKED', 'the grant has ended');
      if (clock.now() > entry.grant.notAfter) throw new ProxyError('PERIOD', 'the grant’s period is over');
      if (row === undefined) await this.#hold(entry, bytes, commitment);
      const transactionId = await this.#acknowledge(grantId, entry);
      return { acknowledged: true, ...(transactionId !== undefined && { transactionId }) };
    });
  }

  /**
   * Ends a grant on the patient's word. When it returns, the fragments are gone and a restart keeps it so; the chain is
   * told afterwards, by {@link settle}. One that is not about this proxy is brought to the chain, which also keeps a grant
   * out that has not come yet.
   * @throws FEDERATION_MISMATCH GRANT_MISMATCH SIGNATURE_MISSING SIGNATURE_INVALID; LedgerError
   */
  async revoke(revocation: SignedRevocation): Promise<RevocationReply> {
    const { federation, region, fragments, chain } = this.#options;
    const { document } = revocation;
    const { grantId, pseudonym } = document;
    if (document.federation !== federation || document.region !== region)
      throw new ProxyError('FEDERATION_MISMATCH', 'the revocation is for another region');
    const known = fragments.get(grantId);
    if (known !== undefined) {
      if (known.pseudonym !== pseudonym) throw new ProxyError('GRANT_MISMATCH', 'the grant is another patient’s');
      requireKeySignature(revocation, known.signingKey);
      this.#end(grantId, revocation);
      return { stopped: true, destroyed: true };
    }
    const entry = await this.#entry(grantId);
    if (entry !== undefined && entry.grant.pseudonym !== pseudonym)
      throw new ProxyError('GRANT_MISMATCH', 'the grant is another patient’s');
    requireKeySignature(revocation, (await chain.patient(pseudonym)).signingKey);
    if (entry === undefined || this.#commitmentIn(entry) === undefined) {
      if (entry?.revokedAt === undefined) await chain.revoke(revocation);
      return { stopped: false, destroyed: false };
    }
    await this.#refuse(entry, revocation);
    return { stopped: true, destroyed: true };
  }

  /** Ends a grant the chain says is revoked. */
  async revokedOnChain(grantId: string): Promise<void> {
    const entry = await this.#entry(grantId);
    if (entry === undefined || this.#commitmentIn(entry) === undefined) return;
    if (this.#options.fragments.get(grantId) === undefined) await this.#refuse(entry, entry.revocation);
    else this.#end(grantId, entry.revocation);
  }

  /**
   * Compares a held grant with the chain: ends it when it is revoked, over, or of keys that were all rotated. A grant the
   * own peer does not know (yet) stays; it cannot be released either.
   */
  async compare(grantId: string): Promise<void> {
    const { fragments, book, clock } = this.#options;
    const row = fragments.get(grantId);
    if (row === undefined || row.stage !== 'held') return;
    const entry = await this.#entry(grantId);
    if (entry === undefined) return;
    if (!row.acknowledged && entry.acknowledgedBy.includes(this.#options.mspId)) book.acknowledged(grantId);
    if (entry.revokedAt !== undefined) this.#end(grantId, entry.revocation);
    else if (clock.now() > row.notAfter) await this.#endExpired(row);
    else if (await this.#allRotated(row)) this.#end(grantId);
  }

  /**
   * Does what is still to be done about a grant. Returns the time before which trying again is in vain, or undefined when
   * all is done.
   */
  settle(grantId: string): Promise<number | undefined> {
    return this.#serial.run(grantId, async () => {
      const { chain, fragments, book, clock } = this.#options;
      const row = fragments.get(grantId);
      if (row === undefined) return undefined;
      if (row.stage === 'held') {
        const entry = await chain.grantEntry(grantId);
        if (entry.revokedAt === undefined) await this.#acknowledge(grantId, entry);
        else this.#end(grantId, entry.revocation);
        return entry.revokedAt === undefined ? undefined : clock.now();
      }
      fragments.destroy(grantId, clock.reading());
      const entry = await chain.grantEntry(grantId);
      if (!this.#receiptedIn(entry)) {
        if (entry.revokedAt === undefined && row.revocation !== undefined) await chain.revoke(row.revocation);
        else if (entry.revokedAt === undefined && clock.now() <= row.notAfter) return row.notAfter + 1;
        await chain.destroyed(this.#receipt(fragments.get(grantId) ?? row));
        failpoint('receipt.committed');
      }
      book.receipted(grantId);
      return undefined;
    });
  }

  #commitmentIn({ grant }: GrantEntry): string | undefined {
    return grant.proxies.find((proxy) => proxy.mspId === this.#options.mspId)?.commitment;
  }

  #receiptedIn({ destroyed }: GrantEntry): boolean {
    return destroyed.some(({ document }) => document.mspId === this.#options.mspId);
  }

  /** Undefined for a grant the own peer does not know (yet). */
  async #entry(grantId: string): Promise<GrantEntry | undefined> {
    try {
      return await this.#options.chain.grantEntry(grantId);
    } catch (error) {
      if (isRefusal(error, 'GRANT_UNKNOWN')) return undefined;
      throw error;
    }
  }

  async #allRotated({ pseudonym, scopes }: GrantRow): Promise<boolean> {
    const scopeKeys = await this.#options.chain.scopeKeys(pseudonym);
    return !scopes.some(({ scope, key }) =>
      scopeKeys.some(({ document }) => document.scope === scope && document.key === key),
    );
  }

  async #hold(entry: GrantEntry, sealed: Uint8Array, commitment: string): Promise<void> {
    const { federation, region, mspId, transportKey, fragments } = this.#options;
    const grant = await this.#booked(entry, commitment);
    const plaintext = unseal(transportKey, sealed, kfragContext(federation, region, grant.pseudonym, mspId));
    try {
      fragments.hold(grant, verifyFragments(plaintext, grant));
    } catch (cause) {
      throw cause instanceof PreError ? unfit(cause) : cause;
    } finally {
      plaintext.fill(0);
    }
  }

  /** The grant with the keys the chain has for it now. @throws EPOCH */
  async #booked({ grantId, grant }: GrantEntry, commitment: string): Promise<BookedGrant> {
    const { chain } = this.#options;
    const { pseudonym, notAfter } = grant;
    const [{ signingKey }, { signed }, scopeKeys] = await Promise.all([
      chain.patient(pseudonym),
      chain.keyCertificate(grant.grantee),
      chain.scopeKeys(pseudonym),
    ]);
    const scopes = grant.scopes.map(({ scope, epoch }): GrantedScope => {
      const current = scopeKeys.find(({ document }) => document.scope === scope)?.document;
      if (current?.epoch !== epoch) throw new ProxyError('EPOCH', 'a scope’s key was rotated');
      return { scope, epoch, key: current.key };
    });
    return { grantId, commitment, pseudonym, signingKey, receivingKey: signed.document.key, notAfter, scopes };
  }

  /** @throws REVOKED when the grant ended while its fragments were being looked at */
  async #acknowledge(grantId: string, { acknowledgedBy }: GrantEntry): Promise<string | undefined> {
    const { chain, book, fragments, mspId } = this.#options;
    if (fragments.get(grantId)?.stage !== 'held') throw new ProxyError('REVOKED', 'the grant has ended');
    const committed = acknowledgedBy.includes(mspId) ? undefined : await chain.acknowledge(grantId);
    failpoint('kfrags.acknowledged');
    book.acknowledged(grantId);
    return committed?.transactionId;
  }

  #end(grantId: string, revocation?: SignedRevocation): void {
    const { fragments, clock } = this.#options;
    // Stopping never waits for the clock to be right.
    fragments.stop(grantId, revocation);
    fragments.destroy(grantId, clock.reading());
    this.#options.onDue(grantId);
  }

  /** A clock that runs ahead must not cost anyone a grant: the own peer has to agree that it is over. */
  async #endExpired(row: GrantRow): Promise<void> {
    if (await this.#options.wouldAccept(this.#receipt(row))) this.#end(row.grantId);
  }

  /** Notes a grant whose fragments never came, so that they are not taken when they do. */
  async #refuse(entry: GrantEntry, revocation: SignedRevocation | undefined): Promise<void> {
    const commitment = this.#commitmentIn(entry);
    if (commitment === undefined) return;
    const { grantId, grant } = entry;
    const { signingKey } = await this.#options.chain.patient(grant.pseudonym);
    await this.#serial.run(grantId, async () => {
      const { fragments, book, clock } = this.#options;
      if (fragments.get(grantId) !== undefined) {
        this.#end(grantId, revocation);
        return;
      }
      const { pseudonym, notAfter } = grant;
      book.refuse(
        { grantId, commitment, pseudonym, signingKey, receivingKey: '', notAfter, scopes: [] },
        revocation,
        clock.reading(),
      );
      this.#options.onDue(grantId);
    });
  }

  #receipt({ grantId, commitment, destroyedAt }: GrantRow): SignedBy<typeof DestructionReceipt> {
    const { federation, region, mspId, signer, clock } = this.#options;
    const document = { federation, region, grantId, mspId, commitment, destroyedAt: destroyedAt ?? clock.reading() };
    return signDocument(DestructionReceipt, document, [signer]);
  }
}

/** @throws FRAGMENTS_INVALID */
function unseal(key: SecretKey, sealed: Uint8Array, context: Uint8Array): Uint8Array {
  try {
    return openSealed(key, sealed, context);
  } catch (cause) {
    throw unfit(cause);
  }
}

function unfit(cause: unknown): ProxyError {
  return new ProxyError('FRAGMENTS_INVALID', 'the fragments are not of this patient, grantee and proxy', { cause });
}
