import { HashMD } from '@noble/hashes/_md.js';
import type { CHash } from '@noble/hashes/utils.js';
import { createHasher, rotl } from '@noble/hashes/utils.js';

const BLOCK_BYTES = 64;
const DIGEST_BYTES = 32;
const LENGTH_BYTES = 8;
const ROUNDS = 64;
const INITIAL = [
  0x7380166f, 0x4914b2b9, 0x172442d7, 0xda8a0600, 0xa96f30bc, 0x163138aa, 0xe38dee4d, 0xb0fb0e4e,
] as const;

/** T of every round, already rotated by its number. */
const T = Int32Array.from({ length: ROUNDS }, (_, round) => rotl(round < 16 ? 0x79cc4519 : 0x7a879d8a, round % 32));

/** The expanded message of the block at work, 68 words. */
const W = new Int32Array(ROUNDS + 4);

/** The chaining value and compression function of GB/T 32905-2016 §5.3; noble does the padding. */
class Sm3 extends HashMD<Sm3> {
  readonly #state: Int32Array = Int32Array.from(INITIAL);

  constructor() {
    super(BLOCK_BYTES, DIGEST_BYTES, LENGTH_BYTES, false);
  }

  protected get(): number[] {
    return [...this.#state];
  }

  protected set(...state: number[]): void {
    this.#state.set(state);
  }

  protected process(view: DataView, offset: number): void {
    for (let j = 0; j < 16; j++) W[j] = view.getInt32(offset + 4 * j);
    for (let j = 16; j < ROUNDS + 4; j++) {
      W[j] = p1(w(j - 16) ^ w(j - 9) ^ rotl(w(j - 3), 15)) ^ rotl(w(j - 13), 7) ^ w(j - 6);
    }
    const state = this.#state;
    let a = state[0] as number;
    let b = state[1] as number;
    let c = state[2] as number;
    let d = state[3] as number;
    let e = state[4] as number;
    let f = state[5] as number;
    let g = state[6] as number;
    let h = state[7] as number;
    for (let j = 0; j < ROUNDS; j++) {
      const a12 = rotl(a, 12);
      const ss1 = rotl((a12 + e + (T[j] as number)) | 0, 7);
      const ff = j < 16 ? a ^ b ^ c : (a & b) | (a & c) | (b & c);
      const gg = j < 16 ? e ^ f ^ g : (e & f) | (~e & g);
      const tt1 = (ff + d + (ss1 ^ a12) + (w(j) ^ w(j + 4))) | 0;
      const tt2 = (gg + h + ss1 + w(j)) | 0;
      d = c;
      c = rotl(b, 9);
      b = a;
      a = tt1;
      h = g;
      g = rotl(f, 19);
      f = e;
      e = tt2 ^ rotl(tt2, 9) ^ rotl(tt2, 17);
    }
    state[0] = (state[0] as number) ^ a;
    state[1] = (state[1] as number) ^ b;
    state[2] = (state[2] as number) ^ c;
    state[3] = (state[3] as number) ^ d;
    state[4] = (state[4] as number) ^ e;
    state[5] = (state[5] as number) ^ f;
    state[6] = (state[6] as number) ^ g;
    state[7] = (state[7] as number) ^ h;
  }

  protected roundClean(): void {
    W.fill(0);
  }

  destroy(): void {
    this.destroyed = true;
    this.#state.fill(0);
    this.buffer.fill(0);
  }

  _cloneInto(to: Sm3 = new Sm3()): Sm3 {
    to.set(...this.get());
    return this._cloneIntoMeta(to);
  }
}

function w(at: number): number {
  return W[at] as number;
}

function p1(x: number): number {
  return x ^ rotl(x, 15) ^ rotl(x, 23);
}

/** SM3 (GB/T 32905-2016), 32 bytes, as a hash that noble's constructions take. */
export const sm3Hash: CHash<Sm3> = createHasher(() => new Sm3());
