import type { MainChain } from '@yilian/main-chain';
import { documentId, Request, type SignedBy } from '@yilian/protocol';
import type { Leg, OutcomeEntry, RegionalChain, RequestEntry } from '@yilian/regional-chain';
import type { Logger } from 'pino';
import QuickLRU from 'quick-lru';
import type { Absences } from './absences.ts';
import type { Answers, LegNote } from './answers.ts';
import type { Answer, AnswerReply, LegStatus, RequestAccepted, RequestStatus } from './api.ts';
import type { Assembly } from './assembly.ts';
import { entryOf } from './decisions.ts';
import { RelayError, refusalOf } from './errors.ts';
import { failpoint } from './failpoints.ts';
import type { KeyCertificates } from './key-certificates.ts';
import type { Legs } from './legs.ts';
import type { Metrics } from './metrics.ts';
import { nameOf, type Queues } from './queues.ts';

export type SignedRequest = SignedBy<typeof Request>;

export interface RequestsOptions {
  readonly federation: string;
  readonly region: string;
  readonly chain: RegionalChain;
  readonly main: MainChain;
  readonly keyCertificates: KeyCertificates;
  readonly answers: Answers;
  readonly assembly: Assembly;
  readonly legs: Legs;
  readonly absences: Absences;
  readonly queues: Queues;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly submissionsPerOrganisation: number;
  readonly maxLegs: number;
}

/** The leg of a question about a patient no region is known to hold. */
const MAIN = 'main';
/** Homes may become more: an old list is looked up again. */
const ASKED_MS = 2_000;
const FINAL = new Set<LegStatus['state']>(['released', 'denied', 'absent', 'expired', 'failed']);

/** Requesting side: takes practitioners' questions and says where they stand. The chain is the truth. */
export class Requests {
  readonly #options: RequestsOptions;
  readonly #submitting = new Map<string, number>();
  /** Homes of questions this relay has just recorded: so soon after, what is noted of their legs is all there is. */
  readonly #asked = new QuickLRU<string, readonly string[]>({ maxSize: 1000, maxAge: ASKED_MS });

  constructor(options: RequestsOptions) {
    this.#options = options;
  }

  /**
   * Records a question and sends it to its home regions. Returns after the commit; the legs set out as soon as the
   * orderer has it.
   * @throws REGION_MISMATCH FEDERATION_MISMATCH BUSY QUEUE_UNAVAILABLE, or what the contract refuses
   */
  async submit(request: SignedRequest): Promise<RequestAccepted> {
    const { federation, region, keyCertificates, main, metrics } = this.#options;
    const { document } = request;
    if (document.federation !== federation) throw new RelayError('FEDERATION_MISMATCH', 'another federation’s request');
    if (document.region !== region) throw new RelayError('REGION_MISMATCH', 'another region’s request');
    const requestId = documentId(Request.type, document);
    failpoint('request.received');
    const keyCertificate = await keyCertificates.of(document.keyCertificate);
    using _place = this.#enter(keyCertificate.document.mspId);
    const lookedUp = metrics.phase('lookup');
    const [homes] = await Promise.all([main.lookup(document.pseudonym), this.#requireRoom()]);
    lookedUp();
    const asked = metrics.phase('ask');
    const transactionId = await this.#record(requestId, request, homes);
    asked();
    failpoint('request.committed');
    if (homes.length > 0 && !homes.includes(region)) this.#asked.set(requestId, homes);
    return { requestId, transactionId, homes };
  }

  /** Where every leg stands. @throws the contract's REQUEST_UNKNOWN */
  async status(requestId: string): Promise<RequestStatus> {
    const { chain, answers, region } = this.#options;
    const asked = this.#asked.get(requestId);
    const noted = answers.notes(requestId, asked).catch(() => undefined);
    const fresh = asked && (await noted);
    if (asked && fresh)
      return statusOf(
        requestId,
        asked.map((home) => legOf(home, undefined, fresh.get(home))),
      );
    const [entry, notes] = await Promise.all([chain.request(requestId), noted]);
    const expected = entry.homes.length === 0 ? [MAIN] : entry.homes;
    const legs = await Promise.all(
      expected.map(async (home) => {
        if (home === region) return this.#ownLeg(requestId, entry);
        const settled = entry.legs.find((leg) => leg.region === home);
        return legOf(home, settled, notes?.get(home));
      }),
    );
    return statusOf(requestId, legs);
  }

  /**
   * What has come so far. Answers that were here and are gone are fetched again; all of them are when shares of some
   * organisations' proxies are to be left out, because they did not hold.
   * @param seen where the request stood just now
   * @throws REQUEST_UNKNOWN
   */
  async answer(requestId: string, without: readonly string[] = [], seen?: RequestStatus): Promise<AnswerReply> {
    const { answers, region } = this.#options;
    const status = seen ?? (await this.status(requestId));
    const found: Answer[] = [];
    for (const leg of status.legs) {
      if (!isDecided(leg) || leg.region === MAIN) continue;
      const own = leg.region === region;
      const answer = own ? await this.#own(requestId, without) : await this.#foreign(requestId, leg.region, without);
      if (answer !== undefined) found.push(answer);
    }
    const unindexed = status.legs.find((leg) => leg.region === MAIN);
    const absence = unindexed && (await answers.loadAbsence(requestId).catch(() => undefined));
    if (absence === undefined && unindexed !== undefined && FINAL.has(unindexed.state))
      await this.#quietly(this.#options.absences.start(requestId));
    return { status, answers: found, ...(absence === undefined ? {} : { absence }) };
  }

  /** `decide` records and decides at once where this region is a home itself; else `ask`. Both are idempotent. */
  async #record(requestId: string, request: SignedRequest, homes: readonly string[]): Promise<string> {
    const { chain, region, assembly, metrics } = this.#options;
    const ordered = metrics.phase('ordered');
    const setOut = () => {
      ordered();
      failpoint('request.ordered');
      void this.#setOut(requestId, request, homes);
    };
    if (!homes.includes(region)) {
      const { transactionId } = await chain.ask(request, homes, { onOrdered: setOut });
      return transactionId;
    }
    try {
      const deciding = chain.decide(request, undefined, undefined, homes, {
        onOrdered: (ordered) => {
          setOut();
          const entry = entryOf(ordered);
          if (entry !== undefined) assembly.begin(requestId, entry, deciding);
        },
      });
      const committed = await deciding;
      const entry = entryOf(committed);
      if (entry !== undefined) assembly.note(requestId, entry);
      return committed.transactionId;
    } catch (error) {
      if (refusalOf(error) !== 'DECIDED') throw error;
      return (await chain.outcome(requestId)).transactionId;
    }
  }

  /** A leg that cannot be queued now is found by the scanner. */
  async #setOut(requestId: string, request: SignedRequest, homes: readonly string[]): Promise<void> {
    const { region, legs, absences } = this.#options;
    const others = homes.filter((home) => home !== region);
    await this.#quietly(
      homes.length === 0
        ? absences.start(requestId, request)
        : Promise.all(others.map((home) => legs.start(requestId, home, request))),
    );
  }

  async #ownLeg(requestId: string, { signed }: RequestEntry): Promise<LegStatus> {
    const { chain, region } = this.#options;
    const decided = await this.#outcome(requestId);
    if (decided !== undefined) return { region, state: decided.outcome.outcome, transactionId: decided.transactionId };
    const waiting = await chain.waiting(signed.document.pseudonym);
    return { region, state: waiting.some((entry) => entry.requestId === requestId) ? 'waiting' : 'pending' };
  }

  async #own(requestId: string, without: readonly string[]): Promise<Answer | undefined> {
    const { answers, region, assembly } = this.#options;
    const kept = without.length > 0 ? undefined : await answers.load(requestId, region).catch(() => undefined);
    if (kept !== undefined) return kept;
    try {
      const answer = await assembly.answer(requestId, 0, without);
      await this.#quietly(answers.save(requestId, answer));
      return answer;
    } catch (error) {
      this.#options.log.info({ error: nameOf(error) }, 'an answer cannot be put together yet');
      return undefined;
    }
  }

  async #foreign(requestId: string, home: string, without: readonly string[]): Promise<Answer | undefined> {
    if (without.length > 0) return this.#options.legs.answer(requestId, home, without);
    const answer = await this.#options.answers.load(requestId, home).catch(() => undefined);
    if (answer === undefined) await this.#quietly(this.#options.legs.start(requestId, home));
    return answer;
  }

  async #outcome(requestId: string): Promise<OutcomeEntry | undefined> {
    try {
      return await this.#options.chain.outcome(requestId);
    } catch (error) {
      if (refusalOf(error) === 'OUTCOME_UNKNOWN') return undefined;
      throw error;
    }
  }

  #enter(mspId: string): Disposable {
    const now = this.#submitting.get(mspId) ?? 0;
    if (now >= this.#options.submissionsPerOrganisation)
      throw new RelayError('BUSY', 'this organisation is submitting too many requests at a time');
    this.#submitting.set(mspId, now + 1);
    return {
      [Symbol.dispose]: () => {
        const left = (this.#submitting.get(mspId) ?? 1) - 1;
        if (left > 0) this.#submitting.set(mspId, left);
        else this.#submitting.delete(mspId);
      },
    };
  }

  async #requireRoom(): Promise<void> {
    const { queues, maxLegs } = this.#options;
    const counts = await queues.counts('legs').catch(() => undefined);
    const queued = (counts?.['waiting'] ?? 0) + (counts?.['delayed'] ?? 0) + (counts?.['prioritized'] ?? 0);
    if (queued >= maxLegs) throw new RelayError('BUSY', 'too many legs are queued');
  }

  async #quietly(work: Promise<unknown>): Promise<void> {
    await work.catch((error: unknown) => {
      this.#options.log.info({ error: nameOf(error) }, 'left to the scanner');
    });
  }
}

function statusOf(requestId: string, legs: LegStatus[]): RequestStatus {
  return { requestId, final: legs.every(({ state }) => FINAL.has(state)), legs };
}

/** Whether a home, or the main chain, has said its word. */
function isDecided({ state }: LegStatus): boolean {
  return FINAL.has(state) && state !== 'failed';
}

/** The chain's word, else a final word this relay has verified and not yet mirrored, else where the leg stands. */
function legOf(region: string, settled: Leg | undefined, note: LegNote | undefined): LegStatus {
  const noted =
    note === undefined
      ? { region, state: 'pending' as const }
      : {
          region,
          state: note.state,
          ...(note.transactionId === undefined ? {} : { transactionId: note.transactionId }),
          ...(note.code === undefined ? {} : { code: note.code }),
        };
  if (settled === undefined) return noted;
  const newer = settled.outcome === 'failed' && isDecided(noted);
  return newer ? noted : { region, state: settled.outcome, transactionId: settled.transactionId };
}
