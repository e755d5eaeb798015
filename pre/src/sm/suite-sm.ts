import { sm3 } from '#native-sm';
import { utf8 } from '../bytes.ts';
import type { Suite } from '../suite.ts';
import { open, SM_NONCE_BYTES, SM_TAG_BYTES, seal, sealApart } from './aead.ts';
import { sm2Group, sm2PointOf } from './group-sm2.ts';
import { hkdfSm3 } from './kdf.ts';
import { decodeSecretKey, G, isSecretKey } from './sm2-curve.ts';
import { DEFAULT_USER_ID, digest, isSignature, signDigest, verifyDigest } from './sm2-signature.ts';
import { U } from './sm2-u.ts';

const EXPERIMENTAL_NAME = 'experimental-umbral-sm2-v1';

/**
 * Suite 2: SM2 signatures with the standard's user id, SM3, and SM4-CTR with HMAC-SM3. What in it is standardised and what is
 * not: SPEC.md §14. It has no proxy re-encryption: whatever of Umbral is asked of it is SUITE_UNSUPPORTED.
 */
export const SM_SUITE: Suite = {
  name: 'sm2-sm3-sm4-v1',
  id: 2,
  group: sm2Group,
  u: undefined,
  hash: sm3,
  derive: hkdfSm3,
  message: { nonceBytes: SM_NONCE_BYTES, tagBytes: SM_TAG_BYTES, seal, open },
  chunk: { tagBytes: SM_TAG_BYTES, sealApart, open },
  isSecretKey,
  ...signatures(DEFAULT_USER_ID),
  isSignature,
};

/**
 * Suite 3: suite 2 with Umbral over the SM2 curve. EXPERIMENTAL: no standard knows this construction, and nobody but its
 * authors has reviewed it (SPEC.md §20). Its number, keys and user id are its own, so that nothing of it is ever taken for
 * suite 2, and whoever does not name it never meets it.
 */
export const EXPERIMENTAL_UMBRAL_SM2: Suite = {
  ...SM_SUITE,
  name: EXPERIMENTAL_NAME,
  id: 3,
  u: U,
  ...signatures(utf8(EXPERIMENTAL_NAME)),
};

function signatures(userId: Uint8Array): Pick<Suite, 'sign' | 'verify'> {
  return {
    sign(message, secret, entropy) {
      const d = decodeSecretKey(secret);
      return signDigest(digest(G.multiply(d), message, userId), d, entropy);
    },
    verify(message, signature, key) {
      const point = sm2PointOf(key);
      return verifyDigest(digest(point, message, userId), signature, point);
    },
  };
}
