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
import type { Witness, Witnesses } from './attestations.ts';
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
/** How long an answer that was begun early waits to be taken, and how many do. */
const BEGUN_MS = 5000;
const MAX_BEGUN = 128;

/** Puts a home region's answer together: proof, headers, shares, small bodies. The relay can read none of it. */
export class Assembly {
  readonly #options: AssemblyOptions;
  readonly #running = new Map<string, Promise<Answer>>();
  /** Answers that were there before anybody asked for them. */
  readonly #begun = new QuickLRU<string, Answer>({ maxSize: MAX_BEGUN, maxAge: BEGUN_MS });
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
   * Begins the answer to a request whose decision the orderer has: the proxies are asked now, and each of them waits until its
   * own view has the commit. `committed` fails when the decision did; then this answer comes to nothing.
   */
  begin(requestId: string, entry: PageEntry, committed: Promise<unknown>): void {
    const key = keyOf(requestId);
    this.#run(key, () => this.#assemble(requestId, entry, [], committed)).then(
      (answer) => void this.#begun.set(key, answer),
      () => undefined,
    );
  }

  /**
   * The answer to a decided request, or a further page of it (from 1), with no share of a proxy of these organisations.
   * @throws ATTESTATIONS_MISSING SHARES_MISSING HEADER_REPLACED, or the contract's OUTCOME_UNKNOWN and PAGE_UNKNOWN
   */
  async answer(requestId: string, page = 0, without: readonly string[] = []): Promise<Answer> {
    const key = keyOf(requestId, page, without);
    const begun = this.#begun.get(key);
    this.#begun.delete(key);
    if (begun !== undefined) return begun;
    return (
      this.#running.get(key) ??
      this.#run(key, async () => this.#assemble(requestId, await this.#entry(requestId, page), without))
    );
  }

  #run(key: string, assemble: () => Promise<Answer>): Promise<Answer> {
    const running = assemble().finally(() => {
      if (this.#running.get(key) === running) this.#running.delete(key);
    });
    this.#running.set(key, running);
    return running;
  }

  async #entry(requestId: string, page: number): Promise<PageEntry> {
    const { chain } = this.#options;
    if (page > 0) return chain.pageOf(requestId, page);
    return this.#decided.get(requestId) ?? chain.outcome(requestId);
  }

  async #assemble(
    requestId: string,
    entry: PageEntry,
    without: readonly string[],
    committed: Promise<unknown> = Promise.resolve(),
  ): Promise<Answer> {
    const { region, holders, metrics } = this.#options;
    const { release } = entry.outcome;
    const done = committed.then(() => metrics.phase('assemble'));
    const [released, headers, bodies] = await Promise.all([
      this.#release(requestId, entry, without, committed),
      release === undefined ? [] : this.#headers(release),
      release === undefined ? [] : this.#bodies(release),
      done,
    ]);
    (await done)();
    return { region, ...released, headers, holders: [...holders], bodies };
  }

  /**
   * Asks proxies that the decision names for their shares and attestations, until what came suffices. When the patient revoked after
   * the decision and before that, the revocation takes the shares' place.
   */
  async #release(
    requestId: string,
    { outcome, transactionId }: PageEntry,
    without: readonly string[],
    committed: Promise<unknown>,
  ): Promise<Released> {
    const { proxies, metrics } = this.#options;
    const wanted = outcome.release !== undefined && Date.now() < outcome.release.usableUntil;
    if (!wanted) {
      await committed;
      return { proof: await proxies.prove(transactionId), shares: [] };
    }
    const done = committed.then(() => metrics.phase('shares'));
    const counting = done.then(() => proxies.ballot(transactionId));
    counting.catch(() => undefined);
    const shares = new Map<string, Share>();
    const named = new Set(outcome.scopes.flatMap((scope) => (scope.permitted ? scope.proxies : [])));
    const asked = (await proxies.list()).filter(({ mspId }) => named.has(mspId) && !without.includes(mspId));
    const least = Math.max(...outcome.scopes.map((scope) => (scope.permitted ? scope.threshold : 1)));
    const ask = async (witness: Witness, signal: AbortSignal) => {
      const order = { requestId, transactionId };
      const reply = parseReply(await proxies.order(witness, '/v1/releases', 'release', order, signal));
      const ballot = await counting;
      ballot.add(witness, reply.attestation);
      if (reply.share.mspId !== witness.mspId) throw new RelayError('REMOTE_REFUSED', 'a share in another’s name');
      shares.set(witness.mspId, reply.share);
      return ballot.complete && suffices(outcome, shares);
    };
    await proxies.gather(asked, ask, { least, since: committed });
    const ballot = await counting;
    (await done)();
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

function keyOf(requestId: string, page = 0, without: readonly string[] = []): string {
  return [requestId, page, ...without.toSorted()].join('/');
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
