import { Envelope, type OutcomeProof, type SignedBy, signDocument } from '@yilian/protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Answer } from '../src/api.ts';
import { Federation, type Region } from './fixture/federation.ts';
import { Patient, Practitioner, signerOf } from './fixture/people.ts';
import { answerOf, indexed, mirrored, reached, submit } from './fixture/steps.ts';

let federation: Federation;
let north: Region;
let south: Region;

beforeAll(async () => {
  federation = await Federation.open();
  ({ north, south } = federation);
  await federation.settle();
});

afterAll(async () => {
  await federation?.[Symbol.asyncDispose]();
});

/** A question whose patient revokes after the decision and before any proxy acts on it. */
async function overtaken(asking: Region) {
  const doctor = await Practitioner.register(asking);
  const patient = await Patient.enrol(north);
  await patient.publish();
  const grantId = await patient.grant(doctor);
  await indexed(federation, patient);
  const revoke = (): Promise<unknown> => north.chain.revoke(patient.revocation(grantId));
  let revoked: Promise<unknown> | undefined;
  for (const witness of north.witnesses) {
    federation.replace(witness.url, async (path, body) => {
      if (path !== '/v1/releases') return witness.handle(path, body);
      revoked ??= revoke();
      await revoked;
      return { status: 403, json: { code: 'REVOKED', message: 'the grant is revoked' } };
    });
  }
  const { requestId } = await submit(asking, doctor.ask(patient.pseudonym));
  return { requestId, grantId };
}

it('ends a release that a revocation overtook at once, with the proof of both', async () => {
  const { requestId, grantId } = await overtaken(south);
  expect((await reached(south, requestId, 'released')).final).toBe(true);
  const { answers } = await answerOf(south, requestId);
  expect(answers).toMatchObject([{ region: 'north', shares: [], revocations: [{ network: 'north' }] }]);
  const { revokedBy } = await north.chain.grantEntry(grantId);
  expect(answers[0]?.revocations?.[0]?.attestations[0]?.statement.transaction).toBe(revokedBy);
  await mirrored(south, requestId, 'released');
});

it('does so inside one region too', async () => {
  const { requestId } = await overtaken(north);
  await reached(north, requestId, 'released');
  expect((await answerOf(north, requestId)).answers).toMatchObject([{ shares: [], revocations: [{}] }]);
});

it('is not taken in by the revocation of another grant, nor by something else in its place', async () => {
  const before = await overtaken(south);
  await reached(south, before.requestId, 'released');
  const other = (await answerOf(south, before.requestId)).answers[0] as Answer;
  const lies: (readonly OutcomeProof[])[] = [other.revocations ?? [], [other.proof]];
  let told = 0;
  north.intercept = (next) => async (path, body) => {
    const { status, json } = await next(path, body);
    const { document } = json as SignedBy<typeof Envelope>;
    const reply = document.body as { state: string; answer: Answer };
    if (told >= lies.length || reply.state !== 'decided') return { status, json };
    const answer = { ...reply.answer, revocations: lies[told++] };
    const altered = { ...document, body: { state: 'decided', answer } };
    return { status, json: signDocument(Envelope, altered, [signerOf(north.relayCredential)]) };
  };
  const { requestId } = await overtaken(south);
  await reached(south, requestId, 'released');
  const { answers } = await answerOf(south, requestId);
  expect(told).toBe(2);
  expect(answers[0]?.revocations).not.toEqual(other.revocations);
});
