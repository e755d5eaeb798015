import { describe, expect, test } from 'vitest';
import { context, newContentSecret, SecretKey } from '../src/index.ts';
import { openWrappedHeader, SM_SUITE, sealWrappedHeader, WRAPPED_HEADER_BYTES } from '../src/sm/index.ts';
import { flipped, outcome, seeded, spliced } from './fixtures.ts';

const rng = seeded('wrapped header');
const owner = SecretKey.random(rng, SM_SUITE);
const secret = newContentSecret(rng);
const about = context('record', 'r-1', 3);
const header = sealWrappedHeader(owner.publicKey(), secret, about, rng);

describe('wrapped key headers', () => {
  test('open for whom they were sealed to, and nobody else', () => {
    expect(header.length).toBe(WRAPPED_HEADER_BYTES);
    expect(WRAPPED_HEADER_BYTES).toBe(231);
    expect(openWrappedHeader(owner, header, about)).toEqual(secret);
    const eve = SecretKey.random(rng, SM_SUITE);
    expect(outcome(() => openWrappedHeader(eve, header, about))).toBe('HEADER_INVALID');
  });

  test('open only in the context they were sealed in', () => {
    for (const other of [context('record', 'r-2', 3), context(), new Uint8Array()])
      expect(outcome(() => openWrappedHeader(owner, header, other))).toBe('HEADER_INVALID');
  });

  test('one byte changed anywhere is refused', () => {
    const codes = Array.from(header.keys(), (at) =>
      outcome(() => openWrappedHeader(owner, flipped(header, at, at % 2 === 0 ? 1 : 0x40), about)),
    );
    const expected = codes.map((_, at) => (at === 4 || at === 5 ? 'SUITE_UNSUPPORTED' : 'HEADER_INVALID'));
    expect(codes).toEqual(expected);
  });

  test('a missing or a trailing byte is refused', () => {
    for (const changed of [header.subarray(1), header.subarray(0, -1), spliced(header, 231, Uint8Array.of(0))])
      expect(outcome(() => openWrappedHeader(owner, changed, about))).toBe('HEADER_INVALID');
  });

  test('a wrapped key does not carry another header', () => {
    const other = sealWrappedHeader(owner.publicKey(), newContentSecret(rng), about, rng);
    const mixed = spliced(other, 6, header.subarray(6, 135));
    expect(outcome(() => openWrappedHeader(owner, mixed, about))).toBe('HEADER_INVALID');
  });

  test('sealing leaves the secret with its owner, and takes no other shape of secret', () => {
    const own = newContentSecret(rng);
    const copy = { key: new Uint8Array(own.key), salt: new Uint8Array(own.salt) };
    sealWrappedHeader(owner.publicKey(), own, about, rng);
    expect(own).toEqual(copy);
    const act = () => sealWrappedHeader(owner.publicKey(), { ...own, salt: own.salt.subarray(1) }, about, rng);
    expect(outcome(act)).toBe('ARGUMENT_INVALID');
  });
});
