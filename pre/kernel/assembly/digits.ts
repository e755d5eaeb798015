/** Numbers of 261 bits as nine digits of 29 bits in i32, the least first. */

const DIGIT: i32 = 0x1fffffff;

/** -1 for 0, else 0. */
export function maskOfZero(word: i32): i32 {
  return ((word | -word) >> 31) ^ -1;
}

/** Carries so that each digit but the highest lies between 0 and 2^29 - 1. */
export function ripple(r: usize): void {
  let digit: i32 = 0;
  for (let i: usize = 0; i < 32; i += 4) {
    digit = (digit >> 29) + load<i32>(r + i);
    store<i32>(r + i, digit & DIGIT);
  }
  store<i32>(r, (digit >> 29) + load<i32>(r, 32), 32);
}

/** r = 32 bytes, big-endian, as nine digits from 0 to 2^29 - 1: weight 2. */
export function unpack(r: usize, bytes: usize): void {
  const w3 = bswap(load<u64>(bytes));
  const w2 = bswap(load<u64>(bytes, 8));
  const w1 = bswap(load<u64>(bytes, 16));
  const w0 = bswap(load<u64>(bytes, 24));
  store<i32>(r, (w0 as i32) & DIGIT);
  store<i32>(r, ((w0 >> 29) as i32) & DIGIT, 4);
  store<i32>(r, (((w0 >> 58) | (w1 << 6)) as i32) & DIGIT, 8);
  store<i32>(r, ((w1 >> 23) as i32) & DIGIT, 12);
  store<i32>(r, (((w1 >> 52) | (w2 << 12)) as i32) & DIGIT, 16);
  store<i32>(r, ((w2 >> 17) as i32) & DIGIT, 20);
  store<i32>(r, (((w2 >> 46) | (w3 << 18)) as i32) & DIGIT, 24);
  store<i32>(r, ((w3 >> 11) as i32) & DIGIT, 28);
  store<i32>(r, (w3 >> 40) as i32, 32);
}

/** Nine digits from 0 to 2^29 - 1 as 32 bytes, little-endian. */
export function packLittle(bytes: usize, a: usize): void {
  const d2 = load<u32>(a, 8) as u64;
  const d4 = load<u32>(a, 16) as u64;
  const d6 = load<u32>(a, 24) as u64;
  store<u64>(bytes, (load<u32>(a) as u64) | ((load<u32>(a, 4) as u64) << 29) | (d2 << 58));
  store<u64>(bytes, (d2 >> 6) | ((load<u32>(a, 12) as u64) << 23) | (d4 << 52), 8);
  store<u64>(bytes, (d4 >> 12) | ((load<u32>(a, 20) as u64) << 17) | (d6 << 46), 16);
  store<u64>(bytes, (d6 >> 18) | ((load<u32>(a, 28) as u64) << 11) | ((load<u32>(a, 32) as u64) << 40), 24);
}

/** Nine digits from 0 to 2^29 - 1 as 32 bytes, big-endian. */
export function pack(bytes: usize, a: usize): void {
  packLittle(bytes, a);
  for (let low: usize = 0, high: usize = 24; low < high; low += 8, high -= 8) {
    const word = bswap(load<u64>(bytes + low));
    store<u64>(bytes + low, bswap(load<u64>(bytes + high)));
    store<u64>(bytes + high, word);
  }
}

/** Five digits of 29 bits as 24 bytes, little-endian. */
export function packFive(out: usize, k: usize): void {
  const d2 = load<u32>(k, 8) as u64;
  const d4 = load<u32>(k, 16) as u64;
  store<u64>(out, (load<u32>(k) as u64) | ((load<u32>(k, 4) as u64) << 29) | (d2 << 58));
  store<u64>(out, (d2 >> 6) | ((load<u32>(k, 12) as u64) << 23) | (d4 << 52), 8);
  store<u64>(out, d4 >> 12, 16);
}
