import {
  AccessQuery,
  Checkpoint,
  ConsentDenial,
  canonicalJson,
  cfragContext,
  DestructionReceipt,
  type DocumentType,
  documentBytes,
  documentId,
  Envelope,
  fromBase64url,
  Grant,
  headerContext,
  identifyAny,
  KeyCertificate,
  kfragContext,
  MainHeight,
  OpenedReceipt,
  PatientKey,
  ProtocolError,
  ProxyKey,
  parseCanonical,
  parseSigned,
  RecordEntry,
  RecordRewrap,
  Request,
  Revocation,
  requireCertificateSignatures,
  requireFresh,
  requireKeySignature,
  ScopeKey,
  type Signed,
  type Trust,
  toBase64url,
} from '@yilian/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import contexts from './vectors/contexts.json' with { type: 'json' };
import file from './vectors/documents.json' with { type: 'json' };

const KINDS: readonly DocumentType[] = [
  PatientKey,
  ScopeKey,
  AccessQuery,
  KeyCertificate,
  RecordEntry,
  RecordRewrap,
  ProxyKey,
  Grant,
  Revocation,
  DestructionReceipt,
  Request,
  ConsentDenial,
  OpenedReceipt,
  MainHeight,
  Checkpoint,
  Envelope,
];
/** Which of the fixed keys signs documents of a type; the others carry a certificate's signature. */
const KEY_SIGNED: Readonly<Record<string, string>> = {
  'patient-key': file.keys.patient,
  'scope-key': file.keys.patient,
  'access-query': file.keys.patient,
  'key-certificate': file.keys.doctor,
  grant: file.keys.patient,
  revocation: file.keys.patient,
  'consent-denial': file.keys.patient,
};
const CERTIFICATE_SIGNED = new Set(['patient-key', 'key-certificate']);
const trusts = [file.trust] as readonly Trust[];
const good = file.vectors.filter(({ expect: wanted }) => wanted === 'success');

function verify(type: string, value: unknown): string {
  const kind = KINDS.find((candidate) => candidate.type === type);
  if (kind === undefined) throw new Error(`no type ${type}`);
  return codeOf(() => {
    const signed = parseSigned(kind, value);
    const key = KEY_SIGNED[type];
    if (key !== undefined) requireKeySignature(signed, key);
    if (key === undefined || CERTIFICATE_SIGNED.has(type))
      requireCertificateSignatures(signed, (certificate) => identifyAny(trusts, certificate, file.at));
  });
}

function codeOf(check: () => unknown): string {
  try {
    check();
    return 'success';
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
    throw error;
  }
}

describe('the vectors of signed documents', () => {
  test('have one for every type', () => {
    expect(good.map(({ type }) => type).sort()).toEqual(KINDS.map(({ type }) => type).sort());
  });

  test.each(good)('$name: bytes and id are these', ({ type, bytes, id, signed }) => {
    expect(toBase64url(documentBytes(type, signed.document))).toBe(bytes);
    expect(documentId(type, signed.document)).toBe(id);
  });

  test.each(file.vectors)('$name: $expect', ({ type, signed, expect: wanted }) => {
    expect(verify(type, signed)).toBe(wanted);
  });

  test('sealed bytes are bound to these contexts', () => {
    const { header, kfrags, cfrags } = contexts;
    expect(toBase64url(headerContext(header))).toBe(header.bytes);
    const { federation, region, pseudonym, mspId } = kfrags;
    expect(toBase64url(kfragContext(federation, region, pseudonym, mspId))).toBe(kfrags.bytes);
    const { requestId, transactionId } = cfrags;
    expect(toBase64url(cfragContext(federation, requestId, transactionId, cfrags.mspId))).toBe(cfrags.bytes);
  });
});

describe('a signed document', () => {
  const any = fc.constantFrom(...good);

  test('is refused with any bit of a signature or a signer flipped', () => {
    fc.assert(
      fc.property(any, fc.nat(), fc.nat(), ({ type, signed }, pick, flip) => {
        const copy = structuredClone(signed) as { signatures: Record<string, string>[] };
        const signature = copy.signatures[pick % copy.signatures.length] ?? {};
        const member = 'key' in signature && pick % 2 === 0 ? 'key' : 'value';
        const bytes = fromBase64url(signature[member] ?? '');
        const place = flip % (bytes.length * 8);
        bytes[place >> 3] = (bytes[place >> 3] ?? 0) ^ (1 << (place & 7));
        signature[member] = toBase64url(bytes);
        expect(verify(type, copy)).not.toBe('success');
      }),
      { numRuns: 300 },
    );
  });

  test('is refused with any character of any text in it changed', () => {
    fc.assert(
      fc.property(any, fc.nat(), fc.nat(), ({ type, signed }, pick, at) => {
        const copy = structuredClone(signed) as unknown as Signed<Record<string, unknown>>;
        const names = Object.keys(copy.document).filter((name) => typeof copy.document[name] === 'string');
        const name = names[pick % names.length] ?? '';
        const old = String(copy.document[name]);
        const place = at % old.length;
        const other = old[place] === 'A' ? 'B' : 'A';
        copy.document[name] = old.slice(0, place) + other + old.slice(place + 1);
        expect(verify(type, copy)).not.toBe('success');
      }),
      { numRuns: 300 },
    );
  });

  test('is refused with any one byte of its text altered', () => {
    const request = good.find(({ type }) => type === 'request');
    const bytes = new TextEncoder().encode(canonicalJson(request?.signed));
    const verdicts = new Set<string>();
    for (let place = 0; place < bytes.length; place += 1) {
      const altered = new TextDecoder().decode(bytes.with(place, (bytes[place] ?? 0) ^ (1 << (place % 8))));
      const spelled = codeOf(() => parseCanonical(altered, 65_536));
      const verdict = spelled === 'success' ? verify('request', JSON.parse(altered)) : spelled;
      if (verdict === 'success') expect.fail(`byte ${place} altered: ${altered}`);
      verdicts.add(verdict);
    }
    expect([...verdicts].sort()).toEqual([
      'ARGUMENT_MALFORMED',
      'BYTES_INVALID',
      'DOCUMENT_MALFORMED',
      'SIGNATURE_INVALID',
      'SIGNER_UNTRUSTED',
    ]);
  });

  test('has another id and other bytes under every other type', () => {
    fc.assert(
      fc.property(any, fc.constantFrom(...KINDS), ({ type, signed, id }, kind) => {
        fc.pre(kind.type !== type);
        expect(documentId(kind.type, signed.document)).not.toBe(id);
        expect(verify(kind.type, { ...signed, type: kind.type })).not.toBe('success');
        expect(verify(kind.type, signed)).toBe('DOCUMENT_MALFORMED');
      }),
    );
  });

  test('has the same bytes whatever the order of its members', () => {
    fc.assert(
      fc.property(any, fc.nat(), ({ type, signed, bytes }, turn) => {
        const members = Object.entries(signed.document);
        const turned = Object.fromEntries([
          ...members.slice(turn % members.length),
          ...members.slice(0, turn % members.length),
        ]);
        expect(toBase64url(documentBytes(type, turned))).toBe(bytes);
      }),
    );
  });

  test('cannot smuggle members past its schema', () => {
    for (const { type, signed } of good) {
      const poisoned: unknown = JSON.parse(
        JSON.stringify(signed).replace('"document":{', '"document":{"__proto__":{"x":1},'),
      );
      expect(verify(type, poisoned)).toBe('DOCUMENT_MALFORMED');
      expect(verify(type, { ...signed, extra: 1 })).toBe('DOCUMENT_MALFORMED');
      expect(verify(type, Object.create(signed))).toBe('DOCUMENT_MALFORMED');
    }
  });
});

describe('canonical JSON', () => {
  test('is read in its one spelling only', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = canonicalJson(value);
        expect(canonicalJson(parseCanonical(text, 1_000_000))).toBe(text);
        for (const other of [` ${text}`, `${text} `, `\uFEFF${text}`])
          expect(() => parseCanonical(other, 1_000_000)).toThrow(/^ARGUMENT_MALFORMED/);
        expect(() => parseCanonical(text, text.length - 1)).toThrow(/^ARGUMENT_TOO_LARGE/);
      }),
    );
  });

  test.each([
    ['a repeated member', '{"a":1,"a":1}'],
    ['members out of order', '{"b":1,"a":1}'],
    ['1.0', '1.0'],
    ['an exponent', '1e3'],
    ['minus zero', '-0'],
    ['a number beyond doubles', '9007199254740993'],
    ['an escape that needs none', '"\\u0061"'],
    ['a lone surrogate', '"\\ud800"'],
    ['a lone surrogate in a name', '{"\\ud800":1}'],
    ['nothing', ''],
    ['two values', '1 1'],
    ['endless arrays', '['.repeat(100_000)],
  ])('does not take %s', (_, text) => {
    expect(() => parseCanonical(text, 1_000_000)).toThrow(/^ARGUMENT_MALFORMED/);
  });

  test('has no form for what JSON has none', () => {
    for (const value of [undefined, Number.NaN, Number.POSITIVE_INFINITY, '\uD800', { a: '\uDC00' }, () => 1])
      expect(() => canonicalJson(value)).toThrow(/^ARGUMENT_MALFORMED/);
  });
});

describe('bytes in JSON', () => {
  test('have one spelling', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
        const text = toBase64url(bytes);
        expect(fromBase64url(text)).toEqual(bytes);
        for (const other of [`${text}=`, ` ${text}`, `${text}\n`, `${text}+`])
          expect(() => fromBase64url(other)).toThrow(/^BYTES_INVALID/);
      }),
    );
    expect(() => fromBase64url('AB')).toThrow(/^BYTES_INVALID/);
  });
});

describe('an envelope', () => {
  const [found] = file.vectors.filter(({ type }) => type === 'envelope');
  const signed = found?.signed as unknown as Signed<Envelope>;
  const { document } = signed;
  const { inReplyTo = '' } = document;
  const expected = { federation: document.federation, from: document.from, to: document.to, inReplyTo };

  test('is for one receiver, from one sender, in reply to one other, and for a minute at most', () => {
    const check =
      (change: object, at = file.at, altered: Partial<Envelope> = {}) =>
      () =>
        requireFresh({ ...signed, document: { ...document, ...altered } }, { ...expected, ...change }, at);
    expect(check({})).not.toThrow();
    expect(check({}, document.expiresAt)).not.toThrow();
    for (const change of [
      { federation: 'x' },
      { from: 'x' },
      { to: 'x' },
      { inReplyTo: 'x' },
      { inReplyTo: undefined },
    ])
      expect(check(change)).toThrow(/^ENVELOPE_MISDIRECTED/);
    expect(check({}, document.expiresAt + 1)).toThrow(/^ENVELOPE_EXPIRED/);
    expect(check({}, file.at, { expiresAt: document.issuedAt + 60_001 })).toThrow(/^ENVELOPE_EXPIRED/);
    expect(check({}, document.issuedAt - 60_001)).toThrow(/^ENVELOPE_EXPIRED/);
  });
});
