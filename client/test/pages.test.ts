import { documentId, Request } from '@yilian/protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dossier, isProven, verifyDossier } from '../src/index.ts';
import { Case, CODES, HOME, PLAINTEXT, SCOPE } from './fixture/case.ts';
import { bytesOf, collect, PSEUDONYM } from './fixture/federation.ts';

const PAGE = 200;
let scene: Case;
beforeAll(async () => {
  scene = await Case.open();
  const publish = () =>
    scene.hospital.publish({ pseudonym: PSEUDONYM, scope: SCOPE, codes: CODES, source: bytesOf(PLAINTEXT) });
  await Promise.all(Array.from({ length: PAGE }, publish));
}, 60_000);
afterAll(() => scene[Symbol.asyncDispose]());

test('a release of more records than a page holds is complete with its last page, and proven page by page', async () => {
  const { view, doctor: practitioner, keyCertificate, federation } = scene;
  const request = scene.ask();
  const first = await federation.decide(request, [HOME], () => []);
  const alone = practitioner.verify(view, request, first);
  expect(alone).toMatchObject({ complete: false, legs: [{ state: 'released' }] });

  const page = await federation.page(HOME, documentId(Request.type, request.document), 1);
  const answer = practitioner.verify(view, request, { ...first, answers: [page, ...first.answers] });
  expect(answer.complete).toBe(true);
  const [, leg] = answer.legs;
  if (leg === undefined || !isProven(leg)) throw new Error('the page is not proven');
  const [record] = leg.outcome.release?.records ?? [];
  if (record === undefined) throw new Error('the page released nothing');
  expect((await collect(practitioner.open(leg, record, { body: federation.vault }))).toString()).toBe(PLAINTEXT);

  const receipts = [practitioner.receipt(leg, [record.recordId])];
  expect(receipts[0]?.document).toMatchObject({ release: leg.transactionId });
  await federation.region(HOME).chain.opened(receipts);
  const legs = [leg];
  const evidence = dossier({ view, keyCertificate, request, answer: { ...answer, legs }, practitioner, receipts });
  const report = await verifyDossier(JSON.parse(JSON.stringify(evidence)), federation.genesis);
  expect(report.legs).toMatchObject([{ outcome: { page: { number: 1 } }, opened: [{ records: [record.recordId] }] }]);

  const orphan = practitioner.verify(view, request, { ...first, answers: [page] });
  expect(orphan.legs).toMatchObject([{ state: 'invalid', error: { code: 'OUTCOME_INVALID' } }]);
});
