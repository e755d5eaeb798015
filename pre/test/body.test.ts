import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import type { ByteIterable } from '../src/index.ts';
import { BODY_HEADER_BYTES, openBody, openBodyRange, plainSize, sealBody, sealedSize } from '../src/index.ts';
import { asyncOutcome, collect, flipped, MAIN_SUITES, outcome, seeded, spliced } from './fixtures.ts';

describe.each(MAIN_SUITES)('in suite $name', async (suite) => {
  const rng = seeded('body');
  const contentKey = rng(32);
  const CHUNK = 4096;
  const TAG = suite.chunk.tagBytes;
  const SEALED_CHUNK = CHUNK + TAG;

  const sealWhole = (plaintext: Uint8Array, key = contentKey) =>
    collect(sealBody(key, [plaintext], { chunkSize: CHUNK, rng, suite }));
  const openWhole = (sealed: Uint8Array, key = contentKey) => collect(openBody(key, [sealed], { suite }));
  const readFrom = (sealed: Uint8Array) => async (offset: number, length: number) =>
    sealed.subarray(offset, offset + length);
  const openPart = (sealed: Uint8Array, start: number, end: number, size = sealed.length) =>
    collect(openBodyRange(contentKey, readFrom(sealed), size, { start, end }, { suite }));

  function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    let offset = 0;
    for (const size of sizes) {
      pieces.push(bytes.subarray(offset, offset + size));
      offset += size;
    }
    return [...pieces, bytes.subarray(offset)];
  }

  const nearChunks = fc
    .tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: -2, max: 2 }))
    .map(([chunks, more]) => Math.max(0, chunks * CHUNK + more));
  const sizes = fc.oneof(nearChunks, fc.nat({ max: 3 * CHUNK }));
  const cuts = fc.array(fc.nat({ max: 5000 }), { maxLength: 8 });

  const plaintext = rng(3 * CHUNK + 100);
  const sealed = await sealWhole(plaintext);
  const chunk = (index: number, of = sealed) => {
    const start = BODY_HEADER_BYTES + index * SEALED_CHUNK;
    return of.subarray(start, start + SEALED_CHUNK);
  };
  const header = sealed.subarray(0, BODY_HEADER_BYTES);
  const join = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts));

  describe('a sealed body', () => {
    test('comes back whatever its size and however the streams are cut', async () => {
      const property = fc.asyncProperty(sizes, cuts, cuts, async (size, cutsIn, cutsOut) => {
        const whole = rng(size);
        const bytes = await collect(sealBody(contentKey, cut(whole, cutsIn), { chunkSize: CHUNK, rng, suite }));
        expect(bytes.length).toBe(sealedSize(size, CHUNK, suite));
        expect(plainSize(bytes.length, CHUNK, suite)).toBe(size);
        const opened = collect(openBody(contentKey, cut(bytes, cutsOut), { sealedSize: bytes.length, suite }));
        expect(Buffer.from(whole).equals(await opened)).toBe(true);
      });
      await fc.assert(property, { numRuns: 60 });
    });

    test('any range of it is the same range of the plaintext', async () => {
      const property = fc.asyncProperty(
        sizes,
        fc.double({ min: 0, max: 1, noNaN: true }),
        sizes,
        async (size, at, length) => {
          const whole = rng(size);
          const bytes = await sealWhole(whole);
          const start = Math.floor(at * size);
          const end = Math.min(size, start + length);
          expect(Buffer.from(whole.subarray(start, end)).equals(await openPart(bytes, start, end))).toBe(true);
        },
      );
      await fc.assert(property, { numRuns: 60 });
    });

    test('is 1 MiB chunks unless asked otherwise', async () => {
      const whole = new Uint8Array(2 ** 20 + 1);
      const bytes = await collect(sealBody(contentKey, [whole], { suite }));
      expect(bytes.length).toBe(sealedSize(whole.length, undefined, suite));
      expect(plainSize(bytes.length, undefined, suite)).toBe(whole.length);
      expect(bytes.length).toBe(BODY_HEADER_BYTES + whole.length + 2 * TAG);
    });

    test('looks different every time', async () => {
      expect(await sealWhole(plaintext)).not.toEqual(await sealWhole(plaintext));
    });

    test('hands out verified chunks before a later one fails', async () => {
      const opened: number[] = [];
      const damaged = flipped(sealed, sealed.length - TAG - 34);
      const act = async () => {
        for await (const piece of openBody(contentKey, [damaged], { suite })) opened.push(piece.length);
      };
      expect(await asyncOutcome(act)).toBe('BODY_INVALID');
      expect(opened).toEqual([CHUNK, CHUNK, CHUNK]);
    });
  });

  describe('a sealed body is refused when', () => {
    test('it was sealed with another key', async () => {
      expect(await asyncOutcome(() => openWhole(sealed, rng(32)))).toBe('BODY_INVALID');
      const act = () =>
        collect(openBodyRange(rng(32), readFrom(sealed), sealed.length, { start: 0, end: 1 }, { suite }));
      expect(await asyncOutcome(act)).toBe('BODY_INVALID');
    });

    test('one byte changed anywhere', async () => {
      const small = await sealWhole(rng(60));
      const codes = await Promise.all(
        Array.from(small.keys(), (at) => asyncOutcome(() => openWhole(flipped(small, at)))),
      );
      expect(codes.filter((code) => code === 'success')).toEqual([]);
      expect(new Set(codes.slice(0, 4))).toEqual(new Set(['BODY_INVALID']));
      expect(new Set(codes.slice(4, 6))).toEqual(new Set(['SUITE_UNSUPPORTED']));
      expect(new Set(codes.slice(6))).toEqual(new Set(['BODY_INVALID']));
    });

    test('it is cut after a chunk', async () => {
      for (const chunks of [1, 2, 3]) {
        const truncated = sealed.subarray(0, BODY_HEADER_BYTES + chunks * SEALED_CHUNK);
        expect(await asyncOutcome(() => openWhole(truncated))).toBe('BODY_TRUNCATED');
      }
    });

    test('it is cut anywhere else', async () => {
      for (const length of [0, 5, BODY_HEADER_BYTES - 1, BODY_HEADER_BYTES, BODY_HEADER_BYTES + TAG - 1]) {
        expect(await asyncOutcome(() => openWhole(sealed.subarray(0, length)))).toBe('BODY_TRUNCATED');
      }
      expect(await asyncOutcome(() => openWhole(sealed.subarray(0, -1)))).toBe('BODY_INVALID');
      const act = () => collect(openBody(contentKey, [sealed.subarray(0, -1)], { sealedSize: sealed.length, suite }));
      expect(await asyncOutcome(act)).toBe('BODY_TRUNCATED');
    });

    test('it goes on after its end', async () => {
      const full = await sealWhole(rng(2 * CHUNK));
      expect(await asyncOutcome(() => openWhole(join(full, chunk(0))))).toBe('BODY_EXTENDED');
      expect(await asyncOutcome(() => openWhole(join(full, Uint8Array.of(0))))).toBe('BODY_EXTENDED');
      expect(await asyncOutcome(() => openWhole(join(sealed, Uint8Array.of(0))))).toBe('BODY_INVALID');
      const act = () => collect(openBody(contentKey, [sealed, Uint8Array.of(0)], { sealedSize: sealed.length, suite }));
      expect(await asyncOutcome(act)).toBe('BODY_EXTENDED');
    });

    test('chunks are reordered, dropped, repeated or taken from another body of the same key', async () => {
      const other = await sealWhole(plaintext);
      const forgeries = [
        join(header, chunk(1), chunk(0), chunk(2), chunk(3)),
        join(header, chunk(1), chunk(2), chunk(3)),
        join(header, chunk(0), chunk(2), chunk(3)),
        join(header, chunk(0), chunk(0), chunk(1), chunk(2), chunk(3)),
        join(header, chunk(0), chunk(1, other), chunk(2), chunk(3)),
        join(other.subarray(0, BODY_HEADER_BYTES), chunk(0), chunk(1), chunk(2), chunk(3)),
        join(header, chunk(3)),
      ];
      for (const forgery of forgeries) {
        expect(await asyncOutcome(() => openWhole(forgery))).toBe('BODY_INVALID');
      }
    });

    test('its size is not the one expected', async () => {
      for (const [size, code] of [
        [sealed.length - 1, 'BODY_EXTENDED'],
        [sealed.length + 1, 'BODY_TRUNCATED'],
        [10, 'BODY_TRUNCATED'],
      ] as const) {
        expect(await asyncOutcome(() => collect(openBody(contentKey, [sealed], { sealedSize: size, suite })))).toBe(
          code,
        );
      }
    });

    test('a range is asked of a body that was cut or prolonged', async () => {
      const cutShort = BODY_HEADER_BYTES + 2 * SEALED_CHUNK;
      expect(await asyncOutcome(() => openPart(sealed, 0, 10, cutShort))).toBe('BODY_TRUNCATED');
      expect(await asyncOutcome(() => openPart(sealed, 0, 10, sealed.length - 1))).toBe('BODY_INVALID');
      const prolonged = join(sealed, new Uint8Array(50));
      expect(await asyncOutcome(() => openPart(prolonged, 0, 10))).toBe('BODY_INVALID');
      expect(await asyncOutcome(() => openPart(sealed, 0, 10, sealed.length + 40))).toBe('BODY_TRUNCATED');
      expect(await asyncOutcome(() => openPart(sealed, 0, 10, 20))).toBe('BODY_TRUNCATED');
      expect(await asyncOutcome(() => openPart(flipped(sealed, BODY_HEADER_BYTES + 5), 0, 10))).toBe('BODY_INVALID');
    });
  });

  describe('reading a range', () => {
    test('fetches the header, the last chunk, and then only what the range covers', async () => {
      const read = vi.fn(readFrom(sealed));
      const range = { start: CHUNK + 5, end: CHUNK + 10 };
      const part = await collect(openBodyRange(contentKey, read, sealed.length, range, { suite }));
      expect(part).toEqual(plaintext.subarray(range.start, range.end));
      expect(read.mock.calls.map(([offset, length]) => [offset, length])).toEqual([
        [0, BODY_HEADER_BYTES],
        [BODY_HEADER_BYTES + 3 * SEALED_CHUNK, 100 + TAG],
        [BODY_HEADER_BYTES + SEALED_CHUNK, SEALED_CHUNK],
      ]);
    });

    test('an empty range gives nothing, one outside the plaintext is refused', async () => {
      expect(await openPart(sealed, 7, 7)).toEqual(new Uint8Array());
      expect(await openPart(sealed, plaintext.length, plaintext.length)).toEqual(new Uint8Array());
      for (const [start, end] of [
        [-1, 5],
        [5, 4],
        [0, plaintext.length + 1],
        [0.5, 2],
        [0, Number.NaN],
      ] as const) {
        expect(await asyncOutcome(() => openPart(sealed, start, end))).toBe('RANGE_INVALID');
      }
    });
  });

  describe('sizes', () => {
    test('no plaintext has a sealed body of these sizes', () => {
      const overhead = BODY_HEADER_BYTES + SEALED_CHUNK;
      for (const size of [0, BODY_HEADER_BYTES + TAG - 1, overhead + 1, overhead + TAG]) {
        expect(outcome(() => plainSize(size, CHUNK, suite))).toBe('BODY_TRUNCATED');
      }
      expect(plainSize(BODY_HEADER_BYTES + TAG, CHUNK, suite)).toBe(0);
      expect(plainSize(overhead + TAG + 1, CHUNK, suite)).toBe(CHUNK + 1);
    });

    test.each([0, 2048, 4095, 5000, 2 ** 23, -4096, Number.NaN])('%d bytes is no chunk size', async (chunkSize) => {
      expect(outcome(() => sealedSize(1, chunkSize, suite))).toBe('ARGUMENT_INVALID');
      expect(await asyncOutcome(() => collect(sealBody(contentKey, [], { chunkSize, suite })))).toBe(
        'ARGUMENT_INVALID',
      );
    });

    test.each([-1, 0.5, Number.NaN, 2 ** 53, Number.MAX_SAFE_INTEGER])('%d bytes is no plaintext size', (size) => {
      expect(outcome(() => sealedSize(size, CHUNK, suite))).toBe('ARGUMENT_INVALID');
    });

    test('a content key is 32 bytes', async () => {
      expect(await asyncOutcome(() => collect(sealBody(rng(31), [], { suite })))).toBe('ARGUMENT_INVALID');
      expect(await asyncOutcome(() => openWhole(sealed, rng(33)))).toBe('ARGUMENT_INVALID');
    });

    test('an empty final chunk after a full one is refused', async () => {
      const { chunkNonce, readBodyHeader } = await import('../src/body-layout.ts');
      const { key } = readBodyHeader(contentKey, header, suite);
      const none = new Uint8Array();
      const { tag } = suite.chunk.sealApart(key, chunkNonce(1, true), none, none);
      const forged = join(header, chunk(0), tag);
      expect(await asyncOutcome(() => openWhole(forged))).toBe('BODY_INVALID');
      expect(await asyncOutcome(() => openPart(forged, 0, 1))).toBe('BODY_TRUNCATED');
    });
  });

  describe('the source of a stream', () => {
    function watched(pieces: Uint8Array[]): { source: ByteIterable; closed: () => boolean } {
      let closed = false;
      async function* source() {
        try {
          yield* pieces;
        } finally {
          closed = true;
        }
      }
      return { source: source(), closed: () => closed };
    }

    test('is released when the reader stops early or the body is bad', async () => {
      const early = watched([plaintext, plaintext]);
      for await (const piece of sealBody(contentKey, early.source, { chunkSize: CHUNK, suite })) {
        if (piece.length > BODY_HEADER_BYTES) break;
      }
      expect(early.closed()).toBe(true);

      const bad = watched([flipped(sealed, 200), sealed]);
      expect(await asyncOutcome(() => collect(openBody(contentKey, bad.source, { suite })))).toBe('BODY_INVALID');
      expect(bad.closed()).toBe(true);
    });

    test('its own failure reaches the caller unchanged', async () => {
      const failure = new Error('the disk is gone');
      async function* source() {
        yield plaintext;
        throw failure;
      }
      await expect(collect(sealBody(contentKey, source(), { chunkSize: CHUNK, suite }))).rejects.toBe(failure);
    });

    test('gives bytes and nothing else', async () => {
      const words = ['words'] as unknown as Uint8Array[];
      expect(await asyncOutcome(() => collect(sealBody(contentKey, words, { suite })))).toBe('ARGUMENT_INVALID');
    });

    test.each([1000, CHUNK, SEALED_CHUNK, 2 * CHUNK, 5000])(
      'may use one buffer of %d bytes again and again',
      async (size) => {
        function* reused(bytes: Uint8Array) {
          const buffer = new Uint8Array(size);
          for (let offset = 0; offset < bytes.length; offset += size) {
            const part = bytes.subarray(offset, offset + size);
            buffer.fill(0);
            buffer.set(part);
            yield buffer.subarray(0, part.length);
          }
          buffer.fill(0);
        }
        const bytes = await collect(sealBody(contentKey, reused(plaintext), { chunkSize: CHUNK, rng, suite }));
        expect(await collect(openBody(contentKey, reused(bytes), { suite }))).toEqual(plaintext);
      },
    );

    test('may be read again while sealing: what was read is not changed', async () => {
      const own = new Uint8Array(plaintext);
      await sealWhole(own);
      expect(own).toEqual(plaintext);
      const bytes = new Uint8Array(sealed);
      await openWhole(bytes);
      expect(spliced(bytes, 0, sealed)).toEqual(bytes);
    });
  });
});
