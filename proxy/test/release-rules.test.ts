import type { Grant, Outcome } from '@yilian/protocol';
import type { GrantEntry, OutcomeEntry, Standing } from '@yilian/regional-chain';
import { expect, test } from 'vitest';
import type { GrantRow } from '../src/grant-book.ts';
import { checkOrder, checkStanding } from '../src/release-rules.ts';

/** The rules of the gate, one at a time: each defect alone is refused, by the layer that is asked here. */
const AT = 1_000_000;
const SELF = { federation: 'yilian-test', region: 'region-a', mspId: 'HospitalA1' };
const ORDER = { requestId: 'request', transactionId: 'transaction' };

const permitted = {
  scope: 'laboratory',
  permitted: true,
  grantId: 'grant',
  epoch: 1,
  scopeKey: 'scope key',
  threshold: 2,
  proxies: ['CommissionA', 'HospitalA1'],
} as const;
const outcome = {
  federation: 'yilian-test',
  region: 'region-a',
  requestId: 'request',
  requestingRegion: 'region-b',
  pseudonym: 'patient',
  purpose: 'TREAT',
  keyCertificate: 'doctor',
  outcome: 'released',
  decidedAt: AT - 1_000,
  patientKnown: true,
  scopes: [permitted],
  release: {
    usableUntil: AT + 299_000,
    patientKey: 'patient key',
    receivingKey: 'doctor key',
    records: [{ recordId: 'record', scope: 'laboratory' }],
  },
} as unknown as Outcome;
const grant = {
  pseudonym: 'patient',
  grantee: 'doctor',
  purposes: ['TREAT'],
  scopes: [{ scope: 'laboratory', epoch: 1 }],
  notBefore: AT - 10_000,
  notAfter: AT + 10_000,
  proxies: [{ mspId: 'HospitalA1', commitment: 'commitment' }],
} as unknown as Grant;
const row = { stage: 'held', commitment: 'commitment', receivingKey: 'doctor key' } as GrantRow;
const standing = {
  grants: [{ grantId: 'grant', grant } as GrantEntry],
  scopeKeys: [{ document: { scope: 'laboratory', epoch: 1, key: 'scope key' } }],
  patient: { signingKey: 'patient key' },
  granteeKey: 'doctor key',
  frozen: false,
} as unknown as Standing;

const order = (changes: { readonly transactionId?: string }, at = AT) => {
  const { transactionId = 'transaction', ...rest } = changes;
  return checkOrder(ORDER, { outcome: { ...outcome, ...rest }, transactionId } as unknown as OutcomeEntry, SELF, at);
};
const withGrant = (changes: object, entry: object = {}) => ({
  grants: [{ grantId: 'grant', grant: { ...grant, ...changes }, ...entry }],
});
const stand = (changes: object, held: GrantRow | undefined = row, at = AT) =>
  checkStanding(order({}), { ...standing, ...changes } as Standing, () => held, SELF, at);
const code = (expected: string): unknown => expect.objectContaining({ code: expected });

test('a release in order passes, until the last moment', () => {
  expect(order({}).scopes.get('laboratory')).toBe(permitted);
  expect(() => stand({})).not.toThrow();
  expect(() => order({}, AT + 299_000)).not.toThrow();
  expect(() => order({}, AT - 61_000)).not.toThrow();
});

test.each([
  ['of another transaction', { transactionId: 'other' }, 'RELEASE_MISMATCH'],
  ['of another request', { requestId: 'other' }, 'RELEASE_MISMATCH'],
  ['of another federation', { federation: 'other' }, 'RELEASE_MISMATCH'],
  ['of another region', { region: 'region-b' }, 'RELEASE_MISMATCH'],
  ['that is a denial', { outcome: 'denied', release: undefined }, 'NOT_RELEASED'],
  ['that released nothing', { release: undefined }, 'NOT_RELEASED'],
  [
    'with a record of a scope that was refused',
    { scopes: [{ scope: 'laboratory', permitted: false, reason: 'SCOPE' }] },
    'NOT_RELEASED',
  ],
  ['with a record of a scope nobody decided', { scopes: [] }, 'NOT_RELEASED'],
  ['in which this proxy has no part', { scopes: [{ ...permitted, proxies: ['CommissionA'] }] }, 'FRAGMENTS_UNKNOWN'],
])('a decision %s is refused', (_, changes: object, refused) => {
  expect(() => order(changes)).toThrow(code(refused));
});

test('a release is refused a millisecond too late, and when it is from the future', () => {
  expect(() => order({}, AT + 299_001)).toThrow(code('RELEASE_EXPIRED'));
  expect(() => order({}, AT - 61_001)).toThrow(code('CLOCK_SKEW'));
});

test.each([
  ['the requesting region is frozen', { frozen: true }, 'REGION_FROZEN'],
  ['the patient has another key', { patient: { signingKey: 'other' } }, 'KEY_MISMATCH'],
  ['the release is for another recipient', { granteeKey: 'other' }, 'KEY_MISMATCH'],
  ['the recipient is not known', { granteeKey: null }, 'KEY_MISMATCH'],
  [
    'the scope is at another epoch',
    { scopeKeys: [{ document: { scope: 'laboratory', epoch: 2, key: 'scope key' } }] },
    'EPOCH',
  ],
  ['the scope has no key', { scopeKeys: [] }, 'EPOCH'],
  [
    'the scope has another key',
    { scopeKeys: [{ document: { scope: 'laboratory', epoch: 1, key: 'other' } }] },
    'KEY_MISMATCH',
  ],
  ['the grant is not on the chain', { grants: [] }, 'GRANT_MISMATCH'],
  ['the grant is revoked', withGrant({}, { revokedAt: AT - 1 }), 'REVOKED'],
  ['the grant is another patient’s', withGrant({ pseudonym: 'other' }), 'GRANT_MISMATCH'],
  ['the grant is another doctor’s', withGrant({ grantee: 'other' }), 'GRANT_MISMATCH'],
  ['the grant is for another purpose', withGrant({ purposes: ['HRESCH'] }), 'PURPOSE'],
  ['the grant is over', withGrant({ notAfter: AT - 1 }), 'PERIOD'],
  ['the grant has not begun', withGrant({ notBefore: AT + 1 }), 'PERIOD'],
  ['the grant is of another scope', withGrant({ scopes: [{ scope: 'imaging', epoch: 1 }] }), 'GRANT_MISMATCH'],
  ['the grant is of another epoch', withGrant({ scopes: [{ scope: 'laboratory', epoch: 2 }] }), 'GRANT_MISMATCH'],
  [
    'the grant commits to other fragments',
    withGrant({ proxies: [{ mspId: 'HospitalA1', commitment: 'other' }] }),
    'COMMITMENT_MISMATCH',
  ],
  [
    'the grant names other proxies',
    withGrant({ proxies: [{ mspId: 'CommissionA', commitment: 'commitment' }] }),
    'COMMITMENT_MISMATCH',
  ],
])('a release is refused when %s', (_, changes, refused) => {
  expect(() => stand(changes)).toThrow(code(refused));
});

test.each([
  ['stopped', { ...row, stage: 'stopped' }, 'REVOKED'],
  ['destroyed', { ...row, stage: 'destroyed' }, 'REVOKED'],
  ['of another commitment', { ...row, commitment: 'other' }, 'COMMITMENT_MISMATCH'],
  ['for another key', { ...row, receivingKey: 'other' }, 'KEY_MISMATCH'],
] as const)('a release is refused when the fragments held are %s', (_, held, refused) => {
  expect(() => stand({}, held)).toThrow(code(refused));
});

test('a release is refused when no fragments are held', () => {
  const none = () => checkStanding(order({}), standing, () => undefined, SELF, AT);
  expect(none).toThrow(code('FRAGMENTS_UNKNOWN'));
});

test('a release is refused when the chain says that nothing was released', () => {
  expect(() => checkStanding(order({}), null, () => row, SELF, AT)).toThrow(code('NOT_RELEASED'));
});
