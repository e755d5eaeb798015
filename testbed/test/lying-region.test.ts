import { submit } from '@yilian/ledger';
import { type Context, Contract } from '@yilian/ledger/contract';
import { canonicalJson, documentId, type Outcome, type OutcomeProof, Request } from '@yilian/protocol';
import { CHAINCODE } from '@yilian/regional-chain';
import { contracts } from '@yilian/regional-chain/contracts';
import { Testbed } from '@yilian/testbed';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ELSEWHERE, HOME, random, refusal, Stage } from './stage.ts';

/** They say whatever they are told to say, with all of their region's endorsements and attestations. */
class LyingRequests extends Contract {
  constructor() {
    super('Requests');
  }
  async decide(_: Context, words: string): Promise<string> {
    return words;
  }
}
class LyingPatients extends Contract {
  constructor() {
    super('Patients');
  }
  async announce(_: Context, words: string): Promise<string> {
    return words;
  }
}

let stage: Stage;
beforeAll(async () => {
  const [federation] = contracts;
  if (federation === undefined) throw new Error('no contracts');
  const lies = [federation, LyingRequests, LyingPatients];
  stage = new Stage(await Testbed.open([HOME, ELSEWHERE], (entry) => entry, { [ELSEWHERE]: lies }));
});
afterAll(() => stage[Symbol.asyncDispose]());

/** The proof that the lying region's chain said these words. */
async function saying(name: string, words: unknown): Promise<OutcomeProof> {
  const { testbed } = stage;
  const connection = testbed.connection(ELSEWHERE, testbed.member('CommissionB', 'relay'));
  const text = typeof words === 'string' ? words : canonicalJson(words);
  return testbed.prove(ELSEWHERE, await submit(connection.contract(ELSEWHERE, CHAINCODE), name, [text]));
}

describe('a region that lies as a whole', () => {
  test('cannot answer for another region, request, patient, key or purpose, nor twice', async () => {
    const doctor = await stage.doctor(HOME);
    const request = stage.request(doctor, { pseudonym: random(32) });
    const requestId = documentId(Request.type, request.document);
    await stage.relay().ask(request, [ELSEWHERE]);
    const truth: Outcome = {
      federation: stage.federation,
      region: ELSEWHERE,
      requestId,
      requestingRegion: HOME,
      pseudonym: request.document.pseudonym,
      purpose: 'TREAT',
      keyCertificate: doctor.id,
      outcome: 'denied',
      decidedAt: Date.now(),
      patientKnown: true,
      scopes: [{ scope: 'laboratory', permitted: false, reason: 'NO_GRANT' }],
    };
    const mirror = async (change: Partial<Outcome>) =>
      stage.relay().mirrorOutcomes([await saying('Requests:decide', { ...truth, ...change })]);
    expect(await refusal(mirror({ region: HOME }))).toBe('PROOF_MISMATCH');
    expect(await refusal(mirror({ federation: 'other' }))).toBe('PROOF_MISMATCH');
    expect(await refusal(mirror({ requestingRegion: ELSEWHERE }))).toBe('PROOF_MISMATCH');
    expect(await refusal(mirror({ pseudonym: random(32) }))).toBe('PROOF_MISMATCH');
    expect(await refusal(mirror({ keyCertificate: random(32) }))).toBe('PROOF_MISMATCH');
    expect(await refusal(mirror({ purpose: 'HRESCH' }))).toBe('PROOF_MISMATCH');
    expect(await refusal(mirror({ requestId: random(32) }))).toBe('REQUEST_UNKNOWN');
    const garbage = await saying('Requests:decide', 'no JSON');
    expect(await refusal(stage.relay().mirrorOutcomes([garbage]))).toBe('PROOF_MISMATCH');
    await mirror({});
    await mirror({ outcome: 'absent', scopes: [] });
    const { legs } = await stage.relay().request(requestId);
    expect(legs).toMatchObject([{ region: ELSEWHERE, outcome: 'denied' }]);
    expect(legs[0]?.conflict).toMatch(/^[0-9a-f]{64}$/);
  });

  test('cannot put another region, federation or anything but a pseudonym into the index', async () => {
    const announced = { federation: stage.federation, region: ELSEWHERE, pseudonym: random(32) };
    const add = async (words: unknown) => stage.testbed.main().addToIndex(await saying('Patients:announce', words));
    expect(await refusal(add({ ...announced, region: HOME }))).toBe('PROOF_MISMATCH');
    expect(await refusal(add({ ...announced, federation: 'other' }))).toBe('PROOF_MISMATCH');
    expect(await refusal(add({ ...announced, pseudonym: 'somebody' }))).toBe('DOCUMENT_MALFORMED');
    expect(await refusal(add({ ...announced, name: 'x' }))).toBe('DOCUMENT_MALFORMED');
    expect(await refusal(add('no JSON'))).toBe('PROOF_MISMATCH');
    await add(announced);
    expect(await stage.testbed.main().lookup(announced.pseudonym)).toEqual([ELSEWHERE]);
  });
});
