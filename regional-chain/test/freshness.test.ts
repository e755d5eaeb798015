import { createAuthority, createSigner } from '@yilian/ledger';
import {
  canonicalJson,
  MainHeight,
  type RegionEntry,
  ROLE_ATTRIBUTE,
  signDocument,
  type Trust,
} from '@yilian/protocol';
import { describe, expect, test } from 'vitest';
import { requireFreshMirror } from '../contracts/freshness.ts';

const AT = Date.now();
const authorities = ['One', 'Two', 'Three', 'Four'].map((mspId) => createAuthority({ mspId }));
const attester = (index: number, role = 'proxy') => {
  const authority = authorities[index];
  if (authority === undefined) throw new Error('no such authority');
  const { certificate, privateKey } = authority.issue({
    commonName: 'attester',
    role: 'client',
    attributes: { [ROLE_ATTRIBUTE]: role },
  });
  return { certificate, sign: createSigner(privateKey) };
};
const trust: Trust = {
  network: 'main',
  channel: 'main',
  chaincode: 'main',
  version: 1,
  endorsement: "OutOf(3, 'One.peer', 'Two.peer', 'Three.peer', 'Four.peer')",
  attestation: "OutOf(3, 'One.client', 'Two.client', 'Three.client', 'Four.client')",
  attesters: { [ROLE_ATTRIBUTE]: 'proxy' },
  organisations: authorities.map(({ mspId, rootPem }) => ({ mspId, roots: [rootPem] })),
  validFrom: 0,
};
const home = { federation: 'test', region: 'a', main: [trust] };
const entry = { federation: 'test', region: 'b', version: 7 } as RegionEntry;
const three = [0, 1, 2].map((index) => attester(index));

function height(change: Partial<MainHeight> = {}, signers = three): string {
  const regions = [
    { region: 'aa', version: 1 },
    { region: 'b-b', version: 2 },
  ];
  const document = {
    federation: 'test',
    height: 50,
    regions: [...regions, { region: 'bb', version: 7 }],
    at: AT,
    ...change,
  };
  return canonicalJson(signDocument(MainHeight, document, signers));
}

const check = (ageMs: number, mainHeight = '', minMainHeight = 0, trusts: readonly Trust[] = [trust]) => {
  const mirror = { entry: { ...entry, region: 'bb' }, mainHeight: 10, mainTime: AT - ageMs };
  return () => requireFreshMirror({ ...home, main: trusts }, mirror, minMainHeight, mainHeight, AT);
};

describe('a mirror', () => {
  test('is fresh by itself for sixty seconds, up to its height', () => {
    expect(check(0)).not.toThrow();
    expect(check(60_000, '', 10)).not.toThrow();
    expect(check(60_001)).toThrow(/^ROOTS_STALE/);
    expect(check(0, '', 11)).toThrow(/^ROOTS_STALE/);
  });

  test('is as fresh as the height attested by enough authorities, up to that height', () => {
    expect(check(86_400_000, height(), 50)).not.toThrow();
    expect(check(86_400_000, height({ at: AT - 60_000 }))).not.toThrow();
    expect(check(86_400_000, height({ at: AT - 60_001 }))).toThrow(/^ROOTS_STALE/);
    expect(check(86_400_000, height(), 51)).toThrow(/^ROOTS_STALE/);
    expect(check(0, height({ at: AT + 60_001 }))).toThrow(/^DOCUMENT_FROM_FUTURE/);
  });

  test('is stale as soon as authorities attest another version of the region, or none', () => {
    expect(check(0, height({ regions: [{ region: 'bb', version: 8 }] }))).toThrow(/^ROOTS_STALE/);
    expect(check(0, height({ regions: [{ region: 'bb', version: 6 }] }))).toThrow(/^ROOTS_STALE/);
    expect(check(0, height({ regions: [] }))).toThrow(/^ROOTS_STALE/);
  });

  test('is not refreshed by too few, by others, twice by one, or by a foreign federation', () => {
    expect(check(0, height({}, three.slice(0, 2)))).toThrow(/^ATTESTATION_POLICY/);
    const [first, second] = three;
    if (first === undefined || second === undefined) throw new Error('no attesters');
    expect(check(0, height({}, [first, first, second]))).toThrow(/^ATTESTATION_POLICY/);
    expect(check(0, height({}, [first, second, attester(2, 'relay')]))).toThrow(/^ATTESTATION_POLICY/);
    const stranger = createAuthority({ mspId: 'One' }).issue({
      commonName: 'x',
      role: 'client',
      attributes: { [ROLE_ATTRIBUTE]: 'proxy' },
    });
    const forger = { certificate: stranger.certificate, sign: createSigner(stranger.privateKey) };
    expect(check(0, height({}, [...three, forger]))).toThrow(/^SIGNER_UNTRUSTED/);
    expect(check(0, height({ federation: 'other' }))).toThrow(/^FEDERATION_MISMATCH/);
    const altered = height().replace('"height":50', '"height":51');
    expect(check(0, altered)).toThrow(/^SIGNATURE_INVALID/);
  });

  test('is refreshed by roots in force only', () => {
    const ended = { ...trust, validUntil: AT - 1 };
    expect(check(0, height(), 0, [ended])).toThrow(/^SIGNER_UNTRUSTED/);
    const next = {
      ...trust,
      version: 2,
      attestation: "OutOf(4, 'One.client', 'Two.client', 'Three.client', 'Four.client')",
    };
    expect(check(0, height(), 0, [next, trust])).not.toThrow();
    expect(check(0, height(), 0, [next, ended])).toThrow(/^ATTESTATION_POLICY/);
  });
});
