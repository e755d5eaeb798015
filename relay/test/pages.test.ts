import { Envelope, type SignedBy, signDocument } from '@yilian/protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Answer } from '../src/api.ts';
import { Federation, type Region } from './fixture/federation.ts';
import { Patient, Practitioner, signerOf } from './fixture/people.ts';
import { answerOf, indexed, reached, submit } from './fixture/steps.ts';

const RECORDS = 201;
let federation: Federation;
let north: Region;
let south: Region;
let patient: Patient;
let recordIds: readonly string[];

beforeAll(async () => {
  federation = await Federation.open();
  ({ north, south } = federation);
  await federation.settle();
  patient = await Patient.enrol(north);
  recordIds = await Promise.all(Array.from({ length: RECORDS }, () => patient.publish()));
  await indexed(federation, patient);
}, 60_000);

afterAll(async () => {
  await federation?.[Symbol.asyncDispose]();
});

const pageOf = (region: Region, requestId: string, page: number | string, home = 'north') =>
  region.call<Answer & { code?: string }>('GET', `/v1/requests/${requestId}/pages/${page}?region=${home}`);

async function released(asking: Region) {
  const doctor = await Practitioner.register(asking);
  const grantId = await patient.grant(doctor);
  const { requestId } = await submit(asking, doctor.ask(patient.pseudonym));
  await reached(asking, requestId, 'released');
  const { answers } = await answerOf(asking, requestId);
  return { grantId, requestId, first: answers[0] as Answer };
}

it('brings every record of a release that does not fit one transaction, page by page and each once', async () => {
  const { requestId, first } = await released(south);
  const { status, body } = await pageOf(south, requestId, 1);
  expect(status).toBe(200);
  const { outcome, transactionId } = await north.chain.pageOf(requestId, 1);
  expect(outcome.page).toMatchObject({ number: 1, previous: (await north.chain.outcome(requestId)).transactionId });
  expect(body.shares.length).toBeGreaterThanOrEqual(2);
  const opened = [...first.headers, ...body.headers].map(({ recordId }) => recordId);
  expect(opened.toSorted()).toEqual(recordIds.toSorted());

  const asked = north.witnesses.map(({ calls }) => calls.length);
  expect((await pageOf(south, requestId, 1)).body).toEqual(body);
  expect(north.witnesses.map(({ calls }) => calls.length)).toEqual(asked);
  expect((await north.chain.pageOf(requestId, 1)).transactionId).toBe(transactionId);

  expect(await pageOf(south, requestId, 2)).toMatchObject({ status: 422, body: { code: 'PAGE_REFUSED' } });
  expect(await pageOf(south, requestId, 1, 'south')).toMatchObject({ status: 404, body: { code: 'REGION_UNKNOWN' } });
  expect(await pageOf(south, requestId, 0)).toMatchObject({ status: 400, body: { code: 'MALFORMED' } });
}, 60_000);

it('proves that a page was denied when the patient revoked meanwhile, also inside one region', async () => {
  const { grantId, requestId } = await released(north);
  expect((await north.call('POST', '/v1/revocations', patient.revocation(grantId))).status).toBe(200);
  const { status, body } = await pageOf(north, requestId, 1);
  expect({ status, shares: body.shares, headers: body.headers }).toEqual({ status: 200, shares: [], headers: [] });
  const { outcome } = await north.chain.pageOf(requestId, 1);
  expect(outcome).toMatchObject({ outcome: 'denied', scopes: [{ reason: 'REVOKED' }] });
  expect(await pageOf(north, requestId, 2)).toMatchObject({ status: 404, body: { code: 'PAGE_UNKNOWN' } });
}, 60_000);

it('believes no other part of the release in the place of a page', async () => {
  const { requestId, first } = await released(south);
  north.intercept = (next) => async (path, body) => {
    const { status, json } = await next(path, body);
    if ((body as SignedBy<typeof Envelope>).document.kind !== 'page') return { status, json };
    const { document } = json as SignedBy<typeof Envelope>;
    const altered = { ...document, body: { state: 'decided', answer: first } };
    return { status, json: signDocument(Envelope, altered, [signerOf(north.relayCredential)]) };
  };
  try {
    expect(await pageOf(south, requestId, 1)).toMatchObject({ status: 502, body: { code: 'ANSWER_INVALID' } });
  } finally {
    north.intercept = undefined;
  }
}, 60_000);
