const BLOCK_BYTES = 16;
const ROUNDS = 32;
/** Blocks computed at once, one in each bit of a 32-bit word. */
const LANES = 32;
const WORD_BITS = 32;
const FK = [0xa3b1bac6, 0x56aa3350, 0x677d9197, 0xb27022dc] as const;

/**
 * SM4 in counter mode (GB/T 17964): XORs `data` with the encryptions of counter, counter + 1, … as 128-bit big-endian
 * integers. No table and no branch depends on key or data: the S-box is a circuit of logic operations (bitslicing).
 * @param key 16 bytes
 * @param counter 16 bytes, the first counter block
 */
export function sm4Ctr(key: Uint8Array, counter: Uint8Array, data: Uint8Array): Uint8Array {
  const roundKeys = expandKey(key);
  const output = new Uint8Array(data);
  const next = new Uint8Array(counter);
  const batch = new Uint8Array(LANES * BLOCK_BYTES);
  for (let at = 0; at < output.length; at += batch.length) {
    for (let lane = 0; lane < LANES; lane++) {
      batch.set(next, lane * BLOCK_BYTES);
      increment(next);
    }
    encryptBatch(roundKeys, batch);
    const end = Math.min(batch.length, output.length - at);
    for (let i = 0; i < end; i++) output[at + i] = (output[at + i] as number) ^ (batch[i] as number);
  }
  roundKeys.fill(0);
  batch.fill(0);
  return output;
}

/**
 * SM4 (GB/T 32907-2016) of every block on its own; the building block of modes, not a mode to use.
 * @param key 16 bytes
 * @param blocks any multiple of 16 bytes
 */
export function sm4Blocks(key: Uint8Array, blocks: Uint8Array): Uint8Array {
  const roundKeys = expandKey(key);
  const batch = new Uint8Array(LANES * BLOCK_BYTES);
  const output = new Uint8Array(blocks.length);
  for (let at = 0; at < blocks.length; at += batch.length) {
    const part = blocks.subarray(at, at + batch.length);
    batch.set(part);
    encryptBatch(roundKeys, batch);
    output.set(batch.subarray(0, part.length), at);
  }
  roundKeys.fill(0);
  batch.fill(0);
  return output;
}

function increment(counter: Uint8Array): void {
  for (let at = BLOCK_BYTES - 1; at >= 0; at--) {
    counter[at] = (counter[at] as number) + 1;
    if (counter[at] !== 0) return;
  }
}

/** Encrypts 32 blocks in place. Plane 32 · w + b holds bit b of word w of every block. */
function encryptBatch(roundKeys: Int32Array, batch: Uint8Array): void {
  const view = new DataView(batch.buffer);
  const planes = new Int32Array(4 * WORD_BITS);
  const t = new Int32Array(WORD_BITS);
  for (let at = 0; at < planes.length; at++) planes[at] = view.getInt32((at % LANES) * BLOCK_BYTES + (at >> 5) * 4);
  for (let word = 0; word < 4; word++) transpose(planes, word * WORD_BITS);
  for (let round = 0; round < ROUNDS; round++) {
    const x0 = (round % 4) * WORD_BITS;
    const x1 = ((round + 1) % 4) * WORD_BITS;
    const x2 = ((round + 2) % 4) * WORD_BITS;
    const x3 = ((round + 3) % 4) * WORD_BITS;
    const roundKey = roundKeys[round] as number;
    for (let bit = 0; bit < WORD_BITS; bit++) {
      const mixed = (planes[x1 + bit] as number) ^ (planes[x2 + bit] as number) ^ (planes[x3 + bit] as number);
      t[bit] = mixed ^ -((roundKey >>> bit) & 1);
    }
    for (let byte = 0; byte < WORD_BITS; byte += 8) substitute(t, byte);
    for (let bit = 0; bit < WORD_BITS; bit++) {
      planes[x0 + bit] =
        (planes[x0 + bit] as number) ^
        (t[bit] as number) ^
        (t[(bit - 2) & 31] as number) ^
        (t[(bit - 10) & 31] as number) ^
        (t[(bit - 18) & 31] as number) ^
        (t[(bit - 24) & 31] as number);
    }
  }
  for (let word = 0; word < 4; word++) transpose(planes, word * WORD_BITS);
  // The words of the result stand in reverse order.
  for (let at = 0; at < planes.length; at++) {
    view.setInt32((at % LANES) * BLOCK_BYTES + (3 - (at >> 5)) * 4, planes[at] as number);
  }
  planes.fill(0);
  t.fill(0);
}

function expandKey(key: Uint8Array): Int32Array {
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  const words = FK.map((constant, at) => view.getInt32(4 * at) ^ constant);
  const roundKeys = new Int32Array(ROUNDS);
  const word = (at: number) => words[at] as number;
  for (let round = 0; round < ROUNDS; round++) {
    const t = substituteWord(word(1) ^ word(2) ^ word(3) ^ constantKey(round));
    words.push(word(0) ^ t ^ rotate(t, 13) ^ rotate(t, 23));
    words.shift();
    roundKeys[round] = word(3);
  }
  words.fill(0);
  return roundKeys;
}

/** CK of a round: its bytes are 7 · (4 · round + i) mod 256. */
function constantKey(round: number): number {
  return [0, 1, 2, 3].reduce((key, i) => (key << 8) | ((28 * round + 7 * i) & 0xff), 0);
}

/** The S-box on the four bytes of one word, by the same circuit. */
function substituteWord(word: number): number {
  const bits = new Int32Array(8);
  for (let at = 0; at < WORD_BITS; at++) bits[at % 8] = (bits[at % 8] as number) | (((word >>> at) & 1) << (at >> 3));
  substitute(bits, 0);
  let result = 0;
  for (let at = 0; at < WORD_BITS; at++) result |= (((bits[at % 8] as number) >>> (at >> 3)) & 1) << at;
  bits.fill(0);
  return result;
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

/** Bit j of word i and bit i of word j change places, for the 32 words from `at` on. */
function transpose(words: Int32Array, at: number): void {
  for (let size = 16, mask = 0xffff; size > 0; size >>= 1, mask ^= mask << size) {
    for (let i = at; i < at + WORD_BITS; i = ((i + size + 1) & ~size) | 0) {
      const low = words[i] as number;
      const high = words[i + size] as number;
      const swap = ((low >>> size) ^ high) & mask;
      words[i] = low ^ (swap << size);
      words[i + size] = high ^ swap;
    }
  }
}

/**
 * The S-box on eight planes, bit 0 first. It is A·inv(A·x + 0xd3) + 0xd3 over GF(2)[x]/(x⁸+x⁷+x⁶+x⁵+x⁴+x²+1), bit i of A·x being
 * the parity of x AND 0xa7 rotated left by i. The inverse is taken in the isomorphic field GF(16)[y]/(y²+y+9), with
 * GF(16) = GF(2)[z]/(z⁴+z+1), so that affine maps and changes of basis are one linear layer before and one after.
 */
function substitute(planes: Int32Array, at: number): void {
  const x0 = planes[at] as number;
  const x1 = planes[at + 1] as number;
  const x2 = planes[at + 2] as number;
  const x3 = planes[at + 3] as number;
  const x4 = planes[at + 4] as number;
  const x5 = planes[at + 5] as number;
  const x6 = planes[at + 6] as number;
  const x7 = planes[at + 7] as number;
  const x456 = x4 ^ x5 ^ x6;
  const low: Quad = [~(x456 ^ x7), ~(x1 ^ x456), ~(x1 ^ x2 ^ x4 ^ x6 ^ x7), ~(x3 ^ x4)];
  const high: Quad = [x0 ^ x1 ^ x4 ^ x7, ~x6, x2 ^ x6 ^ x7, ~(x0 ^ x1 ^ x2 ^ x3 ^ x456)];
  const product = multiply(high, low);
  const norm: Quad = [
    product[0] ^ low[0] ^ low[2] ^ high[0],
    product[1] ^ low[2] ^ high[1] ^ high[3],
    product[2] ^ low[1] ^ low[3] ^ high[3],
    product[3] ^ low[3] ^ high[0] ^ high[2],
  ];
  const inverse = invert(norm);
  const sum: Quad = [low[0] ^ high[0], low[1] ^ high[1], low[2] ^ high[2], low[3] ^ high[3]];
  const [y0, y1, y2, y3] = multiply(sum, inverse);
  const [y4, y5, y6, y7] = multiply(high, inverse);
  planes[at] = ~(y0 ^ y1 ^ y4 ^ y5);
  planes[at + 1] = ~(y0 ^ y2 ^ y5 ^ y6);
  planes[at + 2] = y2 ^ y4;
  planes[at + 3] = y0 ^ y2 ^ y4 ^ y5 ^ y7;
  planes[at + 4] = ~(y1 ^ y3 ^ y7);
  planes[at + 5] = y1 ^ y3 ^ y5;
  planes[at + 6] = ~(y0 ^ y1 ^ y2);
  planes[at + 7] = ~(y0 ^ y3 ^ y5);
}

/** Elements of GF(16) in 32 lanes: the planes of 1, z, z² and z³. */
type Quad = readonly [number, number, number, number];

function multiply([a0, a1, a2, a3]: Quad, [b0, b1, b2, b3]: Quad): Quad {
  const z4 = (a1 & b3) ^ (a2 & b2) ^ (a3 & b1);
  const z5 = (a2 & b3) ^ (a3 & b2);
  const z6 = a3 & b3;
  return [
    (a0 & b0) ^ z4,
    (a0 & b1) ^ (a1 & b0) ^ z4 ^ z5,
    (a0 & b2) ^ (a1 & b1) ^ (a2 & b0) ^ z5 ^ z6,
    (a0 & b3) ^ (a1 & b2) ^ (a2 & b1) ^ (a3 & b0) ^ z6,
  ];
}

/** d¹⁴, which is the inverse or, of zero, zero. */
function invert([d0, d1, d2, d3]: Quad): Quad {
  const d01 = d0 & d1;
  const d02 = d0 & d2;
  const d03 = d0 & d3;
  const d12 = d1 & d2;
  const d13 = d1 & d3;
  const d123 = d12 & d3;
  return [
    d0 ^ d1 ^ d2 ^ d3 ^ d02 ^ d12 ^ (d01 & d2) ^ d123,
    d3 ^ d01 ^ d02 ^ d12 ^ d13 ^ (d01 & d3),
    d2 ^ d3 ^ d01 ^ d02 ^ d03 ^ (d02 & d3),
    d1 ^ d2 ^ d3 ^ d03 ^ d13 ^ (d2 & d3) ^ d123,
  ];
}
