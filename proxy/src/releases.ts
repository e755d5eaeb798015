import { setImmediate as breathe } from 'node:timers/promises';
import {
  bindingMessage,
  type Capsule,
  CFRAG_BYTES,
  headerCapsule,
  PublicKey,
  reencryptAll,
  sealTo,
  sha256,
} from '@yilian/pre';
import { type CertificateSigner, cfragContext, digest, fromBase64url, toBase64url } from '@yilian/protocol';
import type { RegionalChain } from '@yilian/regional-chain';
import type { ReleaseOrder, ReleaseReply, Share } from './api.ts';
import type { Clock } from './clock.ts';
import { ProxyError } from './errors.ts';
import { failpoint } from './failpoints.ts';
import type { Fragments } from './fragments.ts';
import { type CheckedRelease, checkOrder, checkStanding, requireUsable, type Self } from './release-rules.ts';
import type { Witness } from './witness.ts';

export interface ReleasesOptions extends Self {
  readonly chain: RegionalChain;
  readonly witness: Witness;
  readonly fragments: Fragments;
  readonly clock: Clock;
  readonly signer: CertificateSigner;
}

const MAX_CAPSULES = 10_000;
/** Records re-encrypted between two breaths, about 2 ms of work: more at once is no faster. */
const TOGETHER = 6;

/** Carries out committed releases: the gate before the secret work, and that work. */
export class Releases {
  readonly #options: ReleasesOptions;
  /** By header hash, which names their bytes. */
  readonly #capsules = new Map<string, Capsule>();

  constructor(options: ReleasesOptions) {
    this.#options = options;
  }

  /**
   * This proxy's share of a release that its own view has committed, for as long as the release is usable, what it rests on
   * still stands and somebody waits for it. Asked again, it makes the share again.
   * @throws the codes of the rules; NOT_COMMITTED TRANSACTION_INVALID HEADER_MISMATCH ABANDONED; LedgerError
   */
  async release(order: ReleaseOrder, signal: AbortSignal): Promise<ReleaseReply> {
    const { chain, witness, fragments, clock } = this.#options;
    const attestation = await witness.attest(order.transactionId);
    const { entry, standing } = await chain.standing(order.requestId, order.transactionId);
    const checked = checkOrder(order, entry, this.#options, clock.now());
    const capsules = await this.#capsulesOf(checked, signal);
    const check = () =>
      checkStanding(checked, standing, (grantId) => fragments.get(grantId), this.#options, clock.now());
    check();
    failpoint('release.checked');
    const cfrags = await this.#reencrypt(checked, capsules, signal);
    check();
    requireUsable(checked.outcome, checked.release, clock.now());
    const share = this.#share(order, checked, capsules, cfrags);
    failpoint('release.sealed');
    return { share, attestation };
  }

  /** The capsules of the records' headers, each header the one the release names. @throws HEADER_MISMATCH */
  async #capsulesOf({ release: { records } }: CheckedRelease, signal: AbortSignal): Promise<Capsule[]> {
    const unknown = records.filter(({ headerHash }) => !this.#capsules.has(headerHash));
    const headers =
      unknown.length === 0 ? [] : await this.#options.chain.headers(unknown.map(({ recordId }) => recordId));
    if (this.#capsules.size + headers.length > MAX_CAPSULES) this.#capsules.clear();
    const capsules = new Map<string, Capsule>();
    for (const [index, { headerHash }] of unknown.entries()) {
      requireWanted(signal);
      const header = fromBase64url(headers[index]?.header ?? '');
      if (digest(header) !== headerHash)
        throw new ProxyError('HEADER_MISMATCH', 'a record’s header is not the one released');
      const capsule = headerCapsule(header);
      capsules.set(headerHash, capsule);
      this.#capsules.set(headerHash, capsule);
      await breathe();
    }
    return records.map(({ headerHash }) => (capsules.get(headerHash) ?? this.#capsules.get(headerHash)) as Capsule);
  }

  /** One fragment for each record. Other calls get their turn between a few; a revocation among them ends this one. */
  async #reencrypt(
    { release, scopes }: CheckedRelease,
    capsules: readonly Capsule[],
    signal: AbortSignal,
  ): Promise<Uint8Array[]> {
    const cfrags: Uint8Array[] = [];
    for (const { scope, start, end } of runs(release.records)) {
      requireWanted(signal);
      const { grantId } = scopes.get(scope) as { readonly grantId: string };
      const kfrag = this.#options.fragments.use(grantId, scope);
      for (const cfrag of reencryptAll(capsules.slice(start, end), kfrag)) cfrags.push(cfrag.toBytes());
      await breathe();
    }
    return cfrags;
  }

  #share(
    { requestId, transactionId }: ReleaseOrder,
    { release }: CheckedRelease,
    capsules: readonly Capsule[],
    cfrags: readonly Uint8Array[],
  ): Share {
    const { federation, mspId, signer } = this.#options;
    const receivingKey = PublicKey.fromBase64url(release.receivingKey);
    const plaintext = new Uint8Array(cfrags.length * CFRAG_BYTES);
    for (const [index, cfrag] of cfrags.entries()) plaintext.set(cfrag, index * CFRAG_BYTES);
    const message = bindingMessage({
      federation,
      requestId,
      transactionId,
      recipientKeyHash: sha256(receivingKey.toBytes()),
      items: capsules.map((capsule, index) => ({
        capsuleHash: sha256(capsule.toBytes()),
        cfragHash: sha256(cfrags[index] as Uint8Array),
      })),
    });
    const context = cfragContext(federation, requestId, transactionId, mspId);
    return {
      mspId,
      sealed: toBase64url(sealTo(receivingKey, plaintext, context)),
      certificate: signer.certificate,
      signature: toBase64url(signer.sign(message)),
    };
  }
}

/** The records in their order, a few at a time that share a scope: from `start` to before `end`. */
function* runs(
  records: readonly { readonly scope: string }[],
): Generator<{ readonly scope: string; readonly start: number; readonly end: number }> {
  for (let start = 0, end = 0; start < records.length; start = end) {
    const scope = records[start]?.scope as string;
    while (end < start + TOGETHER && records[end]?.scope === scope) end += 1;
    yield { scope, start, end };
  }
}

/** @throws ABANDONED when whoever ordered the share has gone: the first t proxies' shares sufficed */
function requireWanted(signal: AbortSignal): void {
  if (signal.aborted) throw new ProxyError('ABANDONED', 'nobody waits for the share any more');
}
