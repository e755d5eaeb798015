import { createPrivateKey, X509Certificate } from 'node:crypto';
import { AsnConvert } from '@peculiar/asn1-schema';
import { Certificate, KeyUsageFlags, type TBSCertificate } from '@peculiar/asn1-x509';
import { describe, expect, it } from 'vitest';
import { type AuthorityRecord, createAuthority, restoreAuthority } from '../src/ca.ts';
import { toPem } from '../src/encoding.ts';
import { readSerializedIdentity } from '../src/msp.ts';
import { createSigner } from '../src/signer.ts';
import { createMsp, type Organisation } from '../src/verify.ts';
import { codeOf } from './fixture/code-of.ts';
import { constrain, derOf, extend, forge, rename, use } from './fixture/forge.ts';
import { authority, member, NOW, serialized } from './fixture/network.ts';

const DAY_MS = 86_400_000;
const root = authority('AMSP');
const organisation: Organisation = { mspId: 'AMSP', roots: [root.rootPem] };

describe('an organisation', () => {
  it('identifies what its authority issued', () => {
    const issued = member('AMSP', 'client', { role: 'relay', 'hf.Type': 'client' });
    const identity = createMsp(organisation).identify(issued.certificate, NOW);
    expect([...identity.roles]).toEqual(['member', 'client']);
    expect({ ...identity.attributes }).toEqual({ role: 'relay', 'hf.Type': 'client' });
    expect('constructor' in identity.attributes).toBe(false);
    expect(identity.subject).toBe('CN=client.AMSP,OU=client,O=embedded');
    const native = new X509Certificate(issued.certificate);
    expect(identity.fingerprint).toBe(native.fingerprint256.replaceAll(':', '').toLowerCase());
    expect([identity.notBefore, identity.notAfter]).toEqual([NOW - DAY_MS, NOW + DAY_MS]);
    const message = Buffer.from('m');
    expect(identity.verify(message, createSigner(issued.privateKey)(message))).toBe(true);
    expect(identity.verify(Buffer.from('n'), createSigner(issued.privateKey)(message))).toBe(false);
  });

  it('takes a serialized identity of its own only', () => {
    const issued = member('AMSP', 'peer');
    const msp = createMsp(organisation);
    expect(msp.identify(serialized(issued), NOW)).toBe(msp.identify(issued.certificate, NOW));
    expect(codeOf(() => msp.identify(serialized({ ...issued, mspId: 'BMSP' }), NOW))).toBe('CERTIFICATE_UNTRUSTED');
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.from('0a0141', 'hex'),
      Buffer.from('12', 'hex'),
      Buffer.from('0a0141120142120143', 'hex'),
    ]) {
      expect(codeOf(() => readSerializedIdentity(bytes))).toBe('CERTIFICATE_INVALID');
    }
  });

  it('checks the period of the whole chain', () => {
    const msp = createMsp(organisation);
    const { certificate } = member('AMSP', 'peer');
    expect(codeOf(() => msp.identify(certificate, NOW - DAY_MS))).toBe('accepted');
    expect(codeOf(() => msp.identify(certificate, NOW - DAY_MS - 1))).toBe('CERTIFICATE_EXPIRED');
    expect(codeOf(() => msp.identify(certificate, NOW + DAY_MS + 1))).toBe('CERTIFICATE_EXPIRED');
    expect(codeOf(() => msp.identify(certificate, Number.NaN))).toBe('CERTIFICATE_EXPIRED');
    const early = member('AMSP', 'peer', undefined, { notBefore: NOW - 20 * DAY_MS });
    expect(codeOf(() => msp.identify(early.certificate, NOW - 15 * DAY_MS))).toBe('CERTIFICATE_EXPIRED');
  });

  it('trusts the signature of its root and not its name', () => {
    const impostor = createAuthority({ mspId: 'AMSP', organisation: 'embedded', notBefore: NOW - DAY_MS });
    const { certificate } = impostor.issue({ commonName: 'x', role: 'peer', notBefore: NOW - DAY_MS });
    expect(codeOf(() => createMsp(organisation).identify(certificate, NOW))).toBe('CERTIFICATE_UNTRUSTED');
  });

  it('accepts what a known intermediate issued, and nothing below an unknown or misused one', () => {
    const sub = root.intermediate({ commonName: 'sub' });
    const { certificate } = sub.issue({ commonName: 'x', role: 'admin', notBefore: NOW });
    const leaf = member('AMSP', 'peer');
    const rogue = restoreAuthority({ ...root.record(), ...leaf });
    const below = rogue.issue({ commonName: 'x', role: 'peer', notBefore: NOW });
    const msp = createMsp({ ...organisation, intermediates: sub.intermediates });
    expect([...msp.identify(certificate, NOW).roles]).toEqual(['member', 'admin']);
    expect(codeOf(() => createMsp(organisation).identify(certificate, NOW))).toBe('CERTIFICATE_UNTRUSTED');
    expect(codeOf(() => msp.identify(below.certificate, NOW))).toBe('CERTIFICATE_UNTRUSTED');
    expect(codeOf(() => createMsp({ ...organisation, intermediates: [leaf.certificate] }))).toBe('TRUST_INVALID');
  });

  it('refuses an authority as a signer', () => {
    expect(codeOf(() => createMsp(organisation).identify(root.rootPem, NOW))).toBe('CERTIFICATE_INVALID');
  });

  it('refuses what its authority revoked', () => {
    const ca = restoreAuthority(root.record());
    const [gone, kept] = [member('AMSP', 'peer'), member('AMSP', 'peer')];
    ca.revoke(gone.certificate);
    const msp = createMsp({ ...organisation, crls: [ca.crl()] });
    expect(codeOf(() => msp.identify(gone.certificate, NOW))).toBe('CERTIFICATE_REVOKED');
    expect(codeOf(() => msp.identify(kept.certificate, NOW))).toBe('accepted');
  });

  it('is refused when its roots or lists cannot be trusted', () => {
    const foreign = authority('BMSP').crl();
    const leaf = member('AMSP', 'peer').certificate;
    const [sub = ''] = root.intermediate({ commonName: 'sub' }).intermediates;
    const bad: Organisation[] = [
      { mspId: 'AMSP', roots: [] },
      { mspId: 'A MSP', roots: [root.rootPem] },
      { mspId: 'AMSP', roots: ['x'] },
      { mspId: 'AMSP', roots: [leaf] },
      { mspId: 'AMSP', roots: [sub] },
      { ...organisation, crls: [foreign] },
      { ...organisation, crls: ['x'] },
      { ...organisation, intermediates: [...authority('BMSP').intermediate({ commonName: 'sub' }).intermediates] },
    ];
    expect(bad.map((trust) => codeOf(() => createMsp(trust)))).toEqual(bad.map(() => 'TRUST_INVALID'));
  });

  it('refuses a certificate with any bit changed', () => {
    const { certificate } = member('AMSP', 'peer');
    const der = Buffer.from(new X509Certificate(certificate).raw);
    const msp = createMsp(organisation);
    for (let index = 0; index < der.length; index += 3) {
      const changed = Buffer.from(der);
      changed.writeUInt8(changed.readUInt8(index) ^ (1 << (index % 8)), index);
      const lines = changed.toString('base64').replaceAll(/.{64}/g, '$&\n').trimEnd();
      const pem = `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
      expect(
        codeOf(() => msp.identify(pem, NOW)),
        `byte ${index}`,
      ).toMatch(/^CERTIFICATE_/);
    }
  });

  it('refuses a certificate in any other spelling of what its authority did not sign', () => {
    const der = derOf(member('AMSP', 'peer').certificate);
    const msp = createMsp(organisation);
    const signature = AsnConvert.parse(der, Certificate).signatureValue.byteLength;
    const [outer, algorithm, value] = [4, 12, 3];
    const unsigned = [
      ...Array.from({ length: outer }, (_, index) => index),
      ...Array.from({ length: algorithm + value }, (_, index) => der.length - signature - value - algorithm + index),
    ];
    expect(Buffer.from(der.subarray(unsigned[outer], -signature)).toString('hex')).toMatch(
      /^300a06082a8648ce3d04030203..00$/,
    );
    for (const index of unsigned) {
      for (let bit = 1; bit < 256; bit *= 2) {
        const pem = toPem('CERTIFICATE', der.with(index, (der[index] ?? 0) ^ bit));
        expect([index, codeOf(() => msp.identify(pem, NOW))]).toEqual([index, 'CERTIFICATE_INVALID']);
      }
    }
    const longer = toPem('CERTIFICATE', Uint8Array.of(0x30, 0x83, 0, ...der.subarray(2)));
    expect(codeOf(() => msp.identify(longer, NOW))).toBe('CERTIFICATE_INVALID');
  });

  it('refuses a certificate whose signature claims unused bits', () => {
    const der = derOf(member('AMSP', 'peer').certificate);
    const at = der.length - 1 - AsnConvert.parse(der, Certificate).signatureValue.byteLength;
    expect(der[at]).toBe(0);
    for (let unused = 1; unused < 8; unused += 1) {
      const changed = toPem('CERTIFICATE', der.with(at, unused));
      expect(codeOf(() => createMsp(organisation).identify(changed, NOW))).toBe('CERTIFICATE_INVALID');
    }
  });

  it('takes exactly one PEM block', () => {
    const { certificate } = member('AMSP', 'peer');
    const msp = createMsp(organisation);
    const bad = [
      certificate + certificate,
      `note\n${certificate}`,
      certificate.replace('CERTIFICATE', 'TRUSTED'),
      certificate.replace('\n', ' \n'),
      certificate.replaceAll('\n', '\r\n'),
    ];
    expect(bad.map((pem) => codeOf(() => msp.identify(pem, NOW)))).toEqual(bad.map(() => 'CERTIFICATE_INVALID'));
    expect(codeOf(() => msp.identify(certificate.trimEnd(), NOW))).toBe('accepted');
  });
});

describe('a certificate its authority should not have signed', () => {
  const { certificate } = member('AMSP', 'peer');
  const trust = { ...organisation, intermediates: [] as string[] };
  const judge = (change: (tbs: TBSCertificate) => void) =>
    codeOf(() => createMsp(trust).identify(forge(root, certificate, change), NOW));

  it('is refused', () => {
    const isUnit = (type: string) => type === '2.5.4.11';
    expect(judge(() => undefined)).toBe('accepted');
    expect(judge((tbs) => constrain(tbs, { cA: true }))).toBe('CERTIFICATE_INVALID');
    expect(judge((tbs) => use(tbs, KeyUsageFlags.keyAgreement))).toBe('CERTIFICATE_INVALID');
    expect(judge((tbs) => rename(tbs, (type) => (isUnit(type) ? 0 : 1)))).toBe('CERTIFICATE_INVALID');
    expect(judge((tbs) => rename(tbs, (type) => (isUnit(type) ? 2 : 1)))).toBe('accepted');
    expect(judge((tbs) => Object.assign(tbs, { version: 0 }))).toBe('CERTIFICATE_INVALID');
    expect(judge((tbs) => extend(tbs, '1.2.3.4', true, Buffer.of(5, 0)))).toBe('CERTIFICATE_INVALID');
    expect(judge((tbs) => extend(tbs, '1.2.3.4', false, Buffer.of(5, 0)))).toBe('accepted');
    expect(judge((tbs) => extend(tbs, '2.5.29.14', false, Buffer.of(5, 0)))).toBe('CERTIFICATE_INVALID');
    for (const attributes of ['{', '{}', 'null', '{"attrs":7}', '{"attrs":[]}', '{"attrs":{"role":1}}']) {
      const code = judge((tbs) => extend(tbs, '1.2.3.4.5.6.7.8.1', false, Buffer.from(attributes)));
      expect(code, attributes).toBe('CERTIFICATE_INVALID');
    }
  });

  it('is refused when it names two roles', () => {
    const client = authority('AMSP').issue({ commonName: 'x', role: 'client', notBefore: NOW }).certificate;
    const unit = AsnConvert.parse(derOf(client), Certificate).tbsCertificate.subject[1];
    expect(judge((tbs) => unit && tbs.subject.push(unit))).toBe('CERTIFICATE_INVALID');
  });

  it('is refused with bytes after it', () => {
    const longer = toPem('CERTIFICATE', Buffer.concat([derOf(certificate), Buffer.of(0)]));
    expect(codeOf(() => createMsp(organisation).identify(longer, NOW))).toBe('CERTIFICATE_INVALID');
  });

  it('makes no authority', () => {
    const sub = root.intermediate({ commonName: 'sub' });
    const trusting = (change: (tbs: TBSCertificate) => void) => {
      const pem = forge(root, sub.record().certificate, change);
      const issued = restoreAuthority({ ...sub.record(), certificate: pem }).issue({
        commonName: 'x',
        role: 'peer',
        notBefore: NOW,
      });
      return codeOf(() => createMsp({ ...organisation, intermediates: [pem] }).identify(issued.certificate, NOW));
    };
    expect(trusting(() => undefined)).toBe('accepted');
    expect(trusting((tbs) => use(tbs, KeyUsageFlags.cRLSign))).toBe('TRUST_INVALID');
    expect(trusting((tbs) => constrain(tbs, { cA: false }))).toBe('TRUST_INVALID');
  });

  it('ends where the path length says', () => {
    const chained = (pathLenConstraint: number) => {
      const pem = forge(root, root.rootPem, (tbs) => constrain(tbs, { cA: true, pathLenConstraint }));
      const sub = restoreAuthority({ ...root.record(), certificate: pem }).intermediate({ commonName: 'sub' });
      const issued = sub.issue({ commonName: 'x', role: 'peer', notBefore: NOW });
      const trusted = createMsp({ mspId: 'AMSP', roots: [pem], intermediates: sub.intermediates });
      return codeOf(() => trusted.identify(issued.certificate, NOW));
    };
    expect([chained(1), chained(0)]).toEqual(['accepted', 'CERTIFICATE_UNTRUSTED']);
  });

  it('revokes nothing', () => {
    const impostor = createAuthority({ mspId: 'AMSP', organisation: 'embedded', notBefore: NOW });
    expect(codeOf(() => createMsp({ ...organisation, crls: [impostor.crl()] }))).toBe('TRUST_INVALID');
    const mute = forge(root, root.rootPem, (tbs) => use(tbs, KeyUsageFlags.keyCertSign));
    const crl = restoreAuthority(root.record()).crl();
    expect(codeOf(() => createMsp({ mspId: 'AMSP', roots: [mute] }))).toBe('accepted');
    expect(codeOf(() => createMsp({ mspId: 'AMSP', roots: [mute], crls: [crl] }))).toBe('TRUST_INVALID');
  });
});

describe('an authority', () => {
  it('issues what OpenSSL accepts', () => {
    const issued = member('AMSP', 'peer');
    const native = new X509Certificate(issued.certificate);
    expect(native.checkIssued(new X509Certificate(root.rootPem))).toBe(true);
    expect(native.verify(new X509Certificate(root.rootPem).publicKey)).toBe(true);
    expect(native.checkPrivateKey(createPrivateKey(issued.privateKey))).toBe(true);
    expect(native.ca).toBe(false);
  });

  it('goes on where its record left off', () => {
    const ca = restoreAuthority(root.record());
    const gone = member('AMSP', 'client');
    ca.revoke(gone.certificate);
    const again = restoreAuthority(JSON.parse(JSON.stringify(ca.record())) as AuthorityRecord);
    const { certificate } = again.issue({ commonName: 'later', role: 'client', notBefore: NOW });
    const msp = createMsp({ ...organisation, crls: [again.crl()] });
    expect(codeOf(() => msp.identify(certificate, NOW))).toBe('accepted');
    expect(codeOf(() => msp.identify(gone.certificate, NOW))).toBe('CERTIFICATE_REVOKED');
  });

  it('never certifies beyond its own period', () => {
    const issued = member('AMSP', 'client', undefined, { notAfter: NOW + 9999 * DAY_MS });
    const identity = createMsp(organisation).identify(issued.certificate, NOW);
    expect(identity.notAfter).toBe(Math.floor((NOW + 400 * DAY_MS) / 1000) * 1000);
  });

  it('certifies the public key of somebody who keeps the private one', () => {
    const holder = member('AMSP', 'client');
    const publicKey = new X509Certificate(holder.certificate).publicKey
      .export({ format: 'pem', type: 'spki' })
      .toString();
    const issued = root.issue({ commonName: 'x', role: 'client', publicKey, notBefore: NOW });
    expect(issued.privateKey).toBe('');
    expect(new X509Certificate(issued.certificate).checkPrivateKey(createPrivateKey(holder.privateKey))).toBe(true);
  });
});
