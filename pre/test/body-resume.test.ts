import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { BODY_HEADER_BYTES, openBody, resumeBody, sealBody } from '../src/index.ts';
import { SM_SUITE } from '../src/sm/index.ts';
import { asyncOutcome, collect, flipped, seeded } from './fixtures.ts';

const rng = seeded('body resume');
const contentKey = rng(32);
const CHUNK = 4096;
const SEALED_CHUNK = CHUNK + 16;

const seal = (plaintext: Uint8Array) => collect(sealBody(contentKey, [plaintext], { chunkSize: CHUNK, rng }));
const readFrom = (bytes: Uint8Array) => async (offset: number, length: number) =>
  bytes.subarray(offset, offset + length);
const sourceOf = (plaintext: Uint8Array) => (offset: number) => [plaintext.subarray(offset)];
const resume = (written: Uint8Array, plaintext: Uint8Array, key = contentKey) =>
  collect(resumeBody(key, readFrom(written), written.length, sourceOf(plaintext)));

async function expectGoesOn(sealed: Uint8Array, at: number, plaintext: Uint8Array): Promise<void> {
  const rest = await resume(sealed.subarray(0, at), plaintext);
  expect(Buffer.from(sealed.subarray(at)).equals(rest)).toBe(true);
}

const plaintext = rng(2 * CHUNK + 100);
const sealed = await seal(plaintext);

describe('a writer that was interrupted', () => {
  test.each([0, 1, 60, CHUNK, CHUNK + 20])('after any byte of a body of %d goes on to the same bytes', async (size) => {
    const small = rng(size);
    const body = await seal(small);
    for (let at = BODY_HEADER_BYTES; at <= body.length; at++) await expectGoesOn(body, at, small);
  });

  test('around the edges of every chunk goes on to the same bytes', async () => {
    for (const size of [2 * CHUNK, 2 * CHUNK + 1, 3 * CHUNK - 1, 3 * CHUNK]) {
      const whole = rng(size);
      const body = await seal(whole);
      for (let edge = BODY_HEADER_BYTES; edge < body.length + SEALED_CHUNK; edge += SEALED_CHUNK) {
        for (let at = Math.max(edge - 20, BODY_HEADER_BYTES); at <= Math.min(edge + 20, body.length); at++)
          await expectGoesOn(body, at, whole);
      }
    }
  });

  test('goes on in suite 2, whose tags are longer', async () => {
    const suite = SM_SUITE;
    const sealedChunk = CHUNK + suite.chunk.tagBytes;
    const body = await collect(sealBody(contentKey, [plaintext], { chunkSize: CHUNK, rng, suite }));
    const edges = [0, 1, 2].map((index) => BODY_HEADER_BYTES + index * sealedChunk);
    const places = [...edges.flatMap((edge) => [edge, edge + 1, edge + CHUNK, edge + sealedChunk - 1]), body.length];
    for (const at of places.filter((place) => place <= body.length)) {
      const written = body.subarray(0, at);
      const resumed = resumeBody(contentKey, readFrom(written), at, sourceOf(plaintext), { suite });
      expect(Buffer.from(body.subarray(at)).equals(await collect(resumed))).toBe(true);
    }
  });

  test('again and again ends with the same bytes', async () => {
    const cuts = fc.array(fc.integer({ min: 1, max: 3000 }), { maxLength: 10 });
    const property = fc.asyncProperty(cuts, async (more) => {
      let written = sealed.slice(0, BODY_HEADER_BYTES);
      for (const length of [...more, sealed.length]) {
        const rest = await resume(written, plaintext);
        written = new Uint8Array(Buffer.concat([written, rest.subarray(0, length)]));
      }
      expect(Buffer.from(sealed).equals(written)).toBe(true);
      expect(Buffer.from(plaintext).equals(await collect(openBody(contentKey, [written])))).toBe(true);
    });
    await fc.assert(property, { numRuns: 30 });
  });

  test('reads the header and no more than two chunks of what is written', async () => {
    const long = rng(9 * CHUNK + 5);
    const body = await seal(long);
    const at = BODY_HEADER_BYTES + 7 * SEALED_CHUNK + 50;
    const read = vi.fn(readFrom(body));
    const source = vi.fn(sourceOf(long));
    const rest = await collect(resumeBody(contentKey, read, at, source));
    expect(Buffer.from(body.subarray(at)).equals(rest)).toBe(true);
    expect(read.mock.calls.map(([offset, length]) => [offset, length])).toEqual([
      [0, BODY_HEADER_BYTES],
      [BODY_HEADER_BYTES + 6 * SEALED_CHUNK, SEALED_CHUNK + 50],
    ]);
    expect(source.mock.calls).toEqual([[6 * CHUNK]]);
  });

  test.each([0, 60, CHUNK, CHUNK + 20])(
    'has nothing to add to a whole body of %d, nor asks for the source',
    async (size) => {
      const body = await seal(rng(size));
      const source = vi.fn(sourceOf(new Uint8Array()));
      expect(await collect(resumeBody(contentKey, readFrom(body), body.length, source))).toEqual(new Uint8Array());
      expect(source).not.toHaveBeenCalled();
    },
  );
});

describe('resuming is refused, before a byte comes out, when', () => {
  const at = BODY_HEADER_BYTES + SEALED_CHUNK + 200;
  const written = sealed.subarray(0, at);
  const refusal = async (bytes: Uint8Array, source: Uint8Array, key = contentKey) => {
    let pieces = 0;
    const act = async () => {
      const resumed = resumeBody(key, readFrom(bytes), bytes.length, sourceOf(source));
      for await (const piece of resumed) pieces += piece.length;
    };
    const code = await asyncOutcome(act);
    expect(pieces).toBe(0);
    return code;
  };

  test('the source differs in a byte of the last whole chunk or of what follows it', async () => {
    for (const position of [0, 1, CHUNK - 1, CHUNK, CHUNK + 199])
      expect(await refusal(written, flipped(plaintext, position))).toBe('SOURCE_CHANGED');
    const withinTag = sealed.subarray(0, BODY_HEADER_BYTES + 2 * SEALED_CHUNK - 1);
    expect(await refusal(withinTag, flipped(plaintext, 2 * CHUNK - 1))).toBe('SOURCE_CHANGED');
  });

  test('the source is shorter than what was sealed, or ends where it did not', async () => {
    for (const length of [0, 100, CHUNK, CHUNK + 199, CHUNK + 200, plaintext.length - 100 - CHUNK])
      expect(await refusal(written, plaintext.subarray(0, length))).toBe('SOURCE_CHANGED');
    const afterChunk = sealed.subarray(0, BODY_HEADER_BYTES + SEALED_CHUNK);
    expect(await refusal(afterChunk, plaintext.subarray(0, CHUNK))).toBe('SOURCE_CHANGED');
  });

  test('the source goes on where it ended before', async () => {
    const cut = sealed.subarray(0, sealed.length - 1);
    expect(await refusal(cut, new Uint8Array([...plaintext, 0]))).not.toBe('success');
    const within = sealed.subarray(0, sealed.length - 50);
    const longer = new Uint8Array([...plaintext, ...rng(CHUNK)]);
    expect(await refusal(within, longer)).toBe('SOURCE_CHANGED');
  });

  test('what is written was damaged', async () => {
    expect(await refusal(flipped(written, 10), plaintext)).toBe('BODY_INVALID');
    expect(await refusal(flipped(written, BODY_HEADER_BYTES + 5), plaintext)).toBe('BODY_INVALID');
    expect(await refusal(flipped(written, at - 1), plaintext)).toBe('SOURCE_CHANGED');
    const zeroTail = new Uint8Array(at + 300);
    zeroTail.set(written);
    expect(await refusal(zeroTail, plaintext)).toBe('SOURCE_CHANGED');
  });

  test('the key is another', async () => {
    expect(await refusal(written, plaintext, rng(32))).toBe('BODY_INVALID');
  });

  test('not even the header is whole', async () => {
    for (let length = 0; length < BODY_HEADER_BYTES; length++)
      expect(await refusal(sealed.subarray(0, length), plaintext)).toBe('BODY_TRUNCATED');
  });

  test('bytes follow the end', async () => {
    const full = await seal(plaintext.subarray(0, CHUNK));
    const longer = new Uint8Array([...full, 1, 2, 3]);
    expect(await refusal(longer, plaintext.subarray(0, CHUNK))).toBe('BODY_EXTENDED');
    expect(await refusal(new Uint8Array([...sealed, 1]), plaintext)).toBe('SOURCE_CHANGED');
  });

  test('the size is none, or not that of what can be read', async () => {
    const resumed = (size: number) =>
      asyncOutcome(() => collect(resumeBody(contentKey, readFrom(written), size, sourceOf(plaintext))));
    for (const size of [-1, 80.5, Number.NaN]) expect(await resumed(size)).toBe('ARGUMENT_INVALID');
    expect(await resumed(at + 1)).toBe('BODY_TRUNCATED');
  });
});

test('the source of a resumed body is released when the reader stops early, and its failure reaches the caller', async () => {
  const written = sealed.subarray(0, BODY_HEADER_BYTES + 5);
  let closed = false;
  function* source() {
    try {
      yield plaintext;
      yield plaintext;
    } finally {
      closed = true;
    }
  }
  for await (const piece of resumeBody(contentKey, readFrom(written), written.length, source)) {
    expect(piece.length).toBe(CHUNK - 5);
    break;
  }
  expect(closed).toBe(true);

  const failure = new Error('the disk is gone');
  // biome-ignore lint/correctness/useYield: it fails before its first piece
  function* failing(): Generator<Uint8Array> {
    throw failure;
  }
  await expect(collect(resumeBody(contentKey, readFrom(written), written.length, failing))).rejects.toBe(failure);
});
