import { X509Certificate } from 'node:crypto';
import { KeyUsageFlags, Name, type TBSCertificate, Validity } from '@peculiar/asn1-x509';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AuthorityRecord, createAuthority, restoreAuthority } from '../src/ca.ts';
import { createMsp, type Organisation, verifyOutcome } from '../src/verify.ts';
import { below, leafOf } from './fixture/chain.ts';
import { codeOf } from './fixture/code-of.ts';
import { constrain, forge, use } from './fixture/forge.ts';
import { CLIENT, draftProof, NOW, TRUST } from './fixture/network.ts';

const DAY_MS = 86_400_000;
const PERIOD = { notBefore: NOW - 20 * DAY_MS, notAfter: NOW + 400 * DAY_MS };
const CREATED = { mspId: 'AMSP', organisation: 'embedded', ...PERIOD };
const root = createAuthority(CREATED);
const sub = root.intermediate({ commonName: 'sub' });
const [subPem = ''] = sub.intermediates;
const trust: Organisation = { mspId: 'AMSP', roots: [root.rootPem], intermediates: [subPem] };

function judge(organisation: Organisation, certificate: string, at = NOW): string {
  return codeOf(() => createMsp(organisation).identify(certificate, at));
}

describe('an intermediate authority', () => {
  it('goes on without the key of its root, from a record of its own', () => {
    const record = JSON.parse(JSON.stringify(sub.record())) as AuthorityRecord;
    expect(record.root).toBe(root.rootPem);
    expect(JSON.stringify(record)).not.toContain(root.record().privateKey.slice(40, 80));
    const again = restoreAuthority(record);
    expect([again.rootPem, again.intermediates]).toEqual([root.rootPem, [subPem]]);
    const [gone, kept] = [leafOf(again), leafOf(again)];
    again.revoke(gone);
    const revoking = { ...trust, crls: [restoreAuthority(again.record()).crl()] };
    expect([judge(revoking, gone), judge(revoking, kept)]).toEqual(['CERTIFICATE_REVOKED', 'accepted']);
  });

  it('may issue no further authority, and lives no longer than its root', () => {
    expect(codeOf(() => sub.intermediate({ commonName: 'further' }))).toBe('CERTIFICATE_INVALID');
    const long = root.intermediate({ commonName: 'long', notBefore: 0, notAfter: NOW + 9999 * DAY_MS });
    const [period] = long.intermediates.map((pem) => new X509Certificate(pem));
    expect([period?.validFromDate.getTime(), period?.validToDate.getTime()]).toEqual(Object.values(PERIOD));
    const short = root.intermediate({ commonName: 'short', notBefore: NOW, notAfter: NOW + DAY_MS });
    const issued = new X509Certificate(leafOf(short, NOW, NOW + 9 * DAY_MS));
    expect(issued.validToDate.getTime()).toBe(NOW + DAY_MS);
  });

  it('is what OpenSSL takes for one', () => {
    const [own, above] = [new X509Certificate(subPem), new X509Certificate(root.rootPem)];
    expect([own.ca, own.checkIssued(above), own.verify(above.publicKey)]).toEqual([true, true, true]);
    expect(new X509Certificate(leafOf(sub)).checkIssued(own)).toBe(true);
  });

  it('leaves the record of a root as it was', () => {
    expect(Object.keys(root.record())).toEqual([
      'mspId',
      'organisation',
      'certificate',
      'privateKey',
      'revoked',
      'crlNumber',
    ]);
    expect(root.intermediates).toEqual([]);
  });
});

describe('trust roots with intermediates', () => {
  it('take what an intermediate issued, and nothing from the root above it', () => {
    expect(judge(trust, leafOf(sub))).toBe('accepted');
    expect(judge(trust, leafOf(root))).toBe('CERTIFICATE_UNTRUSTED');
    expect(judge({ mspId: 'AMSP', roots: [root.rootPem] }, leafOf(root))).toBe('accepted');
    expect(judge({ mspId: 'AMSP', roots: [root.rootPem] }, leafOf(sub))).toBe('CERTIFICATE_UNTRUSTED');
  });

  it('take what a root issued that has no intermediate, beside one that has', () => {
    const other = createAuthority(CREATED);
    const both = { ...trust, roots: [root.rootPem, other.rootPem] };
    expect([other, root, sub].map((ca) => judge(both, leafOf(ca)))).toEqual([
      'accepted',
      'CERTIFICATE_UNTRUSTED',
      'accepted',
    ]);
  });

  it('judge every link by the asked time', () => {
    const short = root.intermediate({ commonName: 'short', notBefore: NOW - DAY_MS, notAfter: NOW });
    // Longer than its authority lives, as only somebody else's software would issue it.
    const long = forge(short, leafOf(short), (tbs) => {
      tbs.validity = new Validity({ notBefore: new Date(NOW - DAY_MS), notAfter: new Date(NOW + DAY_MS) });
    });
    const own = { ...trust, intermediates: short.intermediates };
    expect([judge(own, long), judge(own, long, NOW + 1)]).toEqual(['accepted', 'CERTIFICATE_EXPIRED']);
  });

  it('take nothing that was issued before its authority was, or after it ended', () => {
    const late = root.intermediate({ commonName: 'late', notBefore: NOW - DAY_MS, notAfter: NOW + DAY_MS });
    const own = { ...trust, intermediates: late.intermediates };
    expect(judge(own, leafOf(late, NOW - 2 * DAY_MS))).toBe('CERTIFICATE_EXPIRED');
    const [born, dead] = [NOW + 2 * DAY_MS, NOW + 3 * DAY_MS];
    const posthumous = forge(late, leafOf(late), (tbs) => {
      tbs.validity = new Validity({ notBefore: new Date(born), notAfter: new Date(dead) });
    });
    expect(judge(own, posthumous, born)).toBe('CERTIFICATE_EXPIRED');
    expect(judge(own, leafOf(late))).toBe('accepted');
  });

  it('take nothing below a foreign intermediate of the same name', () => {
    const stranger = createAuthority(CREATED).intermediate({ commonName: 'sub' });
    expect(judge(trust, leafOf(stranger))).toBe('CERTIFICATE_UNTRUSTED');
    expect(judge({ ...trust, intermediates: [subPem, ...stranger.intermediates] }, leafOf(sub))).toBe('TRUST_INVALID');
    const namesake = root.intermediate({ commonName: 'sub' });
    const both = { ...trust, intermediates: [subPem, ...namesake.intermediates] };
    expect([sub, namesake, stranger].map((ca) => judge(both, leafOf(ca)))).toEqual([
      'accepted',
      'accepted',
      'CERTIFICATE_UNTRUSTED',
    ]);
  });

  it.each<[string, (tbs: TBSCertificate) => void, string]>([
    ['nothing wrong', () => undefined, 'accepted'],
    ['no right to issue', (tbs) => use(tbs, KeyUsageFlags.digitalSignature), 'TRUST_INVALID'],
    ['no authority', (tbs) => constrain(tbs, { cA: false }), 'TRUST_INVALID'],
    ['a path length of one', (tbs) => constrain(tbs, { cA: true, pathLenConstraint: 1 }), 'accepted'],
    [
      'a beginning before its root’s',
      (tbs) => {
        tbs.validity = new Validity({ notBefore: new Date(PERIOD.notBefore - DAY_MS), notAfter: new Date(NOW) });
      },
      'TRUST_INVALID',
    ],
  ])('judge an intermediate with %s', (_, change, expected) => {
    const own = below(root, 'changed', change);
    expect(judge({ ...trust, intermediates: own.intermediates }, leafOf(own))).toBe(expected);
  });

  it('hold only as far as path lengths allow', () => {
    const deeper = below(sub, 'deeper');
    const own = { ...trust, intermediates: [subPem, ...deeper.intermediates] };
    expect(judge(own, leafOf(deeper))).toBe('CERTIFICATE_UNTRUSTED');
    const free = below(root, 'free');
    const under = below(free, 'under');
    const longer = { ...trust, intermediates: [...free.intermediates, ...under.intermediates] };
    expect([under, free, root].map((ca) => judge(longer, leafOf(ca)))).toEqual([
      'accepted',
      'CERTIFICATE_UNTRUSTED',
      'CERTIFICATE_UNTRUSTED',
    ]);
  });

  it('cannot be used with an intermediate that signed itself', () => {
    const alone = createAuthority(CREATED);
    expect(judge({ ...trust, intermediates: [alone.rootPem] }, leafOf(alone))).toBe('TRUST_INVALID');
    expect(judge({ ...trust, intermediates: [root.rootPem] }, leafOf(root))).toBe('accepted');
  });

  it('know no way but one: a second certificate of the same authority makes it two', () => {
    const again = restoreAuthority({ ...sub.record(), certificate: forge(root, subPem, () => undefined) });
    const twice = { ...trust, intermediates: [subPem, ...again.intermediates] };
    expect(again.intermediates).not.toEqual([subPem]);
    expect(judge(twice, leafOf(sub))).toBe('CERTIFICATE_UNTRUSTED');
    expect(judge({ ...trust, intermediates: [subPem, subPem] }, leafOf(sub))).toBe('accepted');
  });

  it('are not led in a circle by an authority that certified itself anew', () => {
    const selfIssued = forge(sub, subPem, (tbs) => {
      tbs.issuer = new Name([...tbs.subject]);
    });
    expect(judge({ ...trust, intermediates: [subPem, selfIssued] }, leafOf(sub))).toBe('TRUST_INVALID');
  });
});

describe('a revocation list', () => {
  it('of an intermediate concerns what it issued, and of the root what the root did', () => {
    const ca = createAuthority(CREATED);
    const [one, other] = [ca.intermediate({ commonName: 'one' }), ca.intermediate({ commonName: 'other' })];
    const own: Organisation = {
      mspId: 'AMSP',
      roots: [ca.rootPem],
      intermediates: [...one.intermediates, ...other.intermediates],
    };
    const gone = leafOf(one);
    // The same serial number, from another authority.
    const same = forge(other, leafOf(other), (tbs) => {
      tbs.serialNumber = new Uint8Array(Buffer.from(new X509Certificate(gone).serialNumber, 'hex')).buffer;
    });
    expect(new X509Certificate(same).serialNumber).toBe(new X509Certificate(gone).serialNumber);
    one.revoke(gone);
    const revoking = { ...own, crls: [ca.crl(), one.crl()] };
    expect([gone, leafOf(one), same].map((leaf) => judge(revoking, leaf))).toEqual([
      'CERTIFICATE_REVOKED',
      'accepted',
      'accepted',
    ]);
  });

  it('of the root may not revoke an intermediate that is still listed', () => {
    const ca = createAuthority(CREATED);
    const [one, other] = [ca.intermediate({ commonName: 'one' }), ca.intermediate({ commonName: 'other' })];
    ca.revoke(one.intermediates[0] ?? '');
    const crls = [ca.crl()];
    const both = { mspId: 'AMSP', roots: [ca.rootPem], intermediates: [...one.intermediates, ...other.intermediates] };
    expect(judge({ ...both, crls }, leafOf(other))).toBe('TRUST_INVALID');
    const left = { ...both, intermediates: other.intermediates, crls };
    expect([one, other].map((issuer) => judge(left, leafOf(issuer)))).toEqual(['CERTIFICATE_UNTRUSTED', 'accepted']);
  });

  it('that came later revokes an intermediate, and with it all that it issued', () => {
    const ca = createAuthority(CREATED);
    const one = ca.intermediate({ commonName: 'one' });
    const own = { mspId: 'AMSP', roots: [ca.rootPem], intermediates: one.intermediates };
    const foreign = createAuthority(CREATED).crl();
    const later = (crls: string[]) => codeOf(() => createMsp(own, { crls }).identify(leafOf(one), NOW));
    expect(later([foreign, ca.crl()])).toBe('accepted');
    ca.revoke(one.intermediates[0] ?? '');
    expect(later([foreign, ca.crl()])).toBe('CERTIFICATE_REVOKED');
  });
});

describe('an outcome proof', () => {
  it('holds by intermediates, in whatever order they are listed, and falls with their revocation lists', () => {
    const ca = createAuthority({ ...CREATED, mspId: 'CMSP' });
    const [own, other] = [ca.intermediate({ commonName: 'own' }), ca.intermediate({ commonName: 'other' })];
    const issued = own.issue({ commonName: 'x', role: 'client', notBefore: NOW - DAY_MS });
    const proof = draftProof({ creator: { ...CLIENT, ...issued } });
    const verdict = (intermediates: readonly string[], crls: readonly string[] = []) =>
      codeOf(() => {
        const organisation = { mspId: 'CMSP', roots: [ca.rootPem], intermediates, crls };
        const organisations = TRUST.organisations.map((each) => (each.mspId === 'CMSP' ? organisation : each));
        verifyOutcome(proof, [{ ...TRUST, endorsement: "OutOf(2, 'AMSP.peer', 'BMSP.peer')", organisations }], {}, NOW);
      });
    const [mine, theirs] = [own.intermediates, other.intermediates];
    expect(verdict([...mine, ...theirs])).toBe('accepted');
    expect(verdict([...theirs, ...mine])).toBe('accepted');
    expect(verdict(theirs)).toBe('CERTIFICATE_UNTRUSTED');
    own.revoke(issued.certificate);
    expect(verdict([...mine, ...theirs], [own.crl()])).toBe('CERTIFICATE_REVOKED');
  });
});

describe('a chain of any length', () => {
  /** Path lengths, the root's first; `null`: none said. */
  const lengths = fc.array(fc.option(fc.nat(5)), { minLength: 1, maxLength: 7 });

  it('holds exactly where every path length and the limit of five authorities allow, in any order', () => {
    fc.assert(
      fc.property(
        lengths,
        fc.nat(6),
        fc.array(fc.nat(), { minLength: 6, maxLength: 6 }),
        (constraints, level, order) => {
          const change = (length: number | null) => (tbs: TBSCertificate) =>
            constrain(tbs, { cA: true, ...(length !== null && { pathLenConstraint: length }) });
          const [first = null, ...rest] = constraints;
          const top = restoreAuthority({ ...root.record(), certificate: forge(root, root.rootPem, change(first)) });
          const chain = [top];
          for (const length of rest) chain.push(below(chain.at(-1) ?? top, `ca${chain.length}`, change(length)));
          const issuer = chain[Math.min(level, chain.length - 1)] ?? top;
          const intermediates = rest
            .map((_, index) => ({ pem: chain[index + 1]?.record().certificate ?? '', key: order[index] ?? 0 }))
            .toSorted((one, other) => one.key - other.key)
            .map(({ pem }) => pem);
          /** Whether something with this many authorities above it chains: each may have so many between. */
          const chains = (above: number) =>
            constraints.slice(0, above).every((length, index) => length === null || length >= above - index - 1);
          const last = constraints.length - 1;
          const usable = last <= 5 && Array.from({ length: last }, (_, index) => index + 1).every(chains);
          const expected = !usable
            ? 'TRUST_INVALID'
            : issuer === chain.at(-1) && last <= 4 && chains(last + 1)
              ? 'accepted'
              : 'CERTIFICATE_UNTRUSTED';
          expect(judge({ mspId: 'AMSP', roots: [top.rootPem], intermediates }, leafOf(issuer))).toBe(expected);
        },
      ),
      { numRuns: 60 },
    );
  });
});
