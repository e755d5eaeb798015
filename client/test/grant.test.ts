import { createSigner } from '@yilian/ledger';
import { documentId, ProxyKey, Request, signDocument } from '@yilian/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { GrantOptions } from '../src/index.ts';
import { ASKING, Case, failure, HOME, SCOPE } from './fixture/case.ts';
import { PSEUDONYM } from './fixture/federation.ts';
import { TestProxy } from './fixture/proxy.ts';

let scene: Case;
beforeAll(async () => {
  scene = await Case.open();
});
afterAll(() => scene[Symbol.asyncDispose]());
afterEach(() => scene.federation.overrides.clear());

const refusal = (code: string, status: number) => () => Response.json({ code, message: 'no' }, { status });

const grant = (change: Partial<GrantOptions> = {}) =>
  scene.patient.grant({
    view: scene.view,
    home: HOME,
    relay: scene.federation.relay(HOME),
    grantee: scene.keyCertificate,
    scopes: [SCOPE],
    purposes: ['TREAT'],
    notBefore: Date.now() - 1000,
    notAfter: Date.now() + 3_600_000,
    threshold: 2,
    ...change,
  });

describe('a grant', () => {
  test('reaches every proxy, each with fragments that only it can unseal, and is active', async () => {
    const { grantId, acknowledgedBy, describe: grantee } = await grant();
    const { proxies } = scene.federation.region(HOME);
    expect(acknowledgedBy).toEqual(proxies.map(({ mspId }) => mspId));
    for (const proxy of proxies) expect(proxy.kfrags.get(grantId)).toHaveLength(1);
    expect(grantee).toMatchObject({ name: 'Dr. Li', hospital: 'RegionBHospital1' });
    const status = await scene.federation.relay(HOME).grant(grantId);
    expect(status).toMatchObject({ threshold: 2, acknowledgedBy, destroyedBy: [] });
  });

  test('goes to the named proxies only', async () => {
    const { acknowledgedBy } = await grant({ proxies: ['RegionAHospital1', 'RegionACommission'] });
    expect(acknowledgedBy).toEqual(['RegionACommission', 'RegionAHospital1']);
    expect(await failure(() => grant({ proxies: ['RegionAHospital1', 'Nobody'] }))).toEqual({
      code: 'TOO_FEW_PROXIES',
      party: 'Nobody',
    });
  });

  test('is not even made when the grantee does not hold', async () => {
    const calls = scene.federation.calls.length;
    const { proof } = scene.federation.region(ASKING);
    const grantee = { ...scene.keyCertificate, proof };
    expect(await failure(() => grant({ grantee }))).toEqual({ code: 'REGISTRATION_INVALID' });
    expect(scene.federation.calls.slice(calls)).toEqual([]);
  });

  test('outlasts a proxy that answers late, and one that never does', async () => {
    const { proxies } = scene.federation.region(HOME);
    const [first, second] = proxies;
    let refusals = 2;
    scene.federation.overrides.set(`POST ${new URL(first!.url).host}/v1/kfrags`, (body) =>
      refusals-- > 0 ? refusal('GRANT_UNKNOWN', 404)() : first!.deliver(body as never),
    );
    scene.federation.overrides.set(`POST ${new URL(second!.url).host}/v1/kfrags`, refusal('KFRAG_INVALID', 422));
    const { acknowledgedBy, undelivered } = await grant();
    expect(acknowledgedBy).toEqual(['RegionACommission', 'RegionAHospital2']);
    expect(undelivered).toEqual([{ party: 'RegionAHospital1', code: 'KFRAG_INVALID' }]);
  });

  test('that too few proxies take is an error', async () => {
    for (const { url } of scene.federation.region(HOME).proxies.slice(0, 2))
      scene.federation.overrides.set(`POST ${new URL(url).host}/v1/kfrags`, refusal('KFRAG_INVALID', 422));
    expect(await failure(() => grant())).toEqual({ code: 'GRANT_NOT_ACTIVE' });
  });

  test('carries the chain’s refusal with its code', async () => {
    expect(await failure(() => grant({ scopes: ['imaging'] }))).toEqual({ code: 'EPOCH' });
  });

  test('is made once more for the epoch the chain names, and not again', async () => {
    const { chain } = scene.federation.region(HOME);
    const { grantId } = await grant({ epochs: { [SCOPE]: 2 } });
    expect((await chain.grantEntry(grantId)).grant.scopes).toEqual([{ scope: SCOPE, epoch: 1 }]);
    const calls = scene.federation.calls.length;
    const lie = { code: 'EPOCH', message: `${SCOPE} is at epoch 7` };
    scene.federation.overrides.set('POST region-a.test/v1/grants', () => Response.json(lie, { status: 422 }));
    expect(await failure(() => grant())).toEqual({ code: 'EPOCH' });
    expect(scene.federation.calls.slice(calls).filter((call) => call.endsWith('/v1/grants'))).toHaveLength(2);
  });
});

describe('a proxy is left out of a grant', () => {
  const list = async (...keys: unknown[]) => {
    const honest = scene.federation.region(HOME).proxies.map((proxy) => proxy.proxyKey());
    scene.federation.overrides.set('GET region-a.test/v1/proxies', () => [...honest.slice(1), ...keys]);
    return failure(() => grant({ proxies: ['RegionACommission', 'RegionAHospital1'] }));
  };

  test('when its key is signed by a certificate that is no proxy’s, or another region’s', async () => {
    const { network } = scene.federation.region(HOME);
    const [proxy] = scene.federation.region(HOME).proxies;
    const { document } = proxy!.proxyKey();
    const { certificate, privateKey } = network.credential('RegionACommission', 'relay');
    const relaySigned = signDocument(ProxyKey, document, [{ certificate, sign: createSigner(privateKey) }]);
    expect(await list(relaySigned)).toEqual({ code: 'PROXY_KEY_INVALID' });
    const foreign = new TestProxy('test-federation', scene.federation.region(ASKING).network, 'RegionBCommission');
    expect(await list(foreign.proxyKey({ region: HOME, mspId: 'RegionACommission' }))).toEqual({
      code: 'CERTIFICATE_UNTRUSTED',
    });
    expect(await list(proxy!.proxyKey({ region: ASKING }))).toEqual({
      code: 'PROXY_KEY_INVALID',
      party: 'RegionACommission',
    });
  });

  test('when its key was exchanged on the way', async () => {
    const [proxy, other] = scene.federation.region(HOME).proxies;
    const signed = proxy!.proxyKey();
    const document = { ...signed.document, key: other!.proxyKey().document.key };
    expect(await list({ ...signed, document })).toEqual({ code: 'PROXY_KEY_INVALID' });
  });

  test('and the grant is refused when too few remain', async () => {
    const [first] = scene.federation.region(HOME).proxies;
    scene.federation.overrides.set('GET region-a.test/v1/proxies', () => [first!.proxyKey()]);
    expect(await failure(() => grant())).toEqual({ code: 'TOO_FEW_PROXIES' });
    expect(await failure(() => grant({ threshold: 0 }))).toEqual({ code: 'TOO_FEW_PROXIES' });
  });
});

describe('a revocation', () => {
  test('stops every proxy and is counted by the chain', async () => {
    const { grantId } = await grant();
    const revoked = await scene.patient.revoke({ home: HOME, relay: scene.federation.relay(HOME), grantId });
    expect(revoked.stopped).toHaveLength(3);
    expect(revoked.untold).toEqual([]);
    expect(await revoked.destroyed()).toEqual({ k: 3, n: 3 });
    for (const proxy of scene.federation.region(HOME).proxies) expect(proxy.kfrags.has(grantId)).toBe(false);
  });

  test('does not depend on the relay when the client kept the proxies', async () => {
    const { grantId, proxies } = await grant();
    scene.federation.overrides.set('POST region-a.test/v1/revocations', refusal('FORBIDDEN', 403));
    scene.federation.overrides.set('GET region-a.test/v1/proxies', refusal('FORBIDDEN', 403));
    const relay = scene.federation.relay(HOME);
    const revoked = await scene.patient.revoke({ home: HOME, relay, grantId, proxies });
    expect(revoked.untold).toEqual([{ party: 'relay', code: 'FORBIDDEN' }]);
    expect(revoked).not.toHaveProperty('transactionId');
    expect((await scene.federation.region(HOME).chain.grantEntry(grantId)).revokedAt).toBeTypeOf('number');
  });

  test('that reaches nobody is an error', async () => {
    const { grantId } = await grant();
    scene.federation.overrides.set('POST region-a.test/v1/revocations', refusal('FORBIDDEN', 403));
    for (const { url } of scene.federation.region(HOME).proxies)
      scene.federation.overrides.set(`POST ${new URL(url).host}/v1/revocations`, refusal('FORBIDDEN', 403));
    const act = () => scene.patient.revoke({ home: HOME, relay: scene.federation.relay(HOME), grantId });
    expect(await failure(act)).toEqual({ code: 'REVOCATION_UNDELIVERED' });
  });
});

describe('a patient’s list of waiting requests', () => {
  test('says who waits for what, until the patient declines', async () => {
    const { federation, patient, view } = scene;
    const other = federation.practitioner(ASKING, 'Dr. Wang');
    await federation.register(other, federation.hospital(ASKING));
    const question = { pseudonym: PSEUDONYM, scopes: [SCOPE], purpose: 'TREAT', evidence: PSEUDONYM, minMainHeight: 0 };
    const request = other.request({ ...question, waitForConsent: true });
    const { chain } = federation.region(HOME);
    const { signed } = await federation.region(ASKING).chain.keyCertificate(request.document.keyCertificate);
    await chain.decide(request, signed, undefined);
    const requestId = documentId(Request.type, request.document);
    expect(await patient.waiting(view, HOME)).toMatchObject([
      { requestId, request, requester: { name: 'Dr. Wang', hospital: 'RegionBHospital1' } },
    ]);

    const decline = (id: string) => patient.decline({ home: HOME, relay: federation.relay(HOME), requestId: id });
    expect(await failure(() => decline(PSEUDONYM))).toEqual({ code: 'NOT_WAITING' });
    expect((await decline(requestId)).transactionId).toMatch(/^[0-9a-f]{64}$/);
    expect(await patient.waiting(view, HOME)).toEqual([]);
    await chain.decide(request, signed, undefined);
    expect((await chain.outcome(requestId)).outcome.scopes).toMatchObject([{ reason: 'DECLINED' }]);
  });

  test('takes no request that is not what it is called', async () => {
    const waiting = [{ requestId: PSEUDONYM, request: scene.ask() }];
    scene.federation.overrides.set('POST region-a.test/v1/waiting', () => ({ waiting }));
    expect(await failure(() => scene.patient.waiting(scene.view, HOME))).toEqual({
      code: 'REPLY_MALFORMED',
      party: HOME,
    });
  });
});

describe('a patient’s list of accesses', () => {
  test('says who asked, where and what came of it, newest first, and which region did not say', async () => {
    const { leg, request } = await scene.answer();
    await scene.federation.decide(scene.ask({ purpose: 'HRESCH' }), [HOME]);
    const { accesses, unanswered } = await scene.patient.accesses(scene.view);
    expect(unanswered).toEqual([]);
    expect(accesses.map(({ at }) => at)).toEqual(accesses.map(({ at }) => at).toSorted((a, b) => b - a));
    expect(accesses.find(({ requestId }) => requestId === leg.outcome.requestId)).toMatchObject({
      region: HOME,
      transactionId: leg.transactionId,
      request,
      requester: { name: 'Dr. Li', hospital: 'RegionBHospital1' },
    });
    expect(accesses[0]).toMatchObject({ outcome: { outcome: 'denied', purpose: 'HRESCH' } });
    scene.federation.overrides.set('POST region-a.test/v1/accesses', refusal('BUSY', 503));
    expect(await scene.patient.accesses(scene.view)).toEqual({
      accesses: [],
      unanswered: [{ region: HOME, code: 'BUSY' }],
    });
  });

  test('takes no request that is not what it is called', async () => {
    const { request } = await scene.answer();
    const entry = { requestId: PSEUDONYM, request, legs: [] };
    scene.federation.overrides.set('POST region-a.test/v1/accesses', () => ({ accesses: [entry] }));
    const { unanswered } = await scene.patient.accesses(scene.view);
    expect(unanswered).toEqual([{ region: HOME, code: 'REPLY_MALFORMED' }]);
  });

  test('is refused to anybody else', async () => {
    const { unanswered } = await scene.federation.patient(8).accesses(scene.view);
    expect(unanswered).toEqual([{ region: HOME, code: expect.stringMatching(/^SIGNATURE/) as string }]);
  });
});
