import { encapsulate, SecretKey } from '@yilian/pre';
import { documentId, fromBase64url, Request } from '@yilian/protocol';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Dossier, dossier, verifyDossier } from '../src/index.ts';
import { ASKING, Case, failure, HOME } from './fixture/case.ts';
import { PSEUDONYM } from './fixture/federation.ts';

let scene: Case;
let opened: Dossier;
let absent: Dossier;
beforeAll(async () => {
  scene = await Case.open();
  const { view, keyCertificate, doctor: practitioner } = scene;
  const { request, answer, leg, record } = await scene.answer();
  const receipts = [practitioner.receipt(leg, [record.recordId])];
  opened = asJson(dossier({ view, keyCertificate, request, answer, practitioner, receipts }));
  absent = await absence();
});
afterAll(() => scene[Symbol.asyncDispose]());

const asJson = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;
const verify = (value: unknown) => verifyDossier(value, scene.federation.genesis);

async function absence(): Promise<Dossier> {
  const { view, keyCertificate, doctor, federation } = scene;
  const request = scene.ask();
  const requestId = documentId(Request.type, request.document);
  const { transactionId } = await federation.mainRelay.declareAbsent(PSEUDONYM, requestId);
  const reply = { status: { requestId, final: true, legs: [] }, answers: [] };
  const answer = doctor.verify(view, request, { ...reply, absence: await federation.main.prove(transactionId) });
  return asJson(dossier({ view, keyCertificate, request, answer }));
}

type Path = readonly (string | number)[];

/** Where every string, number and truth value of a JSON document is. */
function leaves(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  return Object.entries(value).flatMap(([name, member]) =>
    leaves(member, [...path, Array.isArray(value) ? Number(name) : name]),
  );
}

function changed<T>(document: T, [name, ...rest]: Path, change: (leaf: unknown) => unknown): T {
  if (name === undefined) return change(document) as T;
  const copy = (Array.isArray(document) ? [...(document as unknown[])] : { ...document }) as Record<string, unknown>;
  copy[name] = changed(copy[name], rest, change);
  return copy as T;
}

/** The leaf as another value of its kind: one character, one more, or the opposite. */
function other(leaf: unknown, at: number): unknown {
  if (typeof leaf === 'number') return leaf + 1;
  if (typeof leaf === 'boolean') return !leaf;
  const text = String(leaf);
  const index = at % text.length;
  const replacement = text[index] === 'b' ? 'c' : 'b';
  return text.slice(0, index) + replacement + text.slice(index + 1);
}

/** What a changed field is called (SPEC.md §3). */
const CODES: readonly (readonly [RegExp, string])[] = [
  [/^version/, 'DOSSIER_MALFORMED'],
  [/^federation/, 'FEDERATION_MISMATCH'],
  [/^regions/, 'REGION_ENTRY_INVALID'],
  [/^keyCertificate/, 'KEY_CERTIFICATE_INVALID'],
  [/^registration/, 'REGISTRATION_INVALID'],
  [/^request/, 'REQUEST_INVALID'],
  [/^legs\.\d+\.proof/, 'OUTCOME_INVALID'],
  [/^legs\.\d+\.headers/, 'HEADER_MISMATCH'],
  [/^legs\.\d+\.shares/, 'SHARE_INVALID'],
  [/^legs\.\d+\.receipts/, 'RECEIPT_INVALID'],
  [/^absence/, 'ABSENCE_INVALID'],
];

describe('a dossier', () => {
  test('proves who asked, what was decided, who re-encrypted and what was opened', async () => {
    const report = await verify(opened);
    expect(report).toMatchObject({
      requestId: documentId(Request.type, opened.request.document),
      requester: { name: 'Dr. Li', hospital: 'RegionBHospital1', region: ASKING },
      legs: [{ region: HOME, state: 'released', reencryptedBy: ['RegionACommission', 'RegionAHospital1'] }],
    });
    expect(report.legs[0]?.opened).toMatchObject([{ records: [scene.published.recordId] }]);
    expect(await verify(absent)).toMatchObject({ legs: [], absence: { block: expect.any(Number) as number } });
  });

  test('holds nothing that opens the record or names the patient', async () => {
    const { record } = await scene.answer();
    const text = JSON.stringify(opened);
    expect(text).not.toContain(Buffer.from(scene.doctor.receivingKey).toString('hex'));
    expect(text).not.toContain(record.commitment);
  });

  test('without a practitioner proves the decision alone', async () => {
    const { request, answer } = await scene.answer();
    const bare = dossier({ view: scene.view, keyCertificate: scene.keyCertificate, request, answer });
    expect((await verify(asJson(bare))).legs[0]).toMatchObject({ state: 'released', reencryptedBy: [] });
  });

  test('of a denial has no release to show', async () => {
    const { federation, doctor: practitioner, view, keyCertificate } = scene;
    const request = scene.ask({ purpose: 'HRESCH' });
    const answer = practitioner.verify(view, request, await federation.decide(request, [HOME]));
    const denied = asJson(dossier({ view, keyCertificate, request, answer, practitioner }));
    expect((await verify(denied)).legs).toMatchObject([{ state: 'denied', outcome: { outcome: 'denied' } }]);
    const { shares } = opened.legs[0]!;
    const padded = { ...denied, legs: denied.legs.map((leg) => ({ ...leg, shares })) };
    expect(await failure(() => verify(padded))).toEqual({ code: 'DOSSIER_MALFORMED' });
  });

  test.each(['opened', 'absent'] as const)(
    'with any one field changed fails with the code of that field: %s',
    async (which) => {
      const document = { opened, absent }[which];
      const seeds = fc.sample(fc.nat(), { seed: 17, numRuns: leaves(document).length });
      for (const [index, path] of leaves(document).entries()) {
        const name = path.join('.');
        const tampered = changed(document, path, (leaf) => other(leaf, seeds[index] ?? 0));
        const expected = CODES.find(([pattern]) => pattern.test(name))?.[1];
        expect([name, (await failure(() => verify(tampered))).code]).toEqual([name, expected]);
      }
    },
    60_000,
  );

  test.each<[string, (document: Dossier) => unknown, string]>([
    ['nothing', () => undefined, 'DOSSIER_MALFORMED'],
    ['a field too many', (document) => ({ ...document, note: 'x' }), 'DOSSIER_MALFORMED'],
    ['no leg and no absence', (document) => ({ ...document, legs: [] }), 'DOSSIER_MALFORMED'],
    ['a leg twice', (document) => ({ ...document, legs: [...document.legs, ...document.legs] }), 'DOSSIER_MALFORMED'],
    ['a region too few', ({ regions, ...rest }) => ({ ...rest, regions: regions.slice(1) }), 'OUTCOME_INVALID'],
    [
      'a region twice',
      (document) => ({ ...document, regions: [...document.regions, document.regions[0]] }),
      'REGION_ENTRY_INVALID',
    ],
  ])('is refused with %s', async (_, change, code) => {
    expect((await failure(() => verify(change(opened)))).code).toBe(code);
  });

  test('is refused with a signature or a share added', async () => {
    const [leg] = opened.legs;
    const request = { ...opened.request, signatures: [...opened.request.signatures, ...opened.request.signatures] };
    expect(await failure(() => verify({ ...opened, request }))).toEqual({ code: 'REQUEST_INVALID' });
    const legs = [{ ...leg!, shares: [...leg!.shares, leg!.shares[0]!] }];
    expect(await failure(() => verify({ ...opened, legs }))).toMatchObject({ code: 'SHARE_INVALID' });
  });

  test('checked against another genesis is worth nothing', async () => {
    const { genesis } = scene.federation;
    const main = { ...genesis.main, organisations: scene.view.trusts(HOME)[0]!.organisations };
    expect(await failure(() => verifyDossier(opened, { ...genesis, main }))).toEqual({ code: 'REGION_ENTRY_INVALID' });
    expect(await failure(() => verifyDossier(opened, { ...genesis, federation: 'another' }))).toEqual({
      code: 'FEDERATION_MISMATCH',
    });
  });

  test('shows a third party the proxy that signed a fragment of another capsule', async () => {
    const { federation, view, keyCertificate, doctor: practitioner } = scene;
    const { request, answer, leg } = await scene.answer();
    const { chain, proxies } = federation.region(HOME);
    const headers = leg.answer.headers.map(({ header }) => fromBase64url(header));
    const { capsule } = encapsulate(SecretKey.random().publicKey());
    const wrong = proxies[0]!.share(await chain.outcome(leg.outcome.requestId), headers, { capsule });
    const shares = [wrong, ...leg.answer.shares.slice(1)];
    const legs = [{ ...leg, answer: { ...leg.answer, shares } }];
    const evidence = dossier({ view, keyCertificate, request, answer: { ...answer, legs }, practitioner });
    expect(await failure(() => verify(asJson(evidence)))).toEqual({
      code: 'CFRAG_INVALID',
      party: proxies[0]!.mspId,
    });
  });
});
