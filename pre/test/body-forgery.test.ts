/** Whatever was done to a sealed body, a reader gets bytes of the plaintext from its start, and an end only where it ends. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BODY_HEADER_BYTES, openBody, openBodyRange, PreError, sealBody } from '../src/index.ts';
import { collect, flipped, seeded } from './fixtures.ts';

const rng = seeded('body forgery');
const contentKey = rng(32);
const CHUNK = 4096;
const SEALED_CHUNK = CHUNK + 16;

const seal = (whole: Uint8Array) => collect(sealBody(contentKey, [whole], { chunkSize: CHUNK, rng }));
const plaintext = Buffer.from(rng(3 * CHUNK + 100));
const sealed = await seal(plaintext);
const other = await seal(plaintext);
const tiny = await seal(plaintext.subarray(0, 60));

interface Got {
  readonly bytes: Buffer;
  readonly complete: boolean;
}

async function readAll(pieces: AsyncIterable<Uint8Array>): Promise<Got> {
  const got: Uint8Array[] = [];
  try {
    for await (const piece of pieces) got.push(piece);
    return { bytes: Buffer.concat(got), complete: true };
  } catch (error) {
    if (!(error instanceof PreError)) throw error;
    return { bytes: Buffer.concat(got), complete: false };
  }
}

/** Reads a forgery from its start, cut in two pieces, and again by range. */
async function expectRefused(forgery: Uint8Array, truth: Buffer): Promise<void> {
  const half = forgery.length >> 1;
  const stream = await readAll(openBody(contentKey, [forgery.subarray(0, half), forgery.subarray(half)]));
  expect(stream.complete).toBe(false);
  expect(truth.subarray(0, stream.bytes.length).equals(stream.bytes)).toBe(true);

  const read = async (offset: number, length: number) => forgery.subarray(offset, offset + length);
  const start = 10;
  const part = await readAll(openBodyRange(contentKey, read, forgery.length, { start, end: truth.length }));
  expect(part.complete).toBe(false);
  expect(truth.subarray(start, start + part.bytes.length).equals(part.bytes)).toBe(true);
}

const join = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts));
const header = sealed.subarray(0, BODY_HEADER_BYTES);
const chunksOf = (body: Uint8Array) =>
  [0, 1, 2, 3].map((index) => body.subarray(BODY_HEADER_BYTES + index * SEALED_CHUNK).subarray(0, SEALED_CHUNK));

describe('no unverified byte comes out of a body of which', () => {
  test('every bit of a small one was flipped', async () => {
    for (let bit = 0; bit < tiny.length * 8; bit++)
      await expectRefused(flipped(tiny, bit >> 3, 1 << (bit & 7)), plaintext.subarray(0, 60));
  });

  test('a bit was flipped, at every position of one of several chunks', { timeout: 60_000 }, async () => {
    for (const at of sealed.keys()) {
      const forgery = flipped(sealed, at, 1 << (at & 7));
      const { bytes, complete } = await readAll(openBody(contentKey, [forgery]));
      expect(complete).toBe(false);
      const whole = Math.max(0, Math.floor((at - BODY_HEADER_BYTES) / SEALED_CHUNK));
      expect(plaintext.subarray(0, whole * CHUNK).equals(bytes)).toBe(true);
    }
  });

  test('the end was cut off, at every length', { timeout: 60_000 }, async () => {
    for (let length = 0; length < tiny.length; length++)
      await expectRefused(tiny.subarray(0, length), plaintext.subarray(0, 60));
    for (let length = 0; length < sealed.length; length += 7)
      await expectRefused(sealed.subarray(0, length), plaintext);
    for (const chunks of [1, 2, 3])
      await expectRefused(sealed.subarray(0, BODY_HEADER_BYTES + chunks * SEALED_CHUNK), plaintext);
  });

  test('something follows the end', async () => {
    const [first = header] = chunksOf(sealed);
    const tails = [Uint8Array.of(0), new Uint8Array(16), rng(SEALED_CHUNK), rng(2 * SEALED_CHUNK), first, sealed];
    for (const tail of tails) await expectRefused(join(sealed, tail), plaintext);
  });

  test('chunks are in any other order, some of them missing or doubled', async () => {
    const chunks = chunksOf(sealed);
    const orders = fc.array(fc.nat({ max: 3 }), { maxLength: 6 }).filter((order) => order.join() !== '0,1,2,3');
    const property = fc.asyncProperty(orders, async (order) => {
      await expectRefused(join(header, ...order.map((index) => chunks[index] ?? header)), plaintext);
    });
    await fc.assert(property);
  });

  test('any part was taken from elsewhere: another place, or another body of the same key and plaintext', async () => {
    const sources = [sealed, other];
    const places = fc.record({
      source: fc.nat({ max: 1 }),
      from: fc.nat({ max: sealed.length - 1 }),
      to: fc.nat({ max: sealed.length - 1 }),
      length: fc.integer({ min: 1, max: 2 * SEALED_CHUNK }),
    });
    const property = fc.asyncProperty(places, async ({ source, from, to, length }) => {
      const forgery = new Uint8Array(sealed);
      forgery.set((sources[source] ?? sealed).subarray(from, from + length).subarray(0, sealed.length - to), to);
      fc.pre(!Buffer.from(forgery).equals(sealed));
      await expectRefused(forgery, plaintext);
    });
    await fc.assert(property);
  });

  test('whole chunks come from another body of the same key and plaintext', async () => {
    const [own, foreign] = [chunksOf(sealed), chunksOf(other)];
    for (let choice = 1; choice < 16; choice++) {
      const mixed = own.map((chunk, index) => ((choice >> index) & 1 ? foreign[index] : chunk) ?? chunk);
      await expectRefused(join(header, ...mixed), plaintext);
    }
  });
});
