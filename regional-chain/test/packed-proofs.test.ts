import { readFileSync } from 'node:fs';
import { deflateRawSync } from 'node:zlib';
import { canonicalJson, type OutcomeProof, ProtocolError, toBase64url, utf8Bytes } from '@yilian/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { packProofs, unpackProofs } from '../src/index.ts';

interface Vector {
  readonly name: string;
  readonly packed: string;
  readonly expect: string;
  readonly proofs?: readonly OutcomeProof[];
}
const { vectors } = JSON.parse(readFileSync(new URL('./vectors/packed-proofs.json', import.meta.url), 'utf8')) as {
  readonly vectors: readonly Vector[];
};

const MIB = 1024 * 1024;
const base64url = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((value) => toBase64url(value));
const attestations = fc.array(
  fc.record({
    statement: fc.record({
      network: fc.constantFrom('region-a', 'region-b'),
      channel: fc.constant('region-a'),
      transaction: base64url(32).map((text) => Buffer.from(text, 'base64url').toString('hex')),
      block: fc.nat(),
      envelopeHash: base64url(32),
      validationCode: fc.nat({ max: 255 }),
      trustRootVersion: fc.integer({ min: 1, max: 9 }),
    }),
    mspId: fc.constantFrom('HospitalA1', 'CommissionA'),
    certificate: fc.constant(`-----BEGIN CERTIFICATE-----\n${'QUJD'.repeat(16)}\n-----END CERTIFICATE-----\n`),
    signature: base64url(70),
  }),
  { minLength: 1, maxLength: 3 },
);
const proof: fc.Arbitrary<OutcomeProof> = fc.record({
  network: fc.constantFrom('region-a', 'region-b'),
  envelope: fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => toBase64url(bytes)),
  attestations,
});
const [one] = fc.sample(proof, { numRuns: 1, seed: 1 }) as [OutcomeProof];

/** Packs what no proof need be. */
function packed(...parts: readonly Uint8Array[]): string {
  return text(deflateRawSync(Buffer.concat(parts.flatMap((part) => [length(part.length), part]))));
}
const text = (bytes: Uint8Array) => toBase64url(bytes);
function length(count: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(count);
  return bytes;
}
/** `proofs`, or with which code they are refused. */
function verdictOn(given: string): string {
  try {
    return unpackProofs(given).length > 0 ? 'proofs' : 'none';
  } catch (error) {
    return error instanceof ProtocolError ? error.code : 'no code';
  }
}
const rest = ({ envelope: _, ...others }: OutcomeProof) => utf8Bytes(canonicalJson(others));
const envelope = (of: OutcomeProof) => Buffer.from(of.envelope, 'base64url');

describe('packed proofs', () => {
  test.each(vectors)('$name', ({ packed: given, expect: expected, proofs }) => {
    if (expected === 'success') expect(unpackProofs(given)).toEqual(proofs);
    else expect(() => unpackProofs(given)).toThrow(expect.objectContaining({ code: expected }));
  });

  test('are the same proofs again, in their order', () => {
    fc.assert(
      fc.property(fc.array(proof, { minLength: 1, maxLength: 64 }), (proofs) => {
        expect(unpackProofs(packProofs(proofs))).toEqual(proofs);
      }),
      { numRuns: 40 },
    );
  });

  test('are much smaller together than what they say', () => {
    const [many] = fc.sample(fc.array(proof, { minLength: 16, maxLength: 16 }), { numRuns: 1, seed: 2 }) as [
      OutcomeProof[],
    ];
    expect(packProofs(many).length).toBeLessThan(canonicalJson(many).length * 0.6);
  });

  test('are refused wherever they are cut, and with anything behind them', () => {
    const whole = Buffer.from(packProofs([one, one]), 'base64url');
    for (let size = 0; size < whole.length; size += 1)
      expect(() => unpackProofs(text(whole.subarray(0, size)))).toThrow(/^ARGUMENT_MALFORMED/);
    for (const more of [whole, Buffer.from([0]), Buffer.from([3, 0])])
      expect(() => unpackProofs(text(Buffer.concat([whole, more])))).toThrow(/^ARGUMENT_MALFORMED/);
  });

  test('are refused with a code, or have the shape of proofs, whichever bit is turned over', () => {
    const whole = Buffer.from(packProofs([one]), 'base64url');
    for (let bit = 0; bit < whole.length * 8; bit += 1) {
      const place = bit >> 3;
      const altered = text(whole.with(place, (whole[place] ?? 0) ^ (1 << (bit & 7))));
      expect(verdictOn(altered)).toMatch(/^(?:proofs|(?:ARGUMENT|DOCUMENT)_(?:MALFORMED|TOO_LARGE))$/);
    }
  });

  test.each<{ readonly what: string; readonly given: string }>([
    { what: 'nothing', given: '' },
    { what: 'padded base64', given: `${packProofs([one])}=` },
    { what: 'JSON, as it was', given: canonicalJson([one]) },
    { what: 'no proof', given: packed() },
    { what: 'an envelope without attestations', given: packed(envelope(one)) },
    {
      what: 'a length beyond the end',
      given: text(deflateRawSync(Buffer.concat([length(9), envelope(one).subarray(0, 8)]))),
    },
    { what: 'half a length', given: text(deflateRawSync(Buffer.from([0, 0]))) },
    { what: '65 proofs', given: packProofs(Array<OutcomeProof>(65).fill(one)) },
    { what: 'an envelope in two places', given: packed(envelope(one), utf8Bytes(canonicalJson(one))) },
    { what: 'attestations that are no UTF-8', given: packed(envelope(one), Buffer.from([0xff])) },
    {
      what: 'attestations in another spelling',
      given: packed(envelope(one), utf8Bytes(JSON.stringify({ network: 'x', attestations: [] }))),
    },
  ])('are not $what', ({ given }) => {
    expect(() => unpackProofs(given)).toThrow(/^ARGUMENT_MALFORMED/);
  });

  test('have the members of a proof and no others', () => {
    const { network, attestations: signed } = one;
    for (const value of [{ network }, { attestations: signed, extra: 1, network }, { attestations: [], network }, []])
      expect(() => unpackProofs(packed(envelope(one), utf8Bytes(canonicalJson(value))))).toThrow(/^DOCUMENT_MALFORMED/);
    expect(() => unpackProofs(packed(new Uint8Array(), rest(one)))).toThrow(/^DOCUMENT_MALFORMED/);
  });

  test('of more than 8 MiB are refused however small they were made', () => {
    const bomb = deflateRawSync(Buffer.alloc(64 * MIB));
    expect(bomb.length).toBeLessThan(MIB);
    expect(() => unpackProofs(text(bomb))).toThrow(/^ARGUMENT_TOO_LARGE/);
  });
});
