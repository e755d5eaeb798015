import type { MainChain } from '@yilian/main-chain';
import { Hash, type OutcomeProof, parser, type Request, type SignedBy } from '@yilian/protocol';
import type { RegionalChain, RequestEntry } from '@yilian/regional-chain';
import { Type } from '@yilian/schema';
import type { Answers } from './answers.ts';
import type { Witnesses } from './attestations.ts';
import { RelayError, refusalOf } from './errors.ts';
import { failpoint } from './failpoints.ts';
import { type Legs, priorityOf } from './legs.ts';
import { backoffMs, type Queues, type Task, type Verdict } from './queues.ts';
import type { Signals } from './signals.ts';

export interface AbsencesOptions {
  readonly region: string;
  readonly chain: RegionalChain;
  readonly main: MainChain;
  readonly attesters: Witnesses;
  readonly answers: Answers;
  readonly legs: Legs;
  readonly queues: Queues;
  readonly signals: Signals;
}

const parseJob = parser('absence job', Type.Object({ requestId: Hash }, { additionalProperties: false }));
const UNCOMMITTED_ATTEMPTS = 12;
/** The contract lets a leg fail this long after the request's end. */
const UNREACHABLE_AFTER_MS = 121_000;

/** Requesting side: a patient no region holds. The main chain states it, the own chain keeps the proof. */
export class Absences {
  readonly #options: AbsencesOptions;

  constructor(options: AbsencesOptions) {
    this.#options = options;
  }

  /** @throws QUEUE_UNAVAILABLE */
  async start(requestId: string, request?: SignedBy<typeof Request>): Promise<void> {
    const priority = priorityOf(request);
    await this.#options.queues.add('legs', 'absence', `${requestId}:main`, { requestId }, { priority });
  }

  async run({ data, attempt }: Task): Promise<Verdict> {
    const { requestId } = jobOf(data);
    const entry = await this.#committed(requestId);
    if (entry === undefined) return attempt < UNCOMMITTED_ATTEMPTS ? { againInMs: backoffMs(attempt) } : 'done';
    if (entry.homes.length > 0) return 'done';
    const known = entry.legs.find(({ region }) => region === 'main');
    if (known?.outcome === 'failed') return 'done';
    if (known === undefined && Date.now() > entry.signed.document.notAfter + UNREACHABLE_AFTER_MS)
      await this.#options.chain.fail(requestId, 'main');
    else if (known === undefined) await this.#declare(entry);
    else await this.#options.answers.saveAbsence(requestId, await this.#options.attesters.prove(known.transactionId));
    await this.#options.signals.send(requestId, { kind: 'changed' });
    return 'done';
  }

  async #declare({ requestId, signed }: RequestEntry): Promise<void> {
    const { main, chain, attesters, answers } = this.#options;
    const { pseudonym } = signed.document;
    let transactionId: string;
    try {
      ({ transactionId } = await main.declareAbsent(pseudonym, requestId));
    } catch (error) {
      if (refusalOf(error) !== 'INDEXED') throw error;
      return this.#redirect(requestId, await main.lookup(pseudonym));
    }
    failpoint('absence.declared');
    const proof: OutcomeProof = await attesters.prove(transactionId);
    await chain.recordAbsence(requestId, proof);
    failpoint('absence.recorded');
    await answers.saveAbsence(requestId, proof);
  }

  /** The index gained entries after the question was recorded: it goes there. */
  async #redirect(requestId: string, homes: readonly string[]): Promise<void> {
    const { chain, legs, region } = this.#options;
    const { signed } = await chain.request(requestId);
    if (homes.includes(region)) {
      await chain.decide(signed, undefined, undefined, homes).catch((error: unknown) => {
        if (refusalOf(error) !== 'DECIDED') throw error;
      });
    } else {
      await chain.ask(signed, homes);
    }
    await Promise.all(homes.filter((home) => home !== region).map((home) => legs.start(requestId, home)));
  }

  async #committed(requestId: string) {
    try {
      return await this.#options.chain.request(requestId);
    } catch (error) {
      if (refusalOf(error) === 'REQUEST_UNKNOWN') return undefined;
      throw error;
    }
  }
}

function jobOf(data: unknown): { requestId: string } {
  try {
    return parseJob(data);
  } catch (cause) {
    throw new RelayError('JOB_INVALID', 'malformed absence job', { cause });
  }
}
