import { sha256 } from '@noble/hashes/sha2.js';
import { ProtocolError } from './errors.ts';

/** Merkle trees of RFC 9162 §2.1 over SHA-256. Leaves are the entries' bytes; hashes are 32 bytes. */
const LEAF = new Uint8Array([0]);
const NODE = new Uint8Array([1]);

export function leafHash(entry: Uint8Array): Uint8Array {
  return sha256.create().update(LEAF).update(entry).digest();
}

function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256.create().update(NODE).update(left).update(right).digest();
}

/** Largest power of two smaller than n (n > 1). */
function split(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

/** MTH of leaf hashes; the empty tree is SHA-256 of nothing. */
export function merkleRoot(leaves: readonly Uint8Array[], from = 0, to = leaves.length): Uint8Array {
  const n = to - from;
  if (n === 0) return sha256(new Uint8Array());
  if (n === 1) return leaves[from] as Uint8Array;
  const middle = from + split(n);
  return nodeHash(merkleRoot(leaves, from, middle), merkleRoot(leaves, middle, to));
}

/** PATH(index, D[n]) of RFC 9162 §2.1.3.1. */
export function inclusionProof(leaves: readonly Uint8Array[], index: number): Uint8Array[] {
  const walk = (from: number, to: number): Uint8Array[] => {
    if (to - from <= 1) return [];
    const middle = from + split(to - from);
    return index < middle
      ? [...walk(from, middle), merkleRoot(leaves, middle, to)]
      : [...walk(middle, to), merkleRoot(leaves, from, middle)];
  };
  if (index < 0 || index >= leaves.length) throw new RangeError('no such leaf');
  return walk(0, leaves.length);
}

/** PROOF(first, D[second]) of RFC 9162 §2.1.4.1. */
export function consistencyProof(leaves: readonly Uint8Array[], first: number): Uint8Array[] {
  const walk = (m: number, from: number, to: number, whole: boolean): Uint8Array[] => {
    const n = to - from;
    if (m === n) return whole ? [] : [merkleRoot(leaves, from, to)];
    const k = split(n);
    return m <= k
      ? [...walk(m, from, from + k, whole), merkleRoot(leaves, from + k, to)]
      : [...walk(m - k, from + k, to, false), merkleRoot(leaves, from, from + k)];
  };
  if (first < 1 || first > leaves.length) throw new RangeError('no such size');
  return walk(first, 0, leaves.length, true);
}

/** Root that a leaf hash at `index` of `size` and its path lead to. @throws MERKLE_PROOF_INVALID (RFC 9162 §2.1.3.2) */
export function rootFromInclusion(
  leaf: Uint8Array,
  index: number,
  size: number,
  path: readonly Uint8Array[],
): Uint8Array {
  if (!(index >= 0 && index < size && Number.isSafeInteger(index) && Number.isSafeInteger(size)))
    fail('the leaf is outside the tree');
  let fn = index;
  let sn = size - 1;
  let root = leaf;
  for (const sibling of path) {
    if (sn === 0) throw new ProtocolError('MERKLE_PROOF_INVALID', 'the inclusion path is too long');
    if (fn % 2 === 1 || fn === sn) {
      root = nodeHash(sibling, root);
      while (fn % 2 === 0 && fn !== 0) {
        fn = Math.floor(fn / 2);
        sn = Math.floor(sn / 2);
      }
    } else {
      root = nodeHash(root, sibling);
    }
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  if (sn !== 0) throw new ProtocolError('MERKLE_PROOF_INVALID', 'the inclusion path is too short');
  return root;
}

/** Checks that the tree of `second` leaves extends the tree of `first`. @throws MERKLE_PROOF_INVALID (RFC 9162 §2.1.4.2) */
export function requireConsistency(
  first: { readonly size: number; readonly root: Uint8Array },
  second: { readonly size: number; readonly root: Uint8Array },
  proof: readonly Uint8Array[],
): void {
  if (!(first.size >= 1 && first.size <= second.size && Number.isSafeInteger(second.size)))
    fail('the second tree is smaller than the first');
  if (first.size === second.size) {
    if (proof.length > 0 || !equal(first.root, second.root)) fail('two roots for one size');
    return;
  }
  const nodes = isPowerOfTwo(first.size) ? [first.root, ...proof] : [...proof];
  const [seed, ...rest] = nodes;
  if (seed === undefined) fail('the consistency proof is empty');
  let fn = first.size - 1;
  let sn = second.size - 1;
  while (fn % 2 === 1) {
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  let fr = seed;
  let sr = seed;
  for (const node of rest) {
    if (sn === 0) fail('the consistency proof is too long');
    if (fn % 2 === 1 || fn === sn) {
      fr = nodeHash(node, fr);
      sr = nodeHash(node, sr);
      while (fn % 2 === 0 && fn !== 0) {
        fn = Math.floor(fn / 2);
        sn = Math.floor(sn / 2);
      }
    } else {
      sr = nodeHash(sr, node);
    }
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  if (sn !== 0 || !equal(fr, first.root) || !equal(sr, second.root)) fail('the trees are not consistent');
}

function isPowerOfTwo(n: number): boolean {
  let rest = n;
  while (rest % 2 === 0) rest /= 2;
  return rest === 1;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

function fail(why: string): never {
  throw new ProtocolError('MERKLE_PROOF_INVALID', why);
}
