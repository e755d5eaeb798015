import { encapsulate, newContentSecret, SecretKey } from '@yilian/pre';
import { fromBase64url, toBase64url } from '@yilian/protocol';
import type { Share } from '@yilian/proxy/api';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ClientError, openToSink, type ProvenLeg, type VerifiedLeg } from '../src/index.ts';
import { Case, failure, HOME, PLAINTEXT } from './fixture/case.ts';
import { bytesOf, collect, PSEUDONYM } from './fixture/federation.ts';

let scene: Case;
beforeAll(async () => {
  scene = await Case.open();
});
afterAll(() => scene[Symbol.asyncDispose]());

/** The leg with other shares, as a dishonest relay or proxy would have it. */
function withShares(leg: ProvenLeg, change: (share: Share, index: number) => Share): ProvenLeg {
  return { ...leg, answer: { ...leg.answer, shares: leg.answer.shares.map(change) } };
}

const open = (leg: VerifiedLeg, record: Parameters<typeof scene.doctor.open>[1], more = {}) =>
  collect(scene.doctor.open(leg, record, { body: scene.federation.vault, ...more }));

describe('a released record', () => {
  test('opens to what the hospital published, once shares of the threshold are there', async () => {
    const { leg, record } = await scene.answer();
    expect((await open(leg, record)).toString()).toBe(PLAINTEXT);
    expect(leg.answer.shares).toHaveLength(2);
  });

  test('opens from a body that came with the answer, when it is the one the chain names', async () => {
    const { leg, record } = await scene.answer();
    const sealed = await collect(scene.federation.vault.get(record.cid as never, { sizeBytes: record.sizeBytes }));
    const riding = (bytes: Uint8Array) => {
      const bodies = [{ recordId: record.recordId, sealed: toBase64url(bytes) }];
      return { ...leg, answer: { ...leg.answer, bodies } };
    };
    expect((await open(riding(sealed), record, { body: undefined })).toString()).toBe(PLAINTEXT);
    sealed[100] = (sealed[100] ?? 0) ^ 1;
    expect((await open(riding(sealed), record)).toString()).toBe(PLAINTEXT);
    expect(await failure(() => open(riding(sealed), record, { body: undefined }))).toEqual({
      code: 'BODY_INVALID',
      party: HOME,
    });
  });

  test('says so when its body is nowhere', async () => {
    const { leg, record } = await scene.answer();
    expect(await failure(() => open(leg, record, { body: undefined }))).toEqual({ code: 'BODY_UNAVAILABLE' });
    const broken = async function* () {
      yield await Promise.reject<Uint8Array>(new Error('disk'));
    };
    expect(await failure(() => open(leg, record, { body: broken }))).toEqual({ code: 'BODY_UNAVAILABLE' });
  });

  test('is not read further when the signal is aborted', async () => {
    const { leg, record } = await scene.answer();
    const reason = new Error('closed');
    await expect(open(leg, record, { signal: AbortSignal.abort(reason) })).rejects.toThrow(reason);
  });
});

describe('a dishonest proxy', () => {
  test('that binds its fragments to another request is refused by name', async () => {
    const entry = await scene.answer();
    const { leg, record } = await scene.answer();
    const [proxy] = scene.federation.region(HOME).proxies;
    const outcome = await scene.federation.region(HOME).chain.outcome(leg.outcome.requestId);
    const headers = leg.answer.headers.map(({ header }) => fromBase64url(header));
    const wrong = proxy!.share(outcome, headers, { requestId: entry.leg.outcome.requestId });
    const tampered = withShares(leg, (share, index) => (index === 0 ? wrong : share));
    expect(await failure(() => open(tampered, record))).toEqual({ code: 'SHARE_INVALID', party: proxy!.mspId });
  });

  test('that re-encrypts another capsule is refused by name', async () => {
    const { leg, record } = await scene.answer();
    const [proxy] = scene.federation.region(HOME).proxies;
    const outcome = await scene.federation.region(HOME).chain.outcome(leg.outcome.requestId);
    const headers = leg.answer.headers.map(({ header }) => fromBase64url(header));
    const { capsule } = encapsulate(SecretKey.random().publicKey());
    const wrong = proxy!.share(outcome, headers, { capsule });
    const tampered = withShares(leg, (share, index) => (index === 0 ? wrong : share));
    expect(await failure(() => open(tampered, record))).toEqual({ code: 'CFRAG_INVALID', party: proxy!.mspId });
  });

  test('does not stop the record from opening while enough others are honest', async () => {
    const { leg, record } = await scene.answer(({ proxies }) => proxies);
    const tampered = withShares(leg, (share, index) => (index === 0 ? { ...share, signature: 'A'.repeat(96) } : share));
    const faults: ClientError[] = [];
    const bytes = await open(tampered, record, { onFault: (error: ClientError) => faults.push(error) });
    expect(bytes.toString()).toBe(PLAINTEXT);
    expect(faults.map(({ code, party }) => [code, party])).toEqual([['SHARE_INVALID', leg.answer.shares[0]!.mspId]]);
  });
});

describe('a dishonest relay', () => {
  test('that brings too few shares, or one of them twice, opens nothing', async () => {
    const { leg, record } = await scene.answer(({ proxies }) => proxies.slice(0, 1));
    expect(await failure(() => open(leg, record))).toEqual({ code: 'TOO_FEW_SHARES' });
    const [share] = leg.answer.shares;
    const twice = { ...leg, answer: { ...leg.answer, shares: [share!, share!] } };
    expect(await failure(() => open(twice, record))).toEqual({ code: 'TOO_FEW_SHARES' });
  });

  test.each<[string, (share: Share) => Share]>([
    ['unsealed bytes', (share) => ({ ...share, sealed: share.sealed.slice(0, -4) })],
    ['a missing binding', (share) => ({ ...share, signature: toBase64url(new Uint8Array(70)) })],
    ['another organisation’s name', (share) => ({ ...share, mspId: 'RegionAHospital2' })],
  ])('that hands on a share with %s is refused', async (_, change) => {
    const { leg, record } = await scene.answer();
    const tampered = withShares(leg, (share, index) => (index === 0 ? change(share) : share));
    expect((await failure(() => open(tampered, record))).code).toBe('SHARE_INVALID');
  });

  test('cannot sign for a proxy with another certificate of its organisation', async () => {
    const { leg, record } = await scene.answer();
    const { network } = scene.federation.region(HOME);
    const { certificate } = network.credential(leg.answer.shares[0]!.mspId, 'relay');
    const tampered = withShares(leg, (share, index) => (index === 0 ? { ...share, certificate } : share));
    expect(await failure(() => open(tampered, record))).toEqual({
      code: 'SHARE_INVALID',
      party: leg.answer.shares[0]!.mspId,
    });
  });

  test('cannot exchange a key header', async () => {
    const { leg, record } = await scene.answer();
    const header = toBase64url(new Uint8Array(184).fill(1));
    const headers = leg.answer.headers.map(({ recordId }) => ({ recordId, header }));
    const tampered = { ...leg, answer: { ...leg.answer, headers } };
    expect(await failure(() => open(tampered, record))).toEqual({ code: 'HEADER_MISMATCH' });
    const none = { ...leg, answer: { ...leg.answer, headers: [] } };
    expect(await failure(() => open(none, record))).toEqual({ code: 'HEADER_MISMATCH' });
  });
});

describe('a body that is not the one that was published', () => {
  test.each<[string, (bytes: Buffer) => Uint8Array]>([
    ['a flipped bit', (bytes) => bytes.fill((bytes[80] ?? 0) ^ 1, 80, 81)],
    ['a missing end', (bytes) => bytes.subarray(0, -1)],
    ['more at its end', (bytes) => Buffer.concat([bytes, Buffer.from('x')])],
    ['nothing in it', () => new Uint8Array()],
  ])('is refused: %s', async (_, change) => {
    const { leg, record } = await scene.answer();
    const sealed = await collect(scene.federation.vault.get(record.cid as never, { sizeBytes: record.sizeBytes }));
    const body = () => bytesOf(change(sealed));
    expect(await failure(() => open(leg, record, { body }))).toEqual({ code: 'BODY_INVALID', party: HOME });
  });
});

describe('a dishonest custodian', () => {
  const custodian = 'RegionAHospital1';
  const find = (leg: ProvenLeg, recordId: string) =>
    leg.outcome.release!.records.find((record) => record.recordId === recordId)!;

  test('that sealed the body with another key is named', async () => {
    const recordId = await scene.forge({ contentKey: newContentSecret().key });
    const { leg } = await scene.answer();
    expect(await failure(() => open(leg, find(leg, recordId)))).toEqual({ code: 'BODY_INVALID', party: custodian });
  });

  test('that committed to another record is named, and its last piece is never handed out', async () => {
    const recordId = await scene.forge({ committedTo: 'something else' });
    const { leg } = await scene.answer();
    const pieces: Uint8Array[] = [];
    const act = async () => {
      const body = scene.federation.vault;
      for await (const piece of scene.doctor.open(leg, find(leg, recordId), { body })) pieces.push(piece);
    };
    expect(await failure(act)).toEqual({ code: 'COMMITMENT_MISMATCH', party: custodian });
    expect(pieces).toEqual([]);
  });

  test('that sealed the key for another record is named', async () => {
    const sealedFor = { federation: 'x', region: HOME, recordId: 'y', pseudonym: PSEUDONYM, scope: 'z', epoch: 1 };
    const recordId = await scene.forge({ sealedFor });
    const { leg, record } = await scene.answer();
    expect(await failure(() => open(leg, find(leg, recordId)))).toEqual({ code: 'HEADER_INVALID', party: custodian });
    expect((await open(leg, record)).toString()).toBe(PLAINTEXT);
  });
});

describe('a sink', () => {
  test('commits a whole record and nothing else', async () => {
    const { leg, record } = await scene.answer();
    const log: string[] = [];
    const sink = {
      write: (bytes: Uint8Array) => void log.push(Buffer.from(bytes).toString()),
      commit: () => void log.push('commit'),
      abort: () => void log.push('abort'),
    };
    const body = scene.federation.vault;
    expect(await openToSink(scene.doctor.open(leg, record, { body }), sink)).toEqual({ sizeBytes: PLAINTEXT.length });
    expect(log).toEqual([PLAINTEXT, 'commit']);
    log.length = 0;
    const cut = () => bytesOf('no body at all');
    await failure(() => openToSink(scene.doctor.open(leg, record, { body: cut }), sink));
    expect(log).toEqual(['abort']);
  });
});

test('another practitioner opens nothing with somebody else’s answer', async () => {
  const { leg, record } = await scene.answer();
  const other = scene.federation.practitioner('region-b', 'Dr. Wang');
  const act = () => collect(other.open(leg, record, { body: scene.federation.vault }));
  expect((await failure(act)).code).toBe('SHARE_INVALID');
});

test('a receipt names records of a release only', async () => {
  const { leg, record } = await scene.answer();
  const receipt = scene.doctor.receipt(leg, [record.recordId]);
  expect(receipt.document).toMatchObject({ release: leg.transactionId, region: HOME, records: [record.recordId] });
  const { chain } = scene.federation.region(HOME);
  await chain.opened([receipt]);
  expect((await chain.outcome(leg.outcome.requestId)).opened).toEqual(receipt);
  expect(await failure(() => scene.doctor.receipt({ region: HOME, state: 'pending' }, []))).toEqual({
    code: 'NOT_RELEASED',
  });
});
