import { VerifyError } from '@yilian/ledger/verify';
import {
  documentId,
  identify,
  KeyCertificate,
  type Outcome,
  ProtocolError,
  parser,
  parseSigned,
  type RegionEntry,
  Request,
  requireCertificateSignatures,
  type SignedBy,
} from '@yilian/protocol';
import type { PageEntry, RegionalChain } from '@yilian/regional-chain';
import { Type } from '@yilian/schema';
import type { AskReply } from './api.ts';
import type { Assembly } from './assembly.ts';
import { RelayError, refusal, refusalOf } from './errors.ts';
import { failpoint } from './failpoints.ts';
import type { MainHeights, SignedMainHeight } from './main-height.ts';
import type { Metrics } from './metrics.ts';
import type { Queues, Task, Verdict } from './queues.ts';
import type { Quota } from './quota.ts';
import type { RegionMirrors } from './region-mirrors.ts';
import type { Signal, Signals } from './signals.ts';

type SignedRequest = SignedBy<typeof Request>;
type SignedKeyCertificate = SignedBy<typeof KeyCertificate>;

export interface DecisionsOptions {
  readonly region: string;
  readonly chain: RegionalChain;
  readonly assembly: Assembly;
  readonly heights: MainHeights;
  readonly mirrors: RegionMirrors;
  readonly quota: Quota;
  readonly queues: Queues;
  readonly signals: Signals;
  readonly metrics: Metrics;
  readonly longPollMs: number;
}

const DecideJob = Type.Object(
  {
    request: Request.signed,
    keyCertificate: Type.Optional(KeyCertificate.signed),
    /** Decide again although the request waits for consent. */
    again: Type.Optional(Type.Literal(true)),
  },
  { additionalProperties: false },
);
interface DecideJob {
  readonly request: SignedRequest;
  readonly keyCertificate?: SignedKeyCertificate;
  readonly again?: true;
}
const parseJob = parser('decide job', DecideJob);

/** A mirror older than this is no base for a decision without a signed height of the main chain. */
const MIRROR_FRESH_MS = 30_000;
/** So many urgent questions of one organisation go before every routine one; urgent ones are ranked apart. */
const URGENT_LEAD = 16;

/** Home side: one decision about each request, made by the chain; the queue only orders who comes first. */
export class Decisions {
  readonly #options: DecisionsOptions;

  constructor(options: DecisionsOptions) {
    this.#options = options;
  }

  /**
   * Answers a question another region's relay asked. Waits up to the long-poll time, then says `pending`: the asker
   * comes again, and a decision made meanwhile is found on the chain.
   * @throws SIGNATURE_INVALID SIGNER_UNTRUSTED REGION_MISMATCH KEY_CERTIFICATE_MISMATCH BUSY QUEUE_UNAVAILABLE
   */
  async answer(
    request: SignedRequest,
    keyCertificate: SignedKeyCertificate,
    asker: RegionEntry,
    without: readonly string[] = [],
  ): Promise<AskReply> {
    const requestId = this.#judge(request, keyCertificate, asker);
    const known = await this.#known(request, requestId, without);
    if (known !== undefined) return known;
    const { quota, queues, signals, longPollMs } = this.#options;
    const { region, mspId } = keyCertificate.document;
    const urgent = request.document.priority === 'urgent';
    const rank = await quota.enter(`${region}/${mspId}${urgent ? '/urgent' : ''}`, requestId);
    using waiting = signals.next(requestId, longPollMs);
    const priority = 1 + rank + (urgent ? 0 : URGENT_LEAD);
    await queues.begin('decide', 'decide', requestId, { request, keyCertificate }, { priority });
    failpoint('decide.queued');
    return await this.#reply(requestId, await waiting.signal, without);
  }

  /** Has a waiting request decided again, because consent changed or its time is over. @throws QUEUE_UNAVAILABLE */
  async again(request: SignedRequest, keyCertificate: SignedKeyCertificate): Promise<void> {
    const requestId = documentId(Request.type, request.document);
    const job = { request, keyCertificate, again: true };
    await this.#options.queues.add('decide', 'decide', requestId, job, { priority: URGENT_LEAD });
  }

  async run({ data }: Task): Promise<Verdict> {
    const { request, keyCertificate, again } = jobOf(data);
    const { signals, quota, metrics } = this.#options;
    const requestId = documentId(Request.type, request.document);
    failpoint('decide.started');
    const done = metrics.phase('decide');
    const signal = await this.#decide(request, keyCertificate, requestId, again === true);
    done();
    failpoint('decide.committed');
    await signals.send(requestId, signal);
    await quota.leave(requestId);
    return 'done';
  }

  /** Cheap checks before anything is queued: who asks, and that the documents belong together. */
  #judge(request: SignedRequest, keyCertificate: SignedKeyCertificate, asker: RegionEntry): string {
    const { document } = keyCertificate;
    if (request.document.region !== asker.region || document.region !== asker.region)
      throw new RelayError('REGION_MISMATCH', 'a relay forwards its own region’s requests');
    if (documentId(KeyCertificate.type, document) !== request.document.keyCertificate)
      throw new RelayError('KEY_CERTIFICATE_MISMATCH', 'the request names another key certificate');
    try {
      const identifyRequester = (certificate: string) =>
        identify(asker.trusts, document.mspId, certificate, Date.now());
      const [identity] = requireCertificateSignatures(request, identifyRequester);
      requireCertificateSignatures(keyCertificate, identifyRequester);
      if (identity.fingerprint !== document.certificate)
        throw new RelayError('KEY_CERTIFICATE_MISMATCH', 'signed by another certificate than it names');
    } catch (error) {
      if (!isOver(error)) throw error;
    }
    return documentId(Request.type, request.document);
  }

  /** A question that waits for consent is not decided again each time it is asked. */
  async #known(request: SignedRequest, requestId: string, without: readonly string[]): Promise<AskReply | undefined> {
    const { chain } = this.#options;
    if (!request.document.waitForConsent || Date.now() > request.document.notAfter) return undefined;
    if (await this.#decided(requestId)) return this.#reply(requestId, { kind: 'decided' }, without);
    const waiting = await chain.waiting(request.document.pseudonym);
    return waiting.some((entry) => entry.requestId === requestId) ? { state: 'waiting' } : undefined;
  }

  async #reply(requestId: string, signal: Signal | undefined, without: readonly string[]): Promise<AskReply> {
    switch (signal?.kind) {
      case 'refused':
        return { state: 'refused', code: signal.code, message: signal.message };
      case 'waiting':
        return { state: 'waiting' };
      case 'decided': {
        const answer = await this.#options.assembly.answer(requestId, 0, without);
        failpoint('decide.assembled');
        return { state: 'decided', answer };
      }
      default:
        return { state: 'pending' };
    }
  }

  async #decide(
    request: SignedRequest,
    keyCertificate: SignedKeyCertificate | undefined,
    requestId: string,
    again: boolean,
  ): Promise<Signal> {
    const { assembly, chain, mirrors, heights } = this.#options;
    for (let attempt = 0; ; attempt += 1) {
      try {
        const height = await heightFor(request.document, this.#options, attempt > 0);
        const deciding = chain.decide(request, keyCertificate, height, [], {
          onOrdered: (ordered) => {
            const entry = entryOf(ordered);
            if (entry !== undefined) assembly.begin(requestId, entry, deciding);
          },
        });
        const entry = entryOf(await deciding);
        if (entry === undefined) return { kind: 'waiting' };
        assembly.note(requestId, entry);
        return { kind: 'decided' };
      } catch (error) {
        const code = refusalOf(error);
        if (code === 'DECIDED') return { kind: 'decided' };
        if (attempt === 0 && (code === 'ROOTS_STALE' || code === 'REGION_UNKNOWN')) {
          await Promise.allSettled([mirrors.run(), heights.renew()]);
          continue;
        }
        if (code === undefined) return { kind: 'pending' };
        if (again) throw error;
        const { message } = refusal(error);
        return { kind: 'refused', code, message };
      }
    }
  }

  async #decided(requestId: string): Promise<boolean> {
    try {
      await this.#options.chain.outcome(requestId);
      return true;
    } catch (error) {
      if (refusalOf(error) === 'OUTCOME_UNKNOWN') return false;
      throw error;
    }
  }
}

/** The decision that a `decide` returned; undefined when the request waits for consent. */
export function entryOf({
  result,
  transactionId,
}: {
  readonly result: Uint8Array;
  readonly transactionId: string;
}): PageEntry | undefined {
  const value = JSON.parse(Buffer.from(result).toString()) as Outcome | { readonly waiting: true };
  return 'waiting' in value ? undefined : { outcome: value, transactionId };
}

/** The signed height a decision rests on: one at hand, else a new one where the mirror is not young by itself. */
export async function heightFor(
  request: Request,
  { chain, region, heights }: Pick<DecisionsOptions, 'chain' | 'region' | 'heights'>,
  renewed: boolean,
): Promise<SignedMainHeight | undefined> {
  if (request.region === region) return undefined;
  const atHand = renewed ? undefined : heights.atHand(request.minMainHeight);
  if (atHand !== undefined) return atHand;
  const mirror = await chain.mirrorOf(request.region);
  const young = Date.now() - mirror.mainTime <= MIRROR_FRESH_MS && mirror.mainHeight >= request.minMainHeight;
  return young && !renewed ? undefined : heights.current(request.minMainHeight);
}

/** A certificate that was good once is for the chain to judge: its answer is a denial, with proof. */
function isOver(error: unknown): boolean {
  const cause = error instanceof ProtocolError ? error.cause : undefined;
  return cause instanceof VerifyError && (cause.code === 'CERTIFICATE_EXPIRED' || cause.code === 'CERTIFICATE_REVOKED');
}

function jobOf(data: unknown): DecideJob {
  try {
    const { request, keyCertificate, again } = parseJob(data) as Record<string, unknown>;
    return {
      request: parseSigned(Request, request),
      ...(keyCertificate === undefined ? {} : { keyCertificate: parseSigned(KeyCertificate, keyCertificate) }),
      ...(again === true ? { again } : {}),
    };
  } catch (cause) {
    throw new RelayError('JOB_INVALID', 'malformed decide job', { cause });
  }
}
