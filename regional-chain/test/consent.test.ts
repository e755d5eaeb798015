import type { Grant, Request } from '@yilian/protocol';
import { decide, type GrantState } from '@yilian/regional-chain';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

type Circumstances = Parameters<typeof decide>[0];

const SCOPES = ['laboratory', 'imaging', 'dental'] as const;
const PURPOSES = ['TREAT', 'HRESCH'] as const;
const PATIENT = 'P'.repeat(43);
const KEY = 'K'.repeat(43);
const OTHER = 'O'.repeat(43);
const T = 1_000_000;

const request: fc.Arbitrary<Request> = fc
  .record({
    scopes: fc.uniqueArray(fc.constantFrom(...SCOPES), { minLength: 1 }),
    purpose: fc.constantFrom(...PURPOSES),
  })
  .map(({ scopes, purpose }) => ({
    federation: 'f',
    region: 'b',
    pseudonym: PATIENT,
    scopes,
    purpose,
    evidence: '',
    keyCertificate: KEY,
    minMainHeight: 0,
    priority: 'routine',
    waitForConsent: false,
    notBefore: 0,
    notAfter: 2 * T,
    nonce: '',
  }));

/** Values near what makes a grant fit, so that permits and near misses are both common. */
const state: fc.Arbitrary<GrantState> = fc
  .record({
    grantId: fc.string({ unit: fc.constantFrom(...Array.from('abcdef')), minLength: 6, maxLength: 6 }),
    grantee: fc.constantFrom(KEY, KEY, KEY, OTHER),
    pseudonym: fc.constantFrom(PATIENT, PATIENT, PATIENT, OTHER),
    purposes: fc.uniqueArray(fc.constantFrom(...PURPOSES), { minLength: 1 }),
    scopes: fc.uniqueArray(fc.record({ scope: fc.constantFrom(...SCOPES), epoch: fc.constantFrom(1, 2, 2) }), {
      minLength: 1,
      selector: ({ scope }) => scope,
    }),
    notBefore: fc.constantFrom(0, T, T + 1),
    notAfter: fc.constantFrom(T - 1, T, 2 * T),
    threshold: fc.constantFrom(1, 2),
    acknowledgedBy: fc.uniqueArray(fc.constantFrom('A', 'B', 'C')),
    revokedAt: fc.option(fc.constant(T - 5), { nil: undefined, freq: 4 }),
  })
  .map(({ grantId, acknowledgedBy, revokedAt, ...grant }) => ({
    grantId,
    acknowledgedBy,
    ...(revokedAt === undefined ? {} : { revokedAt }),
    grant: { federation: 'f', region: 'a', signedAt: 0, nonce: '', proxies: [], ...grant } satisfies Grant,
  }));

const circumstances: fc.Arbitrary<Circumstances> = fc.record({
  request,
  grants: fc.uniqueArray(state, { maxLength: 6, selector: ({ grantId }) => grantId }),
  scopes: fc.constant(new Map(SCOPES.slice(0, 2).map((scope) => [scope, { epoch: 2, key: `key of ${scope}` }]))),
  certificateValid: fc.constantFrom(true, true, true, false),
  regionFrozen: fc.constantFrom(false, false, false, true),
  declined: fc.constantFrom(false, false, false, true),
  at: fc.constantFrom(T - 1, T, T + 1),
});

const permitted = (decisions: ReturnType<typeof decide>) =>
  new Set(decisions.filter((decision) => decision.permitted).map(({ scope }) => scope));

describe('the consent rules', () => {
  test('decide every scope that was asked for, once and in its order', () => {
    fc.assert(
      fc.property(circumstances, (given) => {
        expect(decide(given).map(({ scope }) => scope)).toEqual(given.request.scopes);
      }),
    );
  });

  test('permit only under one grant that satisfies everything', () => {
    let permits = 0;
    fc.assert(
      fc.property(circumstances, (given) => {
        for (const decision of decide(given)) {
          if (!decision.permitted) continue;
          permits += 1;
          const used = given.grants.find(({ grantId }) => grantId === decision.grantId);
          const { grant, acknowledgedBy = [], revokedAt } = used ?? {};
          expect(given).toMatchObject({ certificateValid: true, regionFrozen: false, declined: false });
          expect(revokedAt).toBeUndefined();
          expect(grant).toMatchObject({ grantee: given.request.keyCertificate, pseudonym: given.request.pseudonym });
          expect(grant?.purposes).toContain(given.request.purpose);
          expect(grant?.scopes).toContainEqual({ scope: decision.scope, epoch: 2 });
          expect(given.scopes.get(decision.scope)).toEqual({ epoch: decision.epoch, key: decision.scopeKey });
          expect(given.at).toBeGreaterThanOrEqual(grant?.notBefore ?? Number.NaN);
          expect(given.at).toBeLessThanOrEqual(grant?.notAfter ?? Number.NaN);
          expect(decision.proxies).toEqual([...acknowledgedBy].sort());
          expect(decision.proxies.length).toBeGreaterThanOrEqual(grant?.threshold ?? Number.NaN);
        }
      }),
      { numRuns: 1000 },
    );
    expect(permits).toBeGreaterThan(20);
  });

  test('permit no more after a revocation, whichever it is', () => {
    fc.assert(
      fc.property(circumstances, fc.nat(), (given, index) => {
        const before = permitted(decide(given));
        const grants = given.grants.map((known, place) =>
          place === index % Math.max(given.grants.length, 1) ? { ...known, revokedAt: T - 1 } : known,
        );
        for (const scope of permitted(decide({ ...given, grants }))) expect(before).toContain(scope);
        const none = decide({ ...given, grants: given.grants.map((known) => ({ ...known, revokedAt: T - 1 })) });
        expect(permitted(none).size).toBe(0);
      }),
      { numRuns: 500 },
    );
  });

  test('refuse nothing more because of further grants', () => {
    fc.assert(
      fc.property(circumstances, state, (given, further) => {
        fc.pre(!given.grants.some(({ grantId }) => grantId === further.grantId));
        const after = permitted(decide({ ...given, grants: [...given.grants, further] }));
        for (const scope of permitted(decide(given))) expect(after).toContain(scope);
      }),
      { numRuns: 500 },
    );
  });

  test('do not depend on the order of grants', () => {
    fc.assert(
      fc.property(
        circumstances.chain((given) =>
          fc.tuple(fc.constant(given), fc.shuffledSubarray([...given.grants], { minLength: given.grants.length })),
        ),
        ([given, grants]) => {
          expect(decide({ ...given, grants })).toEqual(decide(given));
        },
      ),
      { numRuns: 500 },
    );
  });

  test('permit nothing for another key, purpose or epoch, outside the period, or when anything general forbids it', () => {
    fc.assert(
      fc.property(circumstances, (given) => {
        const none = (change: Partial<Circumstances>) =>
          expect(permitted(decide({ ...given, ...change })).size).toBe(0);
        none({ request: { ...given.request, keyCertificate: 'Z'.repeat(43) } });
        none({ request: { ...given.request, pseudonym: 'Z'.repeat(43) } });
        none({ request: { ...given.request, purpose: 'HMARKT' } });
        none({ scopes: new Map(SCOPES.map((scope) => [scope, { epoch: 3, key: 'k' }])) });
        none({ scopes: new Map() });
        none({ at: 2 * T + 1 });
        none({ certificateValid: false });
        none({ regionFrozen: true });
        none({ declined: true });
      }),
      { numRuns: 300 },
    );
  });

  test('name the nearest obstacle', () => {
    const grant: Grant = {
      federation: 'f',
      region: 'a',
      pseudonym: PATIENT,
      grantee: KEY,
      purposes: ['TREAT'],
      scopes: [{ scope: 'laboratory', epoch: 2 }],
      notBefore: 0,
      notAfter: 2 * T,
      threshold: 2,
      proxies: [],
      signedAt: 0,
      nonce: '',
    };
    const asked = { ...fc.sample(request, 1)[0], scopes: ['laboratory'], purpose: 'TREAT' } as Request;
    const given: Circumstances = {
      request: asked,
      grants: [{ grantId: 'a', grant, acknowledgedBy: ['A', 'B'] }],
      scopes: new Map([['laboratory', { epoch: 2, key: 'k' }]]),
      certificateValid: true,
      regionFrozen: false,
      declined: false,
      at: T,
    };
    const reason = (change: Partial<Circumstances> = {}, of: Partial<GrantState> = {}, terms: Partial<Grant> = {}) => {
      const grants = given.grants.map((known) => ({ ...known, ...of, grant: { ...grant, ...terms } }));
      const [decision] = decide({ ...given, grants, ...change });
      return decision?.permitted === false ? decision.reason : 'permitted';
    };
    expect(reason()).toBe('permitted');
    expect(reason({ certificateValid: false, regionFrozen: true, declined: true })).toBe('CERTIFICATE_INVALID');
    expect(reason({ regionFrozen: true, declined: true })).toBe('REGION_FROZEN');
    expect(reason({ declined: true })).toBe('DECLINED');
    expect(reason({ grants: [] })).toBe('NO_GRANT');
    expect(reason({}, { revokedAt: 1 })).toBe('REVOKED');
    expect(reason({}, {}, { scopes: [{ scope: 'imaging', epoch: 1 }] })).toBe('SCOPE');
    expect(reason({}, {}, { purposes: ['HRESCH'] })).toBe('PURPOSE');
    expect(reason({}, {}, { notAfter: T - 1 })).toBe('PERIOD');
    expect(reason({}, {}, { scopes: [{ scope: 'laboratory', epoch: 1 }] })).toBe('EPOCH');
    expect(reason({}, { acknowledgedBy: ['A'] })).toBe('NOT_ACTIVE');
    const two = [
      { grantId: 'a', grant, acknowledgedBy: [], revokedAt: 1 },
      { grantId: 'b', grant, acknowledgedBy: ['A'] },
    ];
    expect(reason({ grants: two })).toBe('NOT_ACTIVE');
  });
});
