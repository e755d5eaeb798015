import {
  consistencyProof,
  fromBase64url,
  inclusionProof,
  leafHash,
  merkleRoot,
  ProtocolError,
  requireConsistency,
  rootFromInclusion,
  toBase64url,
} from '@yilian/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import vectors from './vectors/merkle.json' with { type: 'json' };

const hex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'));
const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

/** `success`, or the code of the error. */
function verdict(run: () => void): string {
  try {
    run();
    return 'success';
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
    throw error;
  }
}

describe('the reference trees of Certificate Transparency (RFC 6962)', () => {
  const entries = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
  const leaves = entries.map((entry) => leafHash(hex(entry)));
  const roots = [
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
    '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
    'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
  ];

  test('have these roots', () => {
    expect(roots.map((_, size) => toHex(merkleRoot(leaves.slice(0, size))))).toEqual(roots);
  });

  test('have these proofs', () => {
    expect(inclusionProof(leaves, 5).map(toHex)).toEqual([
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ]);
    expect(consistencyProof(leaves, 6).map(toHex)).toEqual([
      '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ]);
  });
});

describe('the vectors', () => {
  const leaves = vectors.entries.map((entry) => leafHash(fromBase64url(entry)));
  const root = (size: number) => fromBase64url(vectors.roots[size] ?? '');

  test('hold for roots', () => {
    expect(vectors.roots.map((_, size) => toBase64url(merkleRoot(leaves.slice(0, size))))).toEqual(vectors.roots);
  });

  test.each(vectors.inclusion)(
    'hold for inclusion of $index in $size: $expect',
    ({ index, size, path, expect: wanted }) => {
      const leaf = leaves[index] ?? new Uint8Array(32);
      const found = verdict(() => {
        const computed = rootFromInclusion(leaf, index, size, path.map(fromBase64url));
        if (toHex(computed) !== toHex(root(size))) throw new ProtocolError('MERKLE_PROOF_INVALID', 'another root');
      });
      expect(found).toBe(wanted);
    },
  );

  test.each(vectors.consistency)(
    'hold for consistency of $first and $second: $expect',
    ({ first, second, proof, expect: wanted }) => {
      const trees = [first, second].map((size) => ({ size, root: root(size) })) as [Tree, Tree];
      expect(verdict(() => requireConsistency(...trees, proof.map(fromBase64url)))).toBe(wanted);
    },
  );
});

type Tree = Parameters<typeof requireConsistency>[0];
const forest = fc
  .array(fc.uint8Array({ maxLength: 8 }), { minLength: 1, maxLength: 40 })
  .map((entries) => entries.map(leafHash));

describe('a tree of any entries', () => {
  test('proves each of its leaves, at its place and in its size alone', () => {
    fc.assert(
      fc.property(forest, fc.nat(), fc.nat(), fc.nat({ max: 255 }), (leaves, pick, place, flip) => {
        const index = pick % leaves.length;
        const leaf = leaves[index] ?? new Uint8Array();
        const path = inclusionProof(leaves, index);
        const root = toHex(merkleRoot(leaves));
        expect(toHex(rootFromInclusion(leaf, index, leaves.length, path))).toBe(root);
        if (path.length === 0) return;
        const bent = path.map((node, level) =>
          level === place % path.length ? node.with(flip % 32, (node[flip % 32] ?? 0) ^ (1 << (flip % 8))) : node,
        );
        expect(toHex(rootFromInclusion(leaf, index, leaves.length, bent))).not.toBe(root);
      }),
    );
  });

  test('is proven to extend every smaller one, and no other', () => {
    fc.assert(
      fc.property(forest, fc.nat(), fc.nat({ max: 255 }), (leaves, pick, flip) => {
        const size = 1 + (pick % leaves.length);
        const proof = consistencyProof(leaves, size);
        const [first, second] = [leaves.slice(0, size), leaves].map((part) => ({
          size: part.length,
          root: merkleRoot(part),
        })) as [Tree, Tree];
        expect(verdict(() => requireConsistency(first, second, proof))).toBe('success');
        const bent = (root: Uint8Array) => root.with(flip % 32, (root[flip % 32] ?? 0) ^ 1);
        expect(verdict(() => requireConsistency({ ...first, root: bent(first.root) }, second, proof))).toBe(
          'MERKLE_PROOF_INVALID',
        );
        expect(verdict(() => requireConsistency(first, { ...second, root: bent(second.root) }, proof))).toBe(
          'MERKLE_PROOF_INVALID',
        );
        expect(verdict(() => requireConsistency(first, second, [...proof, bent(first.root)]))).toBe(
          'MERKLE_PROOF_INVALID',
        );
      }),
    );
  });

  test('has no proof for sizes that are no sizes', () => {
    const root = leafHash(new Uint8Array());
    for (const [first, second] of [
      [0, 1],
      [2, 1],
      [Number.NaN, 1],
      [1, Number.NaN],
      [1, Number.POSITIVE_INFINITY],
    ] as const)
      expect(verdict(() => requireConsistency({ size: first, root }, { size: second, root }, [root]))).toBe(
        'MERKLE_PROOF_INVALID',
      );
    for (const [index, size] of [
      [-1, 1],
      [1, 1],
      [Number.NaN, 1],
      [0, Number.NaN],
    ] as const)
      expect(verdict(() => rootFromInclusion(root, index, size, []))).toBe('MERKLE_PROOF_INVALID');
    expect(() => inclusionProof([root], 1)).toThrow(RangeError);
    expect(() => consistencyProof([root], 2)).toThrow(RangeError);
  });

  test('of nearly a power of two of leaves is not taken for one of exactly that many', () => {
    const size = 2 ** 50 + 1;
    expect(Number.isInteger(Math.log2(size))).toBe(true);
    const root = leafHash(new Uint8Array());
    const trees = [size, size + 1].map((leaves) => ({ size: leaves, root })) as [Tree, Tree];
    expect(() => requireConsistency(...trees, [])).toThrow(/the consistency proof is empty/);
  });
});
