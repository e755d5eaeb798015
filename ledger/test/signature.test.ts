import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ecdsaVerifier as portableVerifier } from '../src/ecdsa-noble.ts';
import { ecdsaVerifier as nativeVerifier } from '../src/ecdsa-node.ts';
import { isLowS, toLowS } from '../src/signature.ts';
import { createSigner } from '../src/signer.ts';

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const publicKey = new Uint8Array(pair.publicKey.export({ format: 'der', type: 'spki' }).subarray(-65));
const message = Buffer.from('record');

describe('the two verifiers', () => {
  const verifiers = [nativeVerifier(publicKey), portableVerifier(publicKey)];

  it('accept the same signatures, of either S', () => {
    for (let i = 0; i < 20; i += 1) {
      const signature = sign('sha256', message, pair.privateKey);
      expect(verifiers.map((verify) => verify(message, signature))).toEqual([true, true]);
      expect(verifiers.map((verify) => verify(message, toLowS(signature)))).toEqual([true, true]);
      expect(verifiers.map((verify) => verify(Buffer.from('other'), signature))).toEqual([false, false]);
    }
  });

  it('refuse the same damaged signatures', () => {
    const signature = toLowS(sign('sha256', message, pair.privateKey));
    fc.assert(
      fc.property(fc.nat(signature.length - 1), fc.integer({ min: 1, max: 255 }), (index, mask) => {
        const changed = Buffer.from(signature);
        changed.writeUInt8(changed.readUInt8(index) ^ mask, index);
        expect(verifiers.map((verify) => verify(message, changed))).toEqual([false, false]);
      }),
      { numRuns: 60 },
    );
    for (const bytes of [Buffer.alloc(0), randomBytes(70), Buffer.concat([signature, Buffer.of(0)])]) {
      expect(verifiers.map((verify) => verify(message, bytes))).toEqual([false, false]);
    }
  });

  it('refuse a key that is no point of the curve', () => {
    const wrong = Uint8Array.from(publicKey, (byte, i) => (i === 64 ? byte ^ 1 : byte));
    expect(() => nativeVerifier(wrong)).toThrow();
    expect(() => portableVerifier(wrong)).toThrow();
  });
});

describe('a signature', () => {
  it('is always made with the low S', () => {
    const signer = createSigner(pair.privateKey);
    const signatures = Array.from({ length: 40 }, () => signer(message));
    expect(signatures.every(isLowS)).toBe(true);
    expect(Array.from({ length: 40 }, () => sign('sha256', message, pair.privateKey)).every(isLowS)).toBe(false);
  });

  it('has one encoding', () => {
    const bad = [
      '3006020100020101',
      '3006020101020100',
      '30070201010202007f',
      '3006020181020101',
      '300602010102010100',
      '3081060201010201',
      '',
    ];
    expect(isLowS(Buffer.from('3006020101020101', 'hex'))).toBe(true);
    expect(bad.map((hex) => isLowS(Buffer.from(hex, 'hex')))).toEqual(bad.map(() => false));
  });

  it('is made by P-256 keys alone', () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey;
    expect(() => createSigner(other)).toThrow('P-256');
  });
});
