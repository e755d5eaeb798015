import { documentId, Request } from '@yilian/protocol';
import type { AnswerReply, LegState } from '@yilian/relay/api';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { isProven, RelayClient } from '../src/index.ts';
import { ASKING, Case, failure, HOME } from './fixture/case.ts';
import { PSEUDONYM } from './fixture/federation.ts';

let scene: Case;
beforeAll(async () => {
  scene = await Case.open();
});
afterAll(() => scene[Symbol.asyncDispose]());

const legs = (...states: [string, LegState][]) => states.map(([region, state]) => ({ region, state }));

async function released() {
  const request = scene.ask();
  return { request, reply: await scene.federation.decide(request, [HOME]) };
}

/** The main chain's word that no region holds the patient. */
async function absent(requestId: string, pseudonym = PSEUDONYM) {
  const { main, mainRelay } = scene.federation;
  return main.prove((await mainRelay.declareAbsent(pseudonym, requestId)).transactionId);
}

describe('a question', () => {
  const asked = async (answer: () => Response): Promise<{ times: number; code: unknown }> => {
    let times = 0;
    const fetch: typeof globalThis.fetch = async () => {
      times += 1;
      return answer();
    };
    const request = scene.ask();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const asking = failure(() => scene.doctor.ask(new RelayClient('http://relay.test', { fetch }), request));
    await vi.advanceTimersByTimeAsync(8_000);
    return { times, ...(await asking) };
  };

  test('is handed in again while nobody answers, as from a relay that is started anew, for eight seconds', async () => {
    const away = (): never => {
      throw new TypeError('fetch failed');
    };
    expect(await asked(away)).toEqual({ times: 6, code: 'UNREACHABLE' });
  });

  test('is handed in less often where the relay says that it cannot take it, and once where it must not', async () => {
    const refused = (code: string, status: number) => () => Response.json({ code, message: 'no' }, { status });
    expect(await asked(refused('LEDGER_UNAVAILABLE', 503))).toEqual({ times: 4, code: 'LEDGER_UNAVAILABLE' });
    expect(await asked(refused('REGION_MISMATCH', 422))).toEqual({ times: 1, code: 'REGION_MISMATCH' });
  });
});

describe('waiting for an answer', () => {
  const reply = (final: boolean): AnswerReply => ({
    status: { requestId: 'A'.repeat(43), final, legs: legs([HOME, final ? 'failed' : 'pending']) },
    answers: [],
  });
  const said = (...answers: (() => Response)[]) => {
    const asked: (string | null)[] = [];
    const fetch: typeof globalThis.fetch = async (_input, init) => {
      asked.push(new Headers(init?.headers).get('prefer'));
      return (answers[asked.length - 1] ?? answers.at(-1))!();
    };
    return { asked, relay: new RelayClient('http://relay.test', { fetch }) };
  };
  const silent = () => {
    throw new TypeError('fetch failed');
  };

  test('leaves the waiting to the relay, and asks again where the time was too short or nobody answered', async () => {
    const { asked, relay } = said(
      () => Response.json(reply(false)),
      silent,
      () => Response.json({ code: 'BUSY', message: 'later' }, { status: 429 }),
      () => Response.json(reply(true)),
    );
    expect(await scene.doctor.await(relay, reply(true).status.requestId, { pollMs: 1 })).toEqual(reply(true));
    expect(asked).toEqual(Array(4).fill('wait=20'));
  });

  test('asks again while a word has no proof yet, but not for ever', async () => {
    const bare = { ...reply(true), status: { ...reply(true).status, legs: legs([HOME, 'denied']) } };
    const { asked, relay } = said(() => Response.json(bare));
    expect(await scene.doctor.await(relay, bare.status.requestId, { pollMs: 1 })).toEqual(bare);
    expect(asked.length).toBe(21);
  });

  test('ends with what the relay refuses, with silence after a while, and when the caller gives up', async () => {
    const { requestId } = reply(true).status;
    const unknown = said(() => Response.json({ code: 'REQUEST_UNKNOWN', message: 'no' }, { status: 404 }));
    expect(await failure(() => scene.doctor.await(unknown.relay, requestId))).toEqual({ code: 'REQUEST_UNKNOWN' });
    const away = said(silent);
    const impatient = () => scene.doctor.await(away.relay, requestId, { patienceMs: 1, pollMs: 2 });
    expect(await failure(impatient)).toEqual({ code: 'UNREACHABLE' });
    const signal = AbortSignal.abort(new Error('closed'));
    await expect(scene.doctor.await(away.relay, requestId, { signal })).rejects.toThrow('closed');
  });
});

describe('an answer', () => {
  test('shows every leg with its proof', async () => {
    const { request, reply } = await released();
    const answer = scene.doctor.verify(scene.view, request, reply, { homes: [HOME] });
    expect(answer).toMatchObject({ complete: true, conflicts: [], legs: [{ region: HOME, state: 'released' }] });
  });

  test('shows a denial and why', async () => {
    const request = scene.ask({ purpose: 'HRESCH' });
    const answer = scene.doctor.verify(scene.view, request, await scene.federation.decide(request, [HOME]));
    const [leg] = answer.legs;
    expect(leg && isProven(leg) && leg.outcome.scopes).toEqual([
      { scope: 'laboratory', permitted: false, reason: 'PURPOSE' },
    ]);
    expect(answer.complete).toBe(true);
  });

  test('names legs that are still open, and is not complete', async () => {
    const { request, reply } = await released();
    const status = { ...reply.status, legs: [...reply.status.legs, ...legs([ASKING, 'unreachable'])] };
    const answer = scene.doctor.verify(scene.view, request, { ...reply, status });
    expect(answer.complete).toBe(false);
    expect(answer.legs.map(({ region, state }) => [region, state])).toEqual([
      [HOME, 'released'],
      [ASKING, 'unreachable'],
    ]);
  });

  test('has no silent gap: a region the request went to and nobody speaks of is missing', async () => {
    const { request, reply } = await released();
    const answer = scene.doctor.verify(scene.view, request, reply, { homes: [HOME, ASKING] });
    expect(answer.legs[1]).toEqual({ region: ASKING, state: 'missing' });
    expect(answer.complete).toBe(false);
  });

  test('believes no outcome without a proof', async () => {
    const { request, reply } = await released();
    const answer = scene.doctor.verify(scene.view, request, { ...reply, answers: [] });
    expect(answer.legs[0]).toMatchObject({ region: HOME, state: 'invalid', error: { code: 'OUTCOME_INVALID' } });
    expect(answer.complete).toBe(false);
  });

  test.each<[string, (reply: AnswerReply) => AnswerReply['answers'][number]['proof']]>([
    [
      'an attestation too few',
      ({ answers: [first] }) => ({ ...first!.proof, attestations: [first!.proof.attestations[0]!] }),
    ],
    ['another network’s name', ({ answers: [first] }) => ({ ...first!.proof, network: ASKING })],
    ['a proof of something else', () => scene.keyCertificate.proof],
  ])('is shown as invalid with %s, and the other legs stay usable', async (_, change) => {
    const { request, reply } = await released();
    const answers = reply.answers.map((given) => ({ ...given, proof: change(reply) }));
    const answer = scene.doctor.verify(scene.view, request, { ...reply, answers });
    expect(answer.legs[0]).toMatchObject({ state: 'invalid', error: { code: 'OUTCOME_INVALID' } });
  });

  test('to another request, or for another key, names the home that signed it', async () => {
    const [first, second] = [await released(), await released()];
    const status = { ...second.reply.status };
    const swapped = { ...second.reply, status, answers: first.reply.answers };
    expect(scene.doctor.verify(scene.view, second.request, swapped).legs[0]).toMatchObject({
      state: 'invalid',
      error: { code: 'OUTCOME_MISMATCH', party: HOME },
    });
    const other = scene.federation.practitioner(ASKING, 'Dr. Wang');
    expect(other.verify(scene.view, first.request, first.reply).legs[0]).toMatchObject({
      error: { code: 'OUTCOME_MISMATCH', party: HOME },
    });
    expect(await failure(() => scene.doctor.verify(scene.view, second.request, first.reply))).toEqual({
      code: 'ANSWER_INCOMPLETE',
    });
  });

  test('that names a region twice is refused, and one that answers twice does not count twice', async () => {
    const { request, reply } = await released();
    const status = { ...reply.status, legs: [...reply.status.legs, ...reply.status.legs] };
    expect(await failure(() => scene.doctor.verify(scene.view, request, { ...reply, status }))).toEqual({
      code: 'ANSWER_INCOMPLETE',
    });
    const answers = [...reply.answers, ...reply.answers];
    const answer = scene.doctor.verify(scene.view, request, { ...reply, answers });
    expect(answer.legs.map(({ state }) => state)).toEqual(['released', 'invalid']);
    expect(answer.complete).toBe(false);
  });
});

describe('an absence', () => {
  test('is complete with the main chain’s proof, and not without', async () => {
    const request = scene.ask();
    const requestId = documentId(Request.type, request.document);
    const status = { requestId, final: true, legs: [] };
    const absence = await absent(requestId);
    const answer = scene.doctor.verify(scene.view, request, { status, answers: [], absence });
    expect(answer).toMatchObject({ complete: true, legs: [], absence: { block: expect.any(Number) as number } });
    expect(scene.doctor.verify(scene.view, request, { status, answers: [] }).complete).toBe(false);
    const main = { ...status, legs: legs(['main', 'absent']) };
    expect(scene.doctor.verify(scene.view, request, { status: main, answers: [], absence }).complete).toBe(true);
  });

  test('older than the request allows, or about another request, is refused', async () => {
    const request = scene.ask({ minMainHeight: 1_000_000 });
    const requestId = documentId(Request.type, request.document);
    const status = { requestId, final: true, legs: [] };
    const judge = async (id: string, pseudonym?: string) => {
      const absence = await absent(id, pseudonym);
      return failure(() => scene.doctor.verify(scene.view, request, { status, answers: [], absence }));
    };
    expect(await judge(requestId)).toEqual({ code: 'ABSENCE_INVALID' });
    expect(await judge(PSEUDONYM)).toEqual({ code: 'ABSENCE_INVALID' });
    expect(await judge(requestId, `B${PSEUDONYM.slice(1)}`)).toEqual({ code: 'ABSENCE_INVALID' });
  });

  test('against what a home region knows is a conflict shown with both proofs', async () => {
    const { request, reply } = await released();
    const absence = await absent(reply.status.requestId);
    const { conflicts } = scene.doctor.verify(scene.view, request, { ...reply, absence });
    expect(conflicts).toEqual([
      { region: HOME, kind: 'index-against-home', proofs: [reply.answers[0]!.proof, absence] },
    ]);
  });

  test('from a home the index sent the request to is a conflict', async () => {
    const request = scene.ask({ pseudonym: `B${PSEUDONYM.slice(1)}` });
    const reply = await scene.federation.decide(request, [HOME]);
    const { legs: verified, conflicts } = scene.doctor.verify(scene.view, request, reply);
    expect(verified[0]).toMatchObject({ state: 'absent' });
    expect(conflicts).toEqual([{ region: HOME, kind: 'absent-against-index', proofs: [reply.answers[0]!.proof] }]);
  });
});
