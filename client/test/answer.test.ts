import { documentId, Request } from '@yilian/protocol';
import type { AnswerReply, LegState } from '@yilian/relay/api';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isProven } from '../src/index.ts';
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
