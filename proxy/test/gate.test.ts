import { generateKfrags, PublicKey, SecretKey, Signer, sealTo } from '@yilian/pre';
import { digest, kfragContext, toBase64url } from '@yilian/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BuiltProxy } from '../src/index.ts';
import { HOME, type Reply, random, TestFederation, type TestGrant } from './federation.ts';

/** The gate of one proxy: what it refuses, and that it refuses nothing else. */
const OWN = 'CommissionA';
let federation: TestFederation;
let proxy: BuiltProxy;
let ahead = 0;
/** Answered when the proxy has waited long enough for a transaction that nobody ever commits. */
let inVain: Promise<Reply>;
beforeAll(async () => {
  federation = await TestFederation.open();
  await federation.proxy('HospitalA1');
  proxy = await federation.proxy(OWN, { clock: () => Date.now() + ahead });
  inVain = release({ requestId: random(32), transactionId: 'a'.repeat(64) });
});
afterAll(() => federation[Symbol.asyncDispose]());

const release = (order: unknown) => federation.order(proxy, OWN, '/v1/releases', 'release', order);
const refused = (status: number, code: string) => ({ status, body: { code } });

/** A grant both proxies hold, with one record. */
async function granted(): Promise<TestGrant> {
  const patient = await federation.patient(['laboratory', 'imaging']);
  await federation.publish(patient);
  const grant = await federation.grant(patient, await federation.doctor());
  expect((await federation.deliver(proxy, OWN, grant)).status).toBe(200);
  await federation.testbed.region(HOME, 'HospitalA1', 'proxy').acknowledge(grant.grantId);
  return grant;
}

describe('a release', () => {
  test('is carried out again when it is ordered again', async () => {
    const { order } = await federation.decide(await granted());
    const [first, second] = [await release(order), await release(order)];
    expect([first.status, second.status]).toEqual([200, 200]);
    expect(first.body['attestation']).toMatchObject({ statement: { transaction: order.transactionId } });
  });

  test('is refused when it is no longer usable by the proxy’s own clock', async () => {
    const { order } = await federation.decide(await granted());
    let late = 0;
    const own = await federation.proxy('HospitalA2', { clock: () => Date.now() + late });
    late = 300_001;
    const times = { issuedAt: Date.now() + late, expiresAt: Date.now() + late + 30_000 };
    const envelope = federation.envelope(`${HOME}/HospitalA2`, 'release', order, times);
    expect(await federation.post(own, '/v1/releases', envelope)).toMatchObject(refused(410, 'RELEASE_EXPIRED'));
    await federation.close(own);
  });

  test('is refused by a proxy whose clock was set back', async () => {
    const { order } = await federation.decide(await granted());
    ahead = -61_000;
    try {
      expect(await release(order)).toMatchObject(refused(503, 'CLOCK_SKEW'));
    } finally {
      ahead = 0;
    }
    expect(await release(order)).toMatchObject({ status: 200 });
  });

  test('is refused when the grant was revoked between decision and release', async () => {
    const grant = await granted();
    const { order } = await federation.decide(grant);
    await federation.chain.revoke(federation.revocation(grant));
    expect(await release(order)).toMatchObject(refused(403, 'REVOKED'));
  });

  test('is refused on the patient’s word alone, before the chain knows', async () => {
    const grant = await granted();
    const { order } = await federation.decide(grant);
    const [revoked, released] = await Promise.all([
      federation.post(proxy, '/v1/revocations', federation.revocation(grant)),
      release(order),
    ]);
    expect(revoked).toEqual({ status: 200, body: { stopped: true, destroyed: true } });
    expect(released).toMatchObject(refused(403, 'REVOKED'));
  });

  test('is refused when the scope’s key was rotated since', async () => {
    const grant = await granted();
    const { order } = await federation.decide(grant);
    await federation.bind(grant.patient, 'laboratory', 2);
    expect(await release(order)).toMatchObject(refused(422, 'EPOCH'));
  });

  test('is refused when a denied request is passed off as one', async () => {
    const grant = await granted();
    const { order, outcome } = await federation.decide(grant, { purpose: 'HRESCH' });
    expect(outcome.outcome).toBe('denied');
    expect(await release(order)).toMatchObject(refused(422, 'NOT_RELEASED'));
  });

  test('is refused when request and transaction do not belong together', async () => {
    const grant = await granted();
    const [first, second] = [await federation.decide(grant), await federation.decide(grant)];
    const mixed = { requestId: first.order.requestId, transactionId: second.order.transactionId };
    expect(await release(mixed)).toMatchObject(refused(404, 'OUTCOME_UNKNOWN'));
    const unknown = { requestId: random(32), transactionId: first.order.transactionId };
    expect(await release(unknown)).toMatchObject(refused(404, 'OUTCOME_UNKNOWN'));
  });

  test('is refused by a proxy that holds no fragments of the grant', async () => {
    const patient = await federation.patient();
    await federation.publish(patient);
    const grant = await federation.grant(patient, await federation.doctor());
    for (const mspId of [OWN, 'HospitalA1'])
      await federation.testbed.region(HOME, mspId, 'proxy').acknowledge(grant.grantId);
    const { order } = await federation.decide(grant);
    expect(await release(order)).toMatchObject(refused(404, 'FRAGMENTS_UNKNOWN'));
  });

  test('that is not committed yet is waited for, and one that never is refused', async () => {
    expect(await inVain).toMatchObject(refused(503, 'NOT_COMMITTED'));
  });
});

describe('key fragments', () => {
  test('are taken twice and acknowledged once', async () => {
    const grant = await granted();
    expect(await federation.deliver(proxy, OWN, grant)).toEqual({ status: 200, body: { acknowledged: true } });
    expect((await federation.chain.grantEntry(grant.grantId)).acknowledgedBy).toEqual([OWN, 'HospitalA1']);
  });

  test('other than the grant commits to are refused', async () => {
    const grant = await granted();
    const other = await federation.grant(grant.patient, grant.doctor);
    const sealed = other.sealed.get(OWN);
    expect(await federation.post(proxy, '/v1/kfrags', { grantId: grant.grantId, sealed })).toMatchObject(
      refused(422, 'COMMITMENT_MISMATCH'),
    );
  });

  test('of no grant on the chain are refused', async () => {
    const delivery = { grantId: random(32), sealed: random(32) };
    expect(await federation.post(proxy, '/v1/kfrags', delivery)).toMatchObject(refused(404, 'GRANT_UNKNOWN'));
  });

  test('for another receiver than the grantee are refused', async () => {
    const patient = await federation.patient();
    const receivingKey = SecretKey.random().publicKey();
    const grant = await federation.grant(patient, await federation.doctor(), { receivingKey });
    expect(await federation.deliver(proxy, OWN, grant)).toMatchObject(refused(422, 'FRAGMENTS_INVALID'));
  });

  test('signed by another than the patient are refused', async () => {
    const patient = await federation.patient();
    const signer = new Signer(SecretKey.random());
    const grant = await federation.grant(patient, await federation.doctor(), { signer });
    expect(await federation.deliver(proxy, OWN, grant)).toMatchObject(refused(422, 'FRAGMENTS_INVALID'));
  });

  test('of fewer scopes than the grant names, or sealed for another patient, are refused', async () => {
    const patient = await federation.patient();
    const doctor = await federation.doctor();
    const [key] = (await federation.chain.proxies()).filter(({ document }) => document.mspId === OWN);
    expect(key).toBeDefined();
    const delegatingKey = patient.keys.scopeKey({ region: HOME, scope: 'laboratory', epoch: 1 });
    const receivingKey = doctor.secret.publicKey();
    const [kfrag] = generateKfrags({ delegatingKey, receivingKey, signer: patient.signer, threshold: 1, shares: 1 });
    const { federation: name } = federation.testbed;
    for (const [plaintext, pseudonym] of [
      [kfrag!.toBytes().subarray(1), patient.pseudonym],
      [new Uint8Array([...kfrag!.toBytes(), ...kfrag!.toBytes()]), patient.pseudonym],
      [kfrag!.toBytes(), random(32)],
    ] as const) {
      const transport = PublicKey.fromBase64url(key!.document.key);
      const sealed = sealTo(transport, plaintext, kfragContext(name, HOME, pseudonym, OWN));
      const grant = await federation.grant(patient, doctor, {
        threshold: 1,
        proxies: [{ mspId: OWN, commitment: digest(sealed) }],
      });
      const delivery = { grantId: grant.grantId, sealed: toBase64url(sealed) };
      expect(await federation.post(proxy, '/v1/kfrags', delivery)).toMatchObject(refused(422, 'FRAGMENTS_INVALID'));
    }
  });

  test('of a grant that was revoked before they came are refused', async () => {
    const patient = await federation.patient();
    const grant = await federation.grant(patient, await federation.doctor());
    await federation.chain.revoke(federation.revocation(grant));
    expect(await federation.deliver(proxy, OWN, grant)).toMatchObject(refused(403, 'REVOKED'));
  });

  test('of a rotated scope are refused', async () => {
    const patient = await federation.patient();
    const grant = await federation.grant(patient, await federation.doctor());
    await federation.bind(patient, 'laboratory', 2);
    expect(await federation.deliver(proxy, OWN, grant)).toMatchObject(refused(422, 'EPOCH'));
  });

  test('addressed to other proxies are refused', async () => {
    const patient = await federation.patient();
    const grant = await federation.grant(patient, await federation.doctor(), {
      threshold: 1,
      proxies: [{ mspId: 'HospitalA1', commitment: random(32) }],
    });
    expect(await federation.deliver(proxy, OWN, grant)).toMatchObject(refused(404, 'PROXY_UNKNOWN'));
  });
});

describe('a revocation', () => {
  test('by another than the patient changes nothing', async () => {
    const grant = await granted();
    const forged = federation.revocation(grant, new Signer(SecretKey.random()));
    expect(await federation.post(proxy, '/v1/revocations', forged)).toMatchObject(refused(401, 'SIGNATURE_MISSING'));
    const altered = federation.revocation(grant);
    const later = { ...altered, document: { ...altered.document, signedAt: altered.document.signedAt + 1 } };
    expect(await federation.post(proxy, '/v1/revocations', later)).toMatchObject(refused(401, 'SIGNATURE_INVALID'));
    const { order } = await federation.decide(grant);
    expect((await release(order)).status).toBe(200);
  });

  test('of another patient’s grant changes nothing', async () => {
    const [grant, other] = [await granted(), await granted()];
    const wrong = federation.revocation({ ...grant, patient: other.patient });
    expect(await federation.post(proxy, '/v1/revocations', wrong)).toMatchObject(refused(422, 'GRANT_MISMATCH'));
  });

  test('of a grant that names other proxies is brought to the chain all the same', async () => {
    const patient = await federation.patient();
    const grant = await federation.grant(patient, await federation.doctor(), {
      threshold: 1,
      proxies: [{ mspId: 'HospitalA1', commitment: random(32) }],
    });
    const reply = await federation.post(proxy, '/v1/revocations', federation.revocation(grant));
    expect(reply).toEqual({ status: 200, body: { stopped: false, destroyed: false } });
    expect((await federation.chain.grantEntry(grant.grantId)).revokedAt).toBeDefined();
  });

  test('that comes before the fragments keeps them out for good', async () => {
    const patient = await federation.patient();
    const grant = await federation.grant(patient, await federation.doctor());
    const reply = await federation.post(proxy, '/v1/revocations', federation.revocation(grant));
    expect(reply).toEqual({ status: 200, body: { stopped: true, destroyed: true } });
    expect(await federation.deliver(proxy, OWN, grant)).toMatchObject(refused(403, 'REVOKED'));
  });

  test('reaches the chain with the proxy’s destruction receipt', async () => {
    const grant = await granted();
    await federation.post(proxy, '/v1/revocations', federation.revocation(grant));
    await expect
      .poll(async () =>
        (await federation.chain.grantEntry(grant.grantId)).destroyed.map(({ document }) => document.mspId),
      )
      .toContain(OWN);
    expect((await federation.chain.grantEntry(grant.grantId)).revokedAt).toBeDefined();
  });

  test('on the chain alone makes the proxy destroy and say so', async () => {
    const grant = await granted();
    await federation.chain.revoke(federation.revocation(grant));
    await expect
      .poll(async () =>
        (await federation.chain.grantEntry(grant.grantId)).destroyed.map(({ document }) => document.mspId),
      )
      .toContain(OWN);
  });
});
