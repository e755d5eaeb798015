import { documentId, Request } from '@yilian/protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dossier, isProven, verifyDossier } from '../src/index.ts';
import { ASKING, Case, CODES, failure, HOME, PLAINTEXT, SCOPE } from './fixture/case.ts';
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

test('a practitioner follows a release to its last page, and is shown nothing else in a page’s place', async () => {
  const { view, doctor: practitioner, federation } = scene;
  const request = scene.ask();
  const reply = await federation.decide(request, [HOME], () => []);
  const [leg] = practitioner.verify(view, request, reply).legs;
  if (leg === undefined || !isProven(leg)) throw new Error('the leg is not proven');
  const id = documentId(Request.type, request.document);
  const route = `GET ${new URL(federation.region(ASKING).url).host}/v1/requests/${id}/pages/1`;
  const pages = () => Array.fromAsync(practitioner.pages(federation.relay(ASKING), view, request, leg));

  federation.overrides.set(route, () => leg.answer);
  expect(await failure(pages)).toEqual({ code: 'OUTCOME_INVALID' });

  const page = await federation.page(HOME, id, 1);
  let pending = 2;
  federation.overrides.set(route, () =>
    pending-- > 0 ? Response.json({ code: 'PAGE_PENDING', message: 'wait' }, { status: 503 }) : page,
  );
  const followed = await pages();
  expect(followed).toMatchObject([{ region: HOME, state: 'released', outcome: { page: { number: 1 } } }]);
  const released = [leg, ...followed].flatMap(({ outcome }) => outcome.release?.records ?? []);
  expect(new Set(released.map(({ recordId }) => recordId)).size).toBe(PAGE + 1);
});
