import { AccessQuery, documentId, type Outcome, Request, signDocument } from '@yilian/protocol';
import { readOutcome } from '@yilian/regional-chain';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ELSEWHERE, HOME, payload, random, refusal, Stage, type StageDoctor, type StagePatient } from './stage.ts';

const RECORDS = 402;
let stage: Stage;
let doctor: StageDoctor;
let patient: StagePatient;
let records: string[];
beforeAll(async () => {
  stage = await Stage.open();
  await stage.registerProxies();
  doctor = await stage.doctor();
  patient = await stage.patient(['laboratory', 'imaging']);
  const scopes = Array.from({ length: RECORDS }, (_, index) => (index < 10 ? 'imaging' : 'laboratory'));
  const { header } = stage.record(patient).document;
  records = await Promise.all(scopes.map((scope) => stage.publish(patient, { scope, header })));
});
afterAll(() => stage[Symbol.asyncDispose]());

const SCOPES = ['laboratory', 'imaging'];
const grant = () => stage.grant(patient, doctor, { scopes: SCOPES.map((scope) => ({ scope, epoch: 1 })) });
const idsOf = ({ release }: Outcome) => release?.records.map(({ recordId }) => recordId) ?? [];

async function decided() {
  const request = stage.request(doctor, patient, { scopes: SCOPES });
  const { outcome, committed } = await stage.decide(doctor, request);
  const requestId = documentId(Request.type, request.document);
  const page = async (number: number) => stage.relay().page(requestId, number, await stage.mainHeight());
  return { request, requestId, outcome, committed, page };
}

describe('a release of more records than one transaction holds', () => {
  test('comes in pages that each name the one before', async () => {
    const grantId = await grant();
    const { requestId, outcome, committed, page } = await decided();
    expect(outcome.release?.next).toBeDefined();
    expect(outcome.page).toBeUndefined();
    expect(await refusal(page(2))).toBe('PAGE_UNKNOWN');
    expect(await refusal(stage.relay().pageOf(requestId, 1))).toBe('PAGE_UNKNOWN');
    const first = await page(1);
    expect(await refusal(page(1))).toBe('DECIDED');
    const second = await page(2);
    expect(await refusal(page(3))).toBe('PAGE_UNKNOWN');
    const pages = [payload(first), payload(second)] as const;
    expect(pages[0]).toMatchObject({ requestId, page: { number: 1, previous: committed.transactionId } });
    expect(pages[1]).toMatchObject({ requestId, page: { number: 2, previous: first.transactionId } });
    expect(pages[1].release?.next).toBeUndefined();
    const all = [outcome, ...pages].flatMap(idsOf);
    expect(all).toHaveLength(RECORDS);
    expect(new Set(all)).toEqual(new Set(records));
    const chain = stage.relay();
    expect(await chain.pageOf(requestId, 2)).toEqual({ outcome: pages[1], transactionId: second.transactionId });
    expect((await chain.release(requestId, first.transactionId)).outcome).toEqual(pages[0]);
    expect((await chain.release(requestId, committed.transactionId)).outcome).toEqual(outcome);
    expect(await refusal(chain.release(requestId, random(32)))).toBe('ARGUMENT_MALFORMED');
    expect(await refusal(chain.release(requestId, '0'.repeat(64)))).toBe('OUTCOME_UNKNOWN');
    const event = { kind: 'outcome', requestId, page: 1, block: 1, transactionId: first.transactionId } as const;
    expect((await readOutcome(chain, event)).outcome).toEqual(pages[0]);
    await chain.revoke(stage.revocation(patient, grantId));
  });

  test('ends when the grant was revoked meanwhile', async () => {
    const grantId = await grant();
    const { page } = await decided();
    await stage.relay().revoke(stage.revocation(patient, grantId));
    expect(payload(await page(1))).toMatchObject({ outcome: 'denied', page: { number: 1 } });
    expect(await refusal(page(2))).toBe('PAGE_UNKNOWN');
  });

  test('gives a page to one of two relays that ask at the same time', async () => {
    const grantId = await stage.grant(patient, doctor);
    const request = stage.request(doctor, patient);
    const requestId = documentId(Request.type, request.document);
    await stage.decide(doctor, request);
    const height = await stage.mainHeight();
    const settled = await Promise.allSettled([1, 1, 1].map((page) => stage.relay().page(requestId, page, height)));
    expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    await stage.relay().revoke(stage.revocation(patient, grantId));
  });

  test('has no pages when it fits, or was never made', async () => {
    const { requestId } = await decided();
    expect(await refusal(stage.relay().page(requestId, 1, undefined))).toBe('PAGE_UNKNOWN');
    expect(await refusal(stage.relay().page(random(32), 1, undefined))).toBe('OUTCOME_UNKNOWN');
    expect(await refusal(stage.relay().page(requestId, 0, undefined))).toBe('ARGUMENT_MALFORMED');
    expect(await refusal(stage.hospital().page(requestId, 1, undefined))).toBe('ROLE_REQUIRED');
  });
});

describe('an opened receipt', () => {
  test('names records of the decision or of a page, and is kept beside the first', async () => {
    const grantId = await grant();
    const { requestId, outcome, committed, page } = await decided();
    const paged = await page(1);
    const [one = '', two = ''] = idsOf(outcome);
    const receipts = [
      stage.receipt(doctor, outcome, committed, { records: [one] }),
      stage.receipt(doctor, outcome, committed, { records: [one, two], openedAt: Date.now() + 1 }),
      stage.receipt(doctor, payload(paged), paged),
    ];
    const chain = stage.relay();
    await chain.opened(receipts);
    await chain.opened([stage.receipt(doctor, outcome, committed, { records: [two] })]);
    expect(await chain.receipts(requestId, committed.transactionId)).toEqual(receipts.slice(0, 2));
    expect(await chain.outcome(requestId)).toMatchObject({ opened: receipts[0] });
    expect(await chain.release(requestId, paged.transactionId)).toMatchObject({ opened: receipts[2] });
    await chain.revoke(stage.revocation(patient, grantId));
  });

  test('of one request’s page does not count for another request', async () => {
    const grantId = await grant();
    const [one, other] = [await decided(), await decided()];
    const [page, otherPage] = [await one.page(1), await other.page(1)];
    const crossed = stage.receipt(doctor, payload(page), otherPage);
    expect(await refusal(stage.relay().opened([crossed]))).toBe('RELEASE_UNKNOWN');
    expect(await refusal(stage.relay().release(one.requestId, otherPage.transactionId))).toBe('OUTCOME_UNKNOWN');
    await stage.relay().revoke(stage.revocation(patient, grantId));
  });

  test('is the requester’s, for what was released to them', async () => {
    const grantId = await grant();
    const { outcome, committed, requestId } = await decided();
    const open = (change: Parameters<Stage['receipt']>[3], who = doctor) =>
      refusal(stage.relay().opened([stage.receipt(who, outcome, committed, change)]));
    expect(await open({ records: [random(16)] })).toBe('RECEIPT_MISMATCH');
    expect(await open({ release: '0'.repeat(64) })).toBe('RELEASE_UNKNOWN');
    expect(await open({ requestId: random(32) })).toBe('RELEASE_UNKNOWN');
    expect(await open({ region: ELSEWHERE })).toBe('REGION_MISMATCH');
    expect(await open({ openedAt: Date.now() + 120_000 })).toBe('DOCUMENT_FROM_FUTURE');
    expect(await open({ openedAt: outcome.decidedAt - 120_000 })).toBe('RECEIPT_MISMATCH');
    expect(await open({}, await stage.doctor())).toBe('CERTIFICATE_MISMATCH');
    const denied = await stage.decide(doctor, stage.request(doctor, patient, { purpose: 'HRESCH', scopes: SCOPES }));
    expect(await refusal(stage.relay().opened([stage.receipt(doctor, denied.outcome, denied.committed)]))).toBe(
      'RELEASE_UNKNOWN',
    );
    expect(await stage.relay().receipts(requestId, committed.transactionId)).toEqual([]);
    await stage.relay().revoke(stage.revocation(patient, grantId));
  });
});

describe('a patient’s list of accesses', () => {
  test('is the patient’s alone, newest first, and goes on where a page ended', async () => {
    const watched = await stage.patient();
    const asked: string[] = [];
    const height = await stage.mainHeight();
    for (let count = 0; count < 103; count += 1) {
      const request = stage.request(doctor, watched);
      asked.unshift(documentId(Request.type, request.document));
      await stage.relay().decide(request, doctor.keyCertificate, height);
    }
    const query = stage.accessQuery(watched);
    const first = await stage.relay().accessPage(query);
    expect(first.accesses).toHaveLength(100);
    const second = await stage.relay().accessPage(query, first.next);
    expect(second.next).toBeUndefined();
    const all = [...first.accesses, ...second.accesses].map(({ requestId }) => requestId);
    expect(new Set(all)).toEqual(new Set(asked));
    expect(all[0]).toBe(asked[0]);
    expect((await stage.relay().accesses(query)).map(({ requestId }) => requestId)).toEqual(all.slice(0, 100));
    const stranger = { ...watched, signer: patient.signer };
    expect(await refusal(stage.relay().accesses(stage.accessQuery(stranger)))).toBe('SIGNATURE_MISSING');
    expect(await refusal(stage.relay().accesses(stage.accessQuery(watched, ELSEWHERE)))).toBe('REGION_MISMATCH');
    expect(await refusal(stage.relay().accessPage(query, 'x'))).toBe('ARGUMENT_MALFORMED');
  });

  test('shows pages and receipts as lines of their own', async () => {
    const grantId = await grant();
    const { requestId, page } = await decided();
    const paged = await page(1);
    await stage.relay().opened([stage.receipt(doctor, payload(paged), paged)]);
    const accesses = await stage.relay().accesses(stage.accessQuery(patient));
    expect(accesses[0]).toMatchObject({ requestId, transactionId: paged.transactionId });
    expect(accesses[0]?.openedAt).toBeGreaterThan(0);
    expect(accesses[1]).toMatchObject({ requestId, outcome: { outcome: 'released' } });
    await stage.relay().revoke(stage.revocation(patient, grantId));
  });

  test('stays within a size although each line lists two hundred records', async () => {
    const grantId = await stage.grant(patient, doctor);
    const height = await stage.mainHeight();
    for (let count = 0; count < 16; count += 1)
      await stage.relay().decide(stage.request(doctor, patient), undefined, height);
    const { accesses, next } = await stage.relay().accessPage(stage.accessQuery(patient));
    expect(next).toBeDefined();
    expect(JSON.stringify(accesses).length).toBeLessThan(1_250_000);
    await stage.relay().revoke(stage.revocation(patient, grantId));
  });

  test('is shown to a patient of another region by the main chain’s proof of their own key', async () => {
    const stranger = await stage.patient([], ELSEWHERE);
    const { transactionId } = await stage.testbed.main().patient(stranger.pseudonym);
    const proof = await stage.testbed.prove('main', { transactionId });
    const query = stage.accessQuery(stranger);
    expect(await refusal(stage.relay().accessPage(query))).toBe('PATIENT_UNKNOWN');
    expect(await stage.relay().accessPage(query, '', proof)).toEqual({ accesses: [] });
    const curious = signDocument(AccessQuery, stage.accessQuery(patient).document, [stranger.signer]);
    expect(await refusal(stage.relay().accessPage(curious, '', proof))).toBe('PROOF_MISMATCH');
  });

  test('is kept by the requesting region as well', async () => {
    const traveller = await stage.patient([], ELSEWHERE);
    const request = stage.request(doctor, traveller);
    const before = Date.now();
    await stage.relay(ELSEWHERE).ask(request, [HOME]);
    const accesses = await stage.relay(ELSEWHERE).accesses(stage.accessQuery(traveller, ELSEWHERE));
    expect(accesses).toMatchObject([{ requestId: documentId(Request.type, request.document), legs: [] }]);
    expect(accesses[0]).not.toHaveProperty('outcome');
    expect(accesses[0]?.at).toBeGreaterThanOrEqual(before);
    expect(accesses[0]?.at).toBeLessThanOrEqual(Date.now());
  });
});

test('a release goes on with what is still permitted', async () => {
  const grantId = await grant();
  const { page, outcome } = await decided();
  expect(new Set(outcome.release?.records.map(({ scope }) => scope))).toEqual(new Set(SCOPES));
  await stage.hospital().bind(stage.scopeKey(patient, { scope: 'imaging', epoch: 2 }));
  const next = payload(await page(1));
  expect(next.scopes).toMatchObject([{ permitted: true }, { permitted: false, reason: 'EPOCH' }]);
  expect(idsOf(next)).toHaveLength(200);
  await stage.relay().revoke(stage.revocation(patient, grantId));
});
