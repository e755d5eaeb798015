import { describe, expect, test } from 'vitest';
import type { PreErrorCode } from '../src/index.ts';
import { PreError } from '../src/index.ts';
import { open, seal } from '../src/sm/aead.ts';
import { hkdfSm3 } from '../src/sm/kdf.ts';
import { DEFAULT_USER_ID, signSm2, verifySm2 } from '../src/sm/sm2-signature.ts';
import { unwrapKey } from '../src/sm/sm2-wrap.ts';
import { base64url, outcome, readVectors, sm2PublicKey } from './fixtures.ts';

interface Case {
  readonly name: string;
  readonly expect: 'success' | PreErrorCode;
}
type KdfCase = Case & Record<'ikm' | 'info' | 'okm', string> & { readonly salt?: string };
type AeadCase = Case & Record<'key' | 'nonce' | 'aad' | 'sealed', string> & { readonly plaintext?: string };
type SignatureCase = Case &
  Record<'publicKey' | 'message' | 'signature', string> &
  Partial<Record<'secretKey' | 'entropy' | 'userId', string>>;
type WrapCase = Case & Record<'secretKey' | 'wrapped', string> & { readonly key?: string };

const vectors = readVectors<{ kdf: KdfCase[]; aead: AeadCase[]; signatures: SignatureCase[]; wraps: WrapCase[] }>('sm');
const written = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');
const titled = <T extends Case>(cases: T[]) => cases.map((each) => [each.name, each.expect, each] as const);

test.each(titled(vectors.kdf))('HKDF-SM3, %s: %s', (_name, _expected, { ikm, salt, info, okm }) => {
  const length = base64url(okm).length;
  const derived = hkdfSm3(base64url(ikm), base64url(info), length, salt === undefined ? undefined : base64url(salt));
  expect(written(derived)).toBe(okm);
});

test.each(titled(vectors.aead))('SM4-CTR with HMAC-SM3, %s: %s', (_name, expected, vector) => {
  const [key, nonce, aad, sealed] = [vector.key, vector.nonce, vector.aad, vector.sealed].map(base64url) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  const act = () => {
    const plaintext = open(key, nonce, aad, sealed);
    if (plaintext === undefined) throw new PreError('CIPHERTEXT_INVALID', 'does not open');
    expect(written(plaintext)).toBe(vector.plaintext);
    expect(written(seal(key, nonce, aad, plaintext))).toBe(vector.sealed);
  };
  expect(outcome(act)).toBe(expected);
});

describe('SM2 signatures', () => {
  test.each(titled(vectors.signatures))('%s: %s', (_name, expected, vector) => {
    const [key, message, signature] = [vector.publicKey, vector.message, vector.signature].map(base64url);
    const userId = vector.userId === undefined ? DEFAULT_USER_ID : base64url(vector.userId);
    const act = () => {
      const valid = key && message && signature && verifySm2(key, message, signature, userId);
      if (valid !== true) throw new PreError('SIGNATURE_INVALID', 'does not verify');
    };
    expect(outcome(act)).toBe(expected);
    if (vector.secretKey === undefined || vector.entropy === undefined) return;
    const [secret, entropy] = [base64url(vector.secretKey), base64url(vector.entropy)];
    expect(written(sm2PublicKey(secret))).toBe(vector.publicKey);
    const again = signSm2(secret, base64url(vector.message), { userId, rng: () => entropy });
    expect(written(again)).toBe(vector.signature);
  });
});

test.each(titled(vectors.wraps))('SM2 key wrap, %s: %s', (_name, expected, { secretKey, wrapped, key }) => {
  const act = () => expect(written(unwrapKey(base64url(secretKey), base64url(wrapped)))).toBe(key);
  expect(outcome(act)).toBe(expected);
});
