import { createHash } from 'node:crypto';
import { isProven, type RelayClient } from '@yilian/client';
import { utf8Bytes } from '@yilian/protocol';
import { EvaluationError } from '../errors.ts';
import { type Doctor, type Enrolled, PURPOSE } from './people.ts';
import { SCOPE, type World } from './world.ts';

type AnswerReply = Awaited<ReturnType<RelayClient['answer']>>;

/** Milliseconds by phase, in the order they happen. */
export type Phases = Readonly<Record<'ask' | 'answer' | 'verify' | 'open', number>>;

/** Codes that mean that an answer was there, and that it is not what it must be. */
const WRONG = /(?:_INVALID|_MISMATCH|_CORRUPT|_MALFORMED|_CHANGED)$/;
const POLL_MS = 250;

/**
 * A doctor asks for a patient's records, opens one and compares it with what was published.
 * @throws EvaluationError WRONG_ANSWER MISSING_ANSWER; the reason of an aborted signal
 */
export function query(world: World, doctor: Doctor, enrolled: Enrolled, signal: AbortSignal): Promise<Phases> {
  return judged(signal, () => asked(world, doctor, enrolled, signal));
}

/**
 * Says of whatever ends a query whether an answer was wrong or missing.
 * @throws EvaluationError WRONG_ANSWER MISSING_ANSWER; the reason of an aborted signal
 */
export async function judged(signal: AbortSignal, ask: () => Promise<Phases>): Promise<Phases> {
  try {
    return await ask();
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof EvaluationError) throw cause;
    const codes = codesOf(cause);
    const code = codes.some((each) => WRONG.test(each)) ? 'WRONG_ANSWER' : 'MISSING_ANSWER';
    throw new EvaluationError(code, `the query ended with ${codes.join(', because of ') || 'no code'}`, { cause });
  }
}

async function asked(world: World, doctor: Doctor, { patient, home, published }: Enrolled, signal: AbortSignal) {
  const { practitioner, relay, bodies } = doctor;
  const view = await world.view();
  const start = performance.now();
  const request = practitioner.request({
    pseudonym: patient.pseudonym,
    scopes: [SCOPE],
    purpose: PURPOSE,
    evidence: utf8Bytes('referral'),
    minMainHeight: 0,
  });
  const { requestId } = await practitioner.ask(relay, request);
  const accepted = performance.now();
  const { firstRelease = false } = world.topology;
  const reply = await (firstRelease
    ? released(relay, requestId, signal)
    : practitioner.await(relay, requestId, { signal }));
  const answered = performance.now();
  const leg = practitioner
    .verify(view, request, reply)
    .legs.find(({ region, state }) => region === home.chain && state !== 'missing');
  if (leg === undefined || !isProven(leg) || leg.outcome.release === undefined) {
    const code = leg?.state === 'invalid' ? 'WRONG_ANSWER' : 'MISSING_ANSWER';
    throw new EvaluationError(code, `the leg is ${leg?.state}`, { cause: leg });
  }
  const verified = performance.now();
  const [record] = leg.outcome.release.records;
  if (record === undefined) throw new EvaluationError('MISSING_ANSWER', 'nothing was released');
  const hash = createHash('sha256');
  for await (const piece of practitioner.open(leg, record, { body: bodies, signal })) hash.update(piece);
  const opened = performance.now();
  if (hash.digest('hex') !== published.get(record.recordId))
    throw new EvaluationError('WRONG_ANSWER', 'the record is not what was published');
  return { ask: accepted - start, answer: answered - accepted, verify: verified - answered, open: opened - verified };
}

/** The answer as soon as one home has released, whatever the others will say. */
async function released(relay: RelayClient, requestId: string, signal: AbortSignal): Promise<AnswerReply> {
  for await (const { legs } of relay.watch(requestId, { signal, pollMs: POLL_MS })) {
    if (!legs.some(({ state }) => state === 'released')) continue;
    const reply = await relay.answer(requestId, { signal });
    if (reply.answers.some(({ shares }) => shares.length > 0)) return reply;
  }
  throw new EvaluationError('MISSING_ANSWER', `no home has released anything for ${requestId}`);
}

/** Of an error and of what caused it. */
function codesOf(error: unknown): string[] {
  if (!(error instanceof Error)) return [];
  const { code, cause } = error as { readonly code?: unknown; readonly cause?: unknown };
  return [...(typeof code === 'string' ? [code] : []), ...codesOf(cause)];
}
