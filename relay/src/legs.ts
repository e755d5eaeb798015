import type { MainChain } from '@yilian/main-chain';
import { documentId, Hash, parser, parseSigned, RegionId, Request, type SignedBy } from '@yilian/protocol';
import type { Leg, RegionalChain } from '@yilian/regional-chain';
import { type Static, Type } from '@yilian/schema';
import type { Logger } from 'pino';
import QuickLRU from 'quick-lru';
import type { Answers, LegNote } from './answers.ts';
import { type Answer, AskReply } from './api.ts';
import type { Directory } from './directory.ts';
import type { Envelopes } from './envelopes.ts';
import { RelayError, refusal, refusalOf } from './errors.ts';
import { failpoint } from './failpoints.ts';
import type { KeyCertificates } from './key-certificates.ts';
import type { Metrics } from './metrics.ts';
import type { OutcomeMirror } from './outcome-mirror.ts';
import { backoffMs, nameOf, type Queues, type Task, type Verdict } from './queues.ts';
import type { Signals } from './signals.ts';
import { verifyAnswer } from './verification.ts';
import { postJson, under } from './wire.ts';

export interface LegsOptions {
  readonly federation: string;
  readonly region: string;
  readonly chain: RegionalChain;
  readonly main: MainChain;
  readonly directory: Directory;
  readonly keyCertificates: KeyCertificates;
  readonly envelopes: Envelopes;
  readonly answers: Answers;
  readonly outcomes: OutcomeMirror;
  readonly queues: Queues;
  readonly signals: Signals;
  readonly metrics: Metrics;
  readonly fetch: typeof globalThis.fetch;
  readonly log: Logger;
}

type SignedRequest = SignedBy<typeof Request>;

/** `request` is there only until the chain has it. */
const LegJob = Type.Object(
  { requestId: Hash, region: RegionId, request: Type.Optional(Request.signed) },
  { additionalProperties: false },
);
type LegJob = Static<typeof LegJob>;
const parseJob = parser('leg job', LegJob);
const parseReply = parser('answer', AskReply);

/** The lower goes first. */
const URGENT = 1;
const ROUTINE = 2;
const REPLY_TIMEOUT_MS = 14_000;
const MAX_REPLY_BYTES = 16 * 1024 * 1024;
/** How long after a request's end a home may still answer before its region writes `failed` (contract's rule). */
const UNREACHABLE_AFTER_MS = 121_000;
/** A request that is on no chain this long after its leg began never will be. */
const UNCOMMITTED_ATTEMPTS = 12;
const WAITING_PAUSE_MS = 15_000;
const REFUSED_PAUSE_MS = 30_000;

/** Requesting side: puts a question to one home region until there is a final word. */
export class Legs {
  readonly #options: LegsOptions;
  /** Questions this relay had ordered a moment ago, by leg: the first to ask need not look for them on the chain. */
  readonly #ordered = new QuickLRU<string, SignedRequest>({ maxSize: 1000 });

  constructor(options: LegsOptions) {
    this.#options = options;
  }

  /**
   * Queues a leg unless it is queued. With `request`, which the own chain's orderer has just taken, it sets out at once where it can.
   * @throws QUEUE_UNAVAILABLE
   */
  async start(
    requestId: string,
    region: string,
    request?: SignedRequest,
    priority = priorityOf(request),
  ): Promise<void> {
    const leg = legName({ requestId, region });
    if (request !== undefined) this.#ordered.set(leg, request);
    const { queues } = this.#options;
    if (request === undefined) await queues.add('legs', 'leg', leg, { requestId, region }, { priority });
    else await queues.begin('legs', 'leg', leg, { requestId, region, request }, { priority });
  }

  async run({ data, attempt }: Task): Promise<Verdict> {
    const job = jobOf(data);
    failpoint('leg.started');
    const { request, legs, committed } = await this.#request(job);
    if (request === undefined) return attempt < UNCOMMITTED_ATTEMPTS ? { againInMs: backoffMs(attempt) } : 'done';
    if (!committed && attempt >= UNCOMMITTED_ATTEMPTS) return 'done';
    const settled = legs.find(({ region, outcome }) => region === job.region && outcome !== 'failed');
    if (settled !== undefined && (await this.#options.answers.has(job.requestId, job.region))) return 'done';
    const verdict = await this.#ask(job, request, attempt);
    if (verdict === 'done' || settled !== undefined)
      return settled === undefined ? verdict : retrySettled(verdict, attempt);
    return this.#giveUp(job, request, committed, verdict);
  }

  /** The chain's word on the request; before its commit, what the job carries, checked like any stranger's. */
  async #request(job: LegJob): Promise<{ request?: SignedRequest; legs: readonly Leg[]; committed: boolean }> {
    const { chain, main } = this.#options;
    const ordered = this.#ordered.get(legName(job));
    if (this.#ordered.delete(legName(job)) && ordered !== undefined)
      return { request: ordered, legs: [], committed: false };
    try {
      const entry = await chain.request(job.requestId);
      if (!entry.homes.includes(job.region)) throw new RelayError('JOB_INVALID', 'the request does not go there');
      return { request: entry.signed, legs: entry.legs, committed: true };
    } catch (error) {
      if (refusalOf(error) !== 'REQUEST_UNKNOWN') throw error;
    }
    if (job.request === undefined) return { legs: [], committed: false };
    const request = parseSigned(Request, job.request);
    const homes = await main.lookup(request.document.pseudonym);
    if (documentId(Request.type, request.document) !== job.requestId || !homes.includes(job.region))
      throw new RelayError('JOB_INVALID', 'the job does not carry its request');
    return { request, legs: [], committed: false };
  }

  async #ask(job: LegJob, request: SignedRequest, attempt: number): Promise<Verdict> {
    const { keyCertificates, directory, metrics, log } = this.#options;
    const { region } = job;
    const keyCertificate = await keyCertificates.of(request.document.keyCertificate);
    const body = { request, keyCertificate };
    let note: Omit<LegNote, 'at'> = { state: 'unreachable' };
    let again = backoffMs(attempt);
    const home = await directory.region(region);
    if (home.frozen) {
      await this.#note(job, { state: 'refused', code: 'REGION_FROZEN' });
      return { againInMs: REFUSED_PAUSE_MS };
    }
    for (let turn = 0; turn < home.relays.length; turn += 1) {
      const relay = home.relays[(attempt - 1 + turn) % home.relays.length];
      try {
        const reply = await this.#exchange(region, relay?.url ?? '', body);
        failpoint('leg.answered');
        if (reply.state === 'decided')
          return await this.#believe(job, request, keyCertificate.document.key, reply.answer);
        const { code } = reply.state === 'waiting' ? {} : reply;
        note = { state: reply.state, ...(code !== undefined && { code }) };
        again = pauseMs(reply, attempt);
        break;
      } catch (error) {
        log.info({ region, error: nameOf(error) }, 'a relay did not answer well');
        const { code } = refusal(error);
        const remoteCode = error instanceof RelayError ? error.remoteCode : undefined;
        if (code === 'ANSWER_INVALID') metrics.rejected(region);
        // What one relay refuses says more than that another cannot be reached.
        if (note.code === undefined || code !== 'REMOTE_UNREACHABLE')
          note = { state: remoteCode === 'BUSY' ? 'pending' : 'unreachable', code: remoteCode ?? code };
      }
    }
    await this.#note(job, note);
    return { againInMs: again };
  }

  /** A settled leg's answer, made anew at its home without shares of these organisations' proxies, if it can be had. */
  async answer(requestId: string, region: string, without: readonly string[]): Promise<Answer | undefined> {
    const { chain, keyCertificates, directory, answers, log } = this.#options;
    const { signed: request } = await chain.request(requestId);
    const keyCertificate = await keyCertificates.of(request.document.keyCertificate);
    for (const { url } of (await directory.activeRegion(region)).relays) {
      try {
        const reply = await this.#exchange(region, url, { request, keyCertificate, without });
        if (reply.state !== 'decided') continue;
        await this.#verify(requestId, region, request, keyCertificate.document.key, reply.answer);
        await answers.save(requestId, reply.answer);
        return reply.answer;
      } catch (error) {
        log.info({ region, error: nameOf(error) }, 'a relay did not answer well');
      }
    }
    return undefined;
  }

  async #exchange(region: string, url: string, body: unknown): Promise<AskReply> {
    const done = this.#options.metrics.phase('leg');
    const reply = await askHome(this.#options, { region, url, kind: 'ask', body });
    done();
    return reply;
  }

  /** Stores an answer once it is verified, and has it mirrored. */
  async #believe(job: LegJob, request: SignedRequest, receivingKey: string, answer: Answer): Promise<Verdict> {
    const { requestId, region } = job;
    const { outcome, transactionId } = await this.#verify(requestId, region, request, receivingKey, answer);
    failpoint('leg.verified');
    await this.#note(job, { state: outcome.outcome, transactionId }, answer);
    failpoint('leg.stored');
    await this.#options.outcomes.add(requestId, region);
    return 'done';
  }

  /** @throws ANSWER_INVALID REGION_FROZEN */
  async #verify(requestId: string, region: string, request: SignedRequest, receivingKey: string, answer: Answer) {
    const { federation, directory, metrics } = this.#options;
    const { trusts } = await directory.activeRegion(region);
    const done = metrics.phase('verify');
    const expected = { federation, region, requestId, request: request.document, receivingKey, trusts, at: Date.now() };
    const verified = verifyAnswer(answer, expected);
    done();
    return verified;
  }

  /** After the request's end and twice the clock window, the leg failed; a later answer still counts. */
  async #giveUp(job: LegJob, request: SignedRequest, committed: boolean, verdict: Verdict): Promise<Verdict> {
    if (!committed || Date.now() <= request.document.notAfter + UNREACHABLE_AFTER_MS) return verdict;
    await this.#options.chain.fail(job.requestId, job.region);
    await this.#note(job, { state: 'failed' });
    return 'done';
  }

  async #note({ requestId, region }: LegJob, note: Omit<LegNote, 'at'>, answer?: Answer): Promise<void> {
    const { answers, signals, metrics } = this.#options;
    metrics.leg(region, note.state);
    const noted = answers.note(requestId, region, { ...note, at: Date.now() }, answer);
    if (answer !== undefined) signals.here(requestId, { kind: 'changed' });
    await noted;
    await signals.send(requestId, { kind: 'changed' });
  }
}

/** Puts one question in an envelope to a home region's relay. @throws ANSWER_INVALID REMOTE_UNREACHABLE REMOTE_REFUSED */
export async function askHome(
  { envelopes, fetch }: Pick<LegsOptions, 'envelopes' | 'fetch'>,
  question: { readonly region: string; readonly url: string; readonly kind: 'ask' | 'page'; readonly body: unknown },
): Promise<AskReply> {
  const { region, url, kind, body } = question;
  const envelope = await envelopes.seal(region, kind, body);
  const options = { fetch, timeoutMs: REPLY_TIMEOUT_MS, maxBytes: MAX_REPLY_BYTES };
  const reply = await postJson(under(url, '/v1/relay'), envelope, options);
  const { document } = await envelopes.openReply(reply, region, 'answer', documentId('envelope', envelope.document));
  try {
    return parseReply(document.body);
  } catch (cause) {
    throw new RelayError('ANSWER_INVALID', 'malformed', { cause });
  }
}

/** A question's place in the queue. */
export function priorityOf(request: SignedRequest | undefined): number {
  return request?.document.priority === 'urgent' ? URGENT : ROUTINE;
}

function legName({ requestId, region }: Pick<LegJob, 'requestId' | 'region'>): string {
  return `${requestId}:${region}`;
}

function jobOf(data: unknown): LegJob {
  try {
    return parseJob(data);
  } catch (cause) {
    throw new RelayError('JOB_INVALID', 'malformed leg job', { cause });
  }
}

function pauseMs(reply: AskReply, attempt: number): number {
  if (reply.state === 'pending') return backoffMs(0);
  return reply.state === 'waiting'
    ? backoffMs(attempt + 1, WAITING_PAUSE_MS)
    : backoffMs(attempt + 1, REFUSED_PAUSE_MS);
}

/** A settled leg is asked again only for its answer, and not for ever. */
function retrySettled(verdict: Verdict, attempt: number): Verdict {
  return attempt < UNCOMMITTED_ATTEMPTS ? verdict : 'done';
}
