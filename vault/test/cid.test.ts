import fc from 'fast-check';
import { CID, type MultihashDigest } from 'multiformats';
import { base58btc } from 'multiformats/bases/base58';
import { describe, expect, it } from 'vitest';
import { importDag } from '../src/dag.ts';
import { parseCid, VaultError } from '../src/index.ts';
import { bytesOf, inChunks, MIB } from './fixtures.ts';
import { GOLDEN, GOLDEN_ZEROS } from './golden.ts';

const { signal } = new AbortController();
const nowhere = () => Promise.resolve();
const RAW = GOLDEN[1].cid;
const digest = CID.parse(RAW).multihash as MultihashDigest<0x12>;

describe('the CID of a file', () => {
  it.each(GOLDEN)('is $cid for $sizeBytes bytes of "$seed"', async ({ seed, sizeBytes, cid }) => {
    expect(await importDag(inChunks(bytesOf(seed, sizeBytes)), nowhere, { signal })).toEqual({ cid, sizeBytes });
  });

  it.each(GOLDEN_ZEROS)('is $cid for $sizeMib MiB of zeros', async ({ sizeMib, cid }) => {
    async function* zeros() {
      const chunk = new Uint8Array(MIB);
      for (let at = 0; at < sizeMib; at += 1) yield chunk;
    }
    expect(await importDag(zeros(), nowhere, { signal })).toEqual({ cid, sizeBytes: sizeMib * MIB });
  });

  it('does not depend on how the bytes arrive', async () => {
    const bytes = bytesOf('golden', 1_048_577);
    for (const chunkBytes of [65_536, 999_983, 2 * MIB]) {
      expect((await importDag(inChunks(bytes, chunkBytes), nowhere, { signal })).cid).toBe(GOLDEN[3].cid);
    }
  });
});

describe('parseCid', () => {
  it('takes canonical raw and dag-pb CIDs', () => {
    expect(parseCid(RAW)).toBe(RAW);
    expect(parseCid(GOLDEN[3].cid)).toBe(GOLDEN[3].cid);
  });

  it.each([
    ['nothing', ''],
    ['upper case', RAW.toUpperCase()],
    ['space around', ` ${RAW}`],
    ['a line break after it', `${RAW}\n`],
    ['a path after it', `${RAW}/file`],
    ['the form of version 0', CID.createV0(digest).toString()],
    ['another base', CID.parse(RAW).toString(base58btc.encoder)],
    ['another codec (dag-cbor)', CID.createV1(0x71, digest).toString()],
    ['identity instead of a hash', 'bafkqaaa'],
    ['bits left over in the last letter', `${RAW.slice(0, -1)}b`],
    ['a number', 7 as unknown as string],
  ])('refuses %s', (_, text) => {
    expect(() => parseCid(text)).toThrow(VaultError);
    expect(() => parseCid(text)).toThrow('CID_INVALID');
  });

  it('gives back what it takes and throws nothing but CID_INVALID', () => {
    const near = fc
      .tuple(fc.nat(58), fc.string({ minLength: 1, maxLength: 1 }))
      .map(([at, letter]) => RAW.slice(0, at) + letter + RAW.slice(at + 1));
    fc.assert(
      fc.property(fc.oneof(fc.string(), near), (text) => {
        try {
          return parseCid(text) === text;
        } catch (error) {
          return error instanceof VaultError && error.code === 'CID_INVALID';
        }
      }),
    );
  });
});
