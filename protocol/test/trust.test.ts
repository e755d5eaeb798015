import { createAuthority, createSigner } from '@yilian/ledger';
import {
  Checkpoint,
  identify,
  identifyAny,
  ProtocolError,
  parseTrust,
  ROLE_ATTRIBUTE,
  requireAttested,
  requireSoundTrust,
  rotateTrust,
  signDocument,
  type Trust,
  trustsAt,
} from '@yilian/protocol';
import { describe, expect, test } from 'vitest';

const AT = Date.now();
const authorities = ['One', 'Two'].map((mspId) => createAuthority({ mspId }));
const [one, two] = authorities as [ReturnType<typeof createAuthority>, ReturnType<typeof createAuthority>];
const trust = (change: Partial<Trust> = {}): Trust => ({
  network: 'region-a',
  channel: 'region-a',
  chaincode: 'regional',
  version: 1,
  endorsement: "AND('One.peer', 'Two.peer')",
  attestation: "AND('One.client', 'Two.client')",
  attesters: { [ROLE_ATTRIBUTE]: 'proxy' },
  organisations: authorities.map(({ mspId, rootPem }) => ({ mspId, roots: [rootPem] })),
  validFrom: 0,
  ...change,
});
const member = (authority: typeof one, role = 'proxy') => {
  const { certificate, privateKey } = authority.issue({
    commonName: role,
    role: 'client',
    attributes: { [ROLE_ATTRIBUTE]: role },
  });
  return { certificate, sign: createSigner(privateKey) };
};
const code = (run: () => unknown): string => {
  try {
    run();
    return 'success';
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
};

describe('trust versions', () => {
  test('are in force within their time, ends included, newest first whatever their order', () => {
    const versions = [
      trust({ validUntil: 20 }),
      trust({ version: 3, validFrom: 20 }),
      trust({ version: 2, validFrom: 10 }),
    ];
    const at = (time: number) => trustsAt(versions, time).map(({ version }) => version);
    expect([at(0), at(10), at(20), at(21)]).toEqual([[1], [2, 1], [3, 2, 1], [3, 2]]);
  });

  test('are rotated so that old ones end with the overlap, at most four', () => {
    const rotated = rotateTrust([trust({ validUntil: 5 }), trust()], trust({ version: 2 }), 10);
    expect(rotated.map(({ version, validUntil }) => [version, validUntil])).toEqual([
      [2, undefined],
      [1, 5],
      [1, 10],
    ]);
    const five = [1, 2, 3, 4].map((version) => trust({ version }));
    expect(rotateTrust(five, trust({ version: 5 }), 0)).toHaveLength(4);
  });

  test('vouch for certificates of any version in force, and a revocation in the newest is final', () => {
    const renewed = createAuthority({ mspId: 'One' });
    const next = trust({
      version: 2,
      organisations: [{ mspId: 'One', roots: [renewed.rootPem] }, ...trust().organisations.slice(1)],
    });
    const [old, fresh] = [member(one), member(renewed)];
    const who = (trusts: Trust[], certificate: string, at = AT) => code(() => identify(trusts, 'One', certificate, at));
    expect(who([next, trust()], old.certificate)).toBe('success');
    expect(who([next, trust()], fresh.certificate)).toBe('success');
    expect(who([next, trust({ validUntil: AT - 1 })], old.certificate)).toBe('CERTIFICATE_UNTRUSTED');
    expect(who([trust()], fresh.certificate)).toBe('CERTIFICATE_UNTRUSTED');
    expect(code(() => identify([trust()], 'Three', old.certificate, AT))).toBe('SIGNER_UNTRUSTED');
    expect(code(() => identifyAny([trust()], fresh.certificate, AT))).toBe('SIGNER_UNTRUSTED');
    expect(identifyAny([next, trust()], member(two).certificate, AT).mspId).toBe('Two');
    one.revoke(old.certificate);
    const revoking = trust({
      version: 2,
      organisations: [{ mspId: 'One', roots: [one.rootPem], crls: [one.crl()] }, ...trust().organisations.slice(1)],
    });
    for (const trusts of [
      [revoking, trust()],
      [trust(), revoking],
    ])
      expect(who(trusts, old.certificate)).toBe('CERTIFICATE_REVOKED');
  });

  test('end with an intermediate that the newest revokes and no longer lists', () => {
    const root = createAuthority({ mspId: 'One' });
    const [gone, next] = ['gone', 'next'].map((commonName) => root.intermediate({ commonName })) as [
      typeof root,
      typeof root,
    ];
    const version = (number: number, intermediates: readonly string[], crls: readonly string[] = []) => {
      const own = { mspId: 'One', roots: [root.rootPem], intermediates: [...intermediates], crls: [...crls] };
      return trust({ version: number, organisations: [own, ...trust().organisations.slice(1)] });
    };
    const before = version(1, gone.intermediates);
    const who = (trusts: Trust[], authority: typeof root) =>
      code(() => identify(trusts, 'One', member(authority).certificate, AT));
    expect([gone, next].map((each) => who([before, version(2, next.intermediates)], each))).toEqual([
      'success',
      'success',
    ]);
    root.revoke(gone.record().certificate);
    const after = version(2, next.intermediates, [root.crl()]);
    requireSoundTrust(after);
    expect([gone, next].map((each) => who([before, after], each))).toEqual(['CERTIFICATE_REVOKED', 'success']);
    const both = version(2, [...gone.intermediates, ...next.intermediates], [root.crl()]);
    expect(code(() => requireSoundTrust(both))).toBe('TRUST_INVALID');
  });

  test('hold up to eight intermediates of an organisation, and need none', () => {
    const pem = one.intermediate({ commonName: 'sub' }).intermediates[0] ?? '';
    const parsed = (count?: number) => {
      const intermediates = count === undefined ? {} : { intermediates: Array.from({ length: count }, () => pem) };
      const version = trust({ organisations: [{ mspId: 'One', roots: [one.rootPem], ...intermediates }] });
      return code(() => expect(parseTrust(version)).toEqual(version));
    };
    expect([parsed(), parsed(0), parsed(8), parsed(9)]).toEqual([
      'success',
      'success',
      'success',
      'DOCUMENT_MALFORMED',
    ]);
  });

  test.each([
    ['a policy that is none', { endorsement: 'all of them' }, 'POLICY_INVALID'],
    ['a policy over strangers', { attestation: "OR('Three.client')" }, 'TRUST_INVALID'],
    ['an organisation twice', { organisations: [...trust().organisations, ...trust().organisations] }, 'TRUST_INVALID'],
    ['an end before the beginning', { validFrom: 2, validUntil: 1 }, 'TRUST_INVALID'],
    [
      'a root that is none',
      { organisations: [{ mspId: 'One', roots: [member(one).certificate] }, ...trust().organisations.slice(1)] },
      'TRUST_INVALID',
    ],
    ['nothing wrong', {}, 'success'],
  ] as const)('with %s are judged before use', (_, change, wanted) => {
    expect(code(() => requireSoundTrust(trust(change as Partial<Trust>)))).toBe(wanted);
  });
});

describe('a document signed by attesters', () => {
  const document: Checkpoint = { federation: 'f1', region: 'region-a', size: 1, root: 'A'.repeat(43), at: AT };
  const attested = (signers: ReturnType<typeof member>[], trusts: readonly Trust[] = [trust()]) =>
    code(() => requireAttested(signDocument(Checkpoint, document, signers), trusts, AT));

  test('needs enough organisations, each with an attester’s certificate of its own key', () => {
    const [first, second] = [member(one), member(two)];
    expect(attested([first, second])).toBe('success');
    expect(attested([first])).toBe('ATTESTATION_POLICY');
    expect(attested([first, first])).toBe('ATTESTATION_POLICY');
    expect(attested([first, member(two, 'relay')])).toBe('ATTESTATION_POLICY');
    expect(attested([first, member(two, 'relay')], [trust({ attesters: {} })])).toBe('success');
    expect(attested([first, second, member(createAuthority({ mspId: 'One' }))])).toBe('SIGNER_UNTRUSTED');
    const twice = trust({ attestation: "OutOf(2, 'One.client', 'One.client')" });
    expect(attested([first, first], [twice])).toBe('ATTESTATION_POLICY');
    expect(attested([first, member(one)], [twice])).toBe('success');
    expect(attested([first, second], [trust({ validUntil: AT - 1 })])).toBe('SIGNER_UNTRUSTED');
  });

  test('is not what another document’s signatures make it', () => {
    const signed = signDocument(Checkpoint, document, [member(one), member(two)]);
    const altered = { ...signed, document: { ...document, size: 2 } };
    expect(code(() => requireAttested(altered, [trust()], AT))).toBe('SIGNATURE_INVALID');
  });

  test('fails with an error of this package', () => {
    const signed = signDocument(Checkpoint, document, [member(one)]);
    expect(() => requireAttested(signed, [trust()], AT)).toThrow(ProtocolError);
  });
});
