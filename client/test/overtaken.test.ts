import type { Answer } from '@yilian/relay/api';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isProven, type VerifiedAnswer } from '../src/index.ts';
import { Case, failure, HOME } from './fixture/case.ts';

let scene: Case;
beforeAll(async () => {
  scene = await Case.open();
});
afterAll(() => scene[Symbol.asyncDispose]());

/** An answer without shares; `revocations` in their place. */
async function unshared(revocations?: Answer['revocations']) {
  const request = scene.ask();
  const reply = await scene.federation.decide(request, [HOME], () => []);
  const verify = (proofs = revocations): VerifiedAnswer => {
    const answers = reply.answers.map((answer) => ({ ...answer, ...(proofs && { revocations: proofs }) }));
    return scene.doctor.verify(scene.view, request, { ...reply, answers });
  };
  return verify;
}

async function opened(answer: VerifiedAnswer) {
  const [leg] = answer.legs;
  if (leg === undefined || !isProven(leg)) throw new Error('the leg is not proven', { cause: leg });
  const record = leg.outcome.release?.records[0];
  if (record === undefined) throw new Error('nothing was released');
  return failure(() => Array.fromAsync(scene.doctor.open(leg, record, { body: scene.federation.vault })));
}

test('a release that the patient was faster than is proven to be so, and opens nothing', async () => {
  const verify = await unshared();
  expect(await opened(verify())).toEqual({ code: 'TOO_FEW_SHARES' });
  const { network, chain } = scene.federation.region(HOME);
  const decision = verify().legs.find(isProven)?.answer.proof;
  expect(verify(decision && [decision]).legs).toMatchObject([{ state: 'invalid', error: { code: 'OUTCOME_INVALID' } }]);

  await scene.patient.revoke({ home: HOME, relay: scene.federation.relay(HOME), grantId: scene.grantId });
  const { revokedBy = '' } = await chain.grantEntry(scene.grantId);
  const revocation = await network.prove(revokedBy);
  const answer = verify([revocation]);
  expect(answer).toMatchObject({ complete: true, legs: [{ state: 'released', overtaken: true }] });
  expect(await opened(answer)).toEqual({ code: 'GRANT_REVOKED' });
  const cut = { ...revocation, attestations: revocation.attestations.slice(0, 1) };
  expect(verify([cut]).legs).toMatchObject([{ state: 'invalid', error: { code: 'OUTCOME_INVALID' } }]);
});
