import { sha256 } from '@yilian/pre';
import { documentId, fromBase64url, leafHash, type Outcome, utf8Bytes } from '@yilian/protocol';
import type { OutcomeEvent } from './chain-events.ts';
import type { RegionalChain } from './regional-chain.ts';

const HASH_BYTES = 32;
const FIRST_CAPACITY = 1024;

/**
 * What the outcome log says of one decision or page: transaction id (UTF-8), a zero byte, and the SHA-256 of the outcome as the
 * signed document `outcome` would be hashed. It depends on no order of members, so the proof's payload and the chain's
 * state give the same bytes.
 */
export function outcomeEntry(transactionId: string, outcome: Outcome): Uint8Array {
  return Uint8Array.of(...utf8Bytes(transactionId), 0, ...fromBase64url(documentId('outcome', outcome)));
}

/** RFC 9162 leaf hash of {@link outcomeEntry}, 32 bytes. */
export function outcomeLeaf(transactionId: string, outcome: Outcome): Uint8Array {
  return leafHash(outcomeEntry(transactionId, outcome));
}

/** What an outcome event is about, a decision or a page, from the chain's state, and its leaf. @throws LedgerError */
export async function readOutcome(
  chain: Pick<RegionalChain, 'release'>,
  { requestId, transactionId }: OutcomeEvent,
): Promise<{ readonly outcome: Outcome; readonly leaf: Uint8Array }> {
  const { outcome } = await chain.release(requestId, transactionId);
  return { outcome, leaf: outcomeLeaf(transactionId, outcome) };
}

/**
 * A region's outcomes in block order as a Merkle tree (RFC 9162 §2.1). Every complete subtree's hash is kept, so that a
 * root or a proof of any size costs a few hashes; 64 bytes of memory for each outcome.
 */
export class OutcomeLog {
  /** Hashes of the complete subtrees of 2^k leaves, by k. */
  readonly #levels: HashList[] = [];

  get size(): number {
    return this.#levels[0]?.length ?? 0;
  }

  /** @param leaf 32 bytes, {@link outcomeLeaf} */
  append(leaf: Uint8Array): void {
    if (leaf.length !== HASH_BYTES) throw new RangeError('a leaf hash has 32 bytes');
    let hash = leaf;
    for (let level = 0; ; level += 1) {
      const list = this.#levels[level] ?? new HashList();
      this.#levels[level] = list;
      list.push(hash);
      if (list.length % 2 === 1) return;
      hash = nodeHash(list.at(list.length - 2), list.at(list.length - 1));
    }
  }

  /** The root of the first `size` outcomes, 32 bytes. */
  root(size: number = this.size): Uint8Array {
    this.#requireSize(size, 0);
    return size === 0 ? sha256(new Uint8Array()) : this.#range(0, size);
  }

  /** PROOF(first, D[second]) of RFC 9162 §2.1.4.1. */
  consistencyProof(first: number, second: number = this.size): Uint8Array[] {
    this.#requireSize(second, 1);
    if (!Number.isInteger(first) || first < 1 || first > second) throw new RangeError('no such size');
    const walk = (m: number, from: number, to: number, whole: boolean): Uint8Array[] => {
      if (m === to - from) return whole ? [] : [this.#range(from, to)];
      const k = split(to - from);
      return m <= k
        ? [...walk(m, from, from + k, whole), this.#range(from + k, to)]
        : [...walk(m - k, from + k, to, false), this.#range(from, from + k)];
    };
    return walk(first, 0, second, true);
  }

  /** PATH(index, D[size]) of RFC 9162 §2.1.3.1. */
  inclusionProof(index: number, size: number = this.size): Uint8Array[] {
    this.#requireSize(size, 1);
    if (!Number.isInteger(index) || index < 0 || index >= size) throw new RangeError('no such leaf');
    const walk = (from: number, to: number): Uint8Array[] => {
      if (to - from === 1) return [];
      const middle = from + split(to - from);
      return index < middle
        ? [...walk(from, middle), this.#range(middle, to)]
        : [...walk(middle, to), this.#range(from, middle)];
    };
    return walk(0, size);
  }

  #requireSize(size: number, minimum: number): void {
    if (!Number.isInteger(size) || size < minimum || size > this.size) throw new RangeError('no such size');
  }

  /** MTH of the leaves from `from` to `to`; `from` is a multiple of the width rounded up to a power of two. */
  #range(from: number, to: number): Uint8Array {
    const width = to - from;
    const level = Math.log2(width);
    if (Number.isInteger(level)) return (this.#levels[level] as HashList).at(from / width);
    const middle = from + split(width);
    return nodeHash(this.#range(from, middle), this.#range(middle, to));
  }
}

/** Hashes one after the other in one growing array: a tree of millions stays out of the garbage collector's way. */
class HashList {
  #bytes = new Uint8Array(FIRST_CAPACITY * HASH_BYTES);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(hash: Uint8Array): void {
    const end = this.#length * HASH_BYTES;
    if (end === this.#bytes.length) {
      const larger = new Uint8Array(end * 2);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes.set(hash, end);
    this.#length += 1;
  }

  at(index: number): Uint8Array {
    return this.#bytes.slice(index * HASH_BYTES, (index + 1) * HASH_BYTES);
  }
}

function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(Uint8Array.of(1, ...left, ...right));
}

/** Largest power of two smaller than n (n > 1). */
function split(n: number): number {
  return 2 ** Math.floor(Math.log2(n - 1));
}
