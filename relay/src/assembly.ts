import {
  digest,
  fromBase64url,
  type Outcome,
  type OutcomeProof,
  parser,
  type Release,
  toBase64url,
} from '@yilian/protocol';
import { ReleaseReply, type Share } from '@yilian/proxy/api';
import type { PageEntry, RegionalChain } from '@yilian/regional-chain';
import { parseCid, type Vault } from '@yilian/vault';
import QuickLRU from 'quick-lru';
import type { Answer } from './api.ts';
import { gather, type Witnesses } from './attestations.ts';
import { RelayError } from './errors.ts';
import type { Metrics } from './metrics.ts';

export interface AssemblyOptions {
  readonly region: string;
  readonly chain: RegionalChain;
  readonly proxies: Witnesses;
  readonly vault: Vault;
  readonly holders: readonly string[];
  readonly metrics: Metrics;
}

type Released = Pick<Answer, 'proof' | 'shares' | 'revocations'>;

const parseReply = parser('release reply', ReleaseReply);
/** Sealed bodies this small ride along, this many bytes together. */
const MAX_BODY_BYTES = 65_536;
const MAX_BODIES_BYTES = 262_144;
const BODIES_TIMEOUT_MS = 2000;

/** Puts a home region's answer together: proof, headers, shares, small bodies. The relay can read none of it. */
export class Assembly {
  readonly #options: AssemblyOptions;
  readonly #running = new Map<string, Promise<Answer>>();
  /** Decisions this relay had committed; they never change. */
  readonly #decided = new QuickLRU<string, PageEntry>({ maxSize: 1000 });

  constructor(options: AssemblyOptions) {
    this.#options = options;
  }

  /** Spares a look at the chain for what this relay has just committed there. */
  note(requestId: string, entry: PageEntry): void {
    this.#decided.set(requestId, entry);
  }

  /**
   * The answer to a decided request, or a further page of it (from 1), with no share of a proxy of these organisations.
   * @throws ATTESTATIONS_MISSING SHARES_MISSING HEADER_REPLACED, or the contract's OUTCOME_UNKNOWN and PAGE_UNKNOWN
   */
  answer(requestId: string, page = 0, without: readonly string[] = []): Promise<Answer> {
    const key = [requestId, page, ...without.toSorted()].join('/');
    const running =
      this.#running.get(key) ?? this.#assemble(requestId, page, without).finally(() => this.#running.delete(key));
    this.#running.set(key, running);
    return running;
  }

  async #assemble(requestId: string, page: number, without: readonly string[]): Promise<Answer> {
    const { chain, region, holders, metrics } = this.#options;
    const done = metrics.phase('assemble');
    const entry =
      page > 0
        ? await chain.pageOf(requestId, page)
        : (this.#decided.get(requestId) ?? (await chain.outcome(requestId)));
    const { release } = entry.outcome;
    const [released, headers, bodies] = await Promise.all([
      this.#release(requestId, entry, without),
      release === undefined ? [] : this.#headers(release),
      release === undefined ? [] : this.#bodies(release),
    ]);
    done();
    return { region, ...released, headers, holders: [...holders], bodies };
  }

  /**
   * Asks the proxies that the decision names for their shares and attestations; the first that suffice are taken. When the patient revoked after
   * the decision and before that, the revocation takes the shares' place.
   */
  async #release(
    requestId: string,
    { outcome, transactionId }: PageEntry,
    without: readonly string[],
  ): Promise<Released> {
    const { proxies, metrics } = this.#options;
    const wanted = outcome.release !== undefined && Date.now() < outcome.release.usableUntil;
    if (!wanted) return { proof: await proxies.prove(transactionId), shares: [] };
    const counting = proxies.ballot(transactionId);
    counting.catch(() => undefined);
    const shares = new Map<string, Share>();
    const done = metrics.phase('shares');
    const named = new Set(outcome.scopes.flatMap((scope) => (scope.permitted ? scope.proxies : [])));
    const asked = (await proxies.list()).filter(({ mspId }) => named.has(mspId) && !without.includes(mspId));
    await gather(asked, async (witness, signal) => {
      const order = { requestId, transactionId };
      const reply = parseReply(await proxies.order(witness, '/v1/releases', 'release', order, signal));
      const ballot = await counting;
      ballot.add(witness, reply.attestation);
      if (reply.share.mspId === witness.mspId) shares.set(witness.mspId, reply.share);
      return ballot.complete && suffices(outcome, shares);
    });
    done();
    const ballot = await counting;
    if (!suffices(outcome, shares)) {
      const revocations = await this.#revocations(outcome);
      if (revocations.length === 0) throw new RelayError('SHARES_MISSING', 'too few proxies gave their shares');
      return { proof: await proxies.prove(transactionId), shares: [], revocations };
    }
    return {
      proof: ballot.complete ? ballot.proof() : await proxies.prove(transactionId),
      shares: [...shares.values()],
    };
  }

  /** Proofs that grants this release rests on were revoked. */
  async #revocations({ scopes }: Outcome): Promise<OutcomeProof[]> {
    const { chain, proxies } = this.#options;
    const grantIds = new Set(scopes.flatMap((scope) => (scope.permitted ? [scope.grantId] : [])));
    const grants = await Promise.all([...grantIds].map((grantId) => chain.grantEntry(grantId)));
    return Promise.all(grants.flatMap(({ revokedBy }) => (revokedBy === undefined ? [] : proxies.prove(revokedBy))));
  }

  /** After a release's time, headers that were replaced are left out: the proof is still worth something. */
  async #headers({ records, usableUntil }: Release): Promise<Answer['headers']> {
    const headers = await this.#options.chain.headers(records.map(({ recordId }) => recordId));
    const released = records.every(
      ({ headerHash }, index) => digest(fromBase64url(headers[index]?.header ?? '')) === headerHash,
    );
    if (released) return headers.map(({ recordId, header }) => ({ recordId, header }));
    if (Date.now() > usableUntil) return [];
    throw new RelayError('HEADER_REPLACED', 'a record’s header was replaced after the release');
  }

  /** Bodies are a favour: what cannot be had at once is left for the requester to fetch. */
  async #bodies({ records }: Release): Promise<Answer['bodies']> {
    const { holders, vault } = this.#options;
    if (holders.length === 0) return [];
    const signal = AbortSignal.timeout(BODIES_TIMEOUT_MS);
    let total = 0;
    const small = records.filter(({ sizeBytes }) => {
      if (sizeBytes > MAX_BODY_BYTES || total + sizeBytes > MAX_BODIES_BYTES) return false;
      total += sizeBytes;
      return true;
    });
    const bodies = await Promise.all(
      small.map(async ({ recordId, cid, sizeBytes }) => {
        try {
          const chunks = await Array.fromAsync(vault.get(parseCid(cid), { sizeBytes, signal }));
          return [{ recordId, sealed: toBase64url(Buffer.concat(chunks)) }];
        } catch {
          return [];
        }
      }),
    );
    return bodies.flat();
  }
}

/** Whether every released scope has as many shares as its threshold. */
function suffices({ scopes, release }: Outcome, shares: ReadonlyMap<string, Share>): boolean {
  const released = new Set(release?.records.map(({ scope }) => scope));
  return scopes.every(
    (decision) =>
      !decision.permitted ||
      !released.has(decision.scope) ||
      decision.proxies.filter((mspId) => shares.has(mspId)).length >= decision.threshold,
  );
}
