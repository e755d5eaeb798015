import { open, sealApart, sha256 } from '#native';
import { derive, TAG_BYTES, XNONCE_BYTES, xopen, xseal } from './aead.ts';
import type { Secp256k1 } from './group.ts';
import { nobleSecp256k1 } from './group-noble.ts';
import { wasmGroup } from './group-wasm.ts';
import type { Suite } from './suite.ts';

/** Name and number of the suite that is taken unless another is asked for. */
export const SUITE = 'umbral-secp256k1-v1';
export const SUITE_ID = 1;

const SIGNATURE_BYTES = 64;
const HALF_BYTES = 32;

const group: Secp256k1 = wasmGroup() ?? nobleSecp256k1();

/** Umbral over secp256k1 with SHA-256, HKDF-SHA256, ECDSA with low s and (X)ChaCha20-Poly1305. */
export const SECP256K1_SUITE: Suite = {
  name: SUITE,
  id: SUITE_ID,
  group,
  u: group.u,
  hash: sha256,
  derive,
  message: { nonceBytes: XNONCE_BYTES, tagBytes: TAG_BYTES, seal: xseal, open: xopen },
  chunk: { tagBytes: TAG_BYTES, sealApart, open },
  isSecretKey: (bytes) => group.isNonZero(bytes),
  sign: (message, secret, entropy) => group.sign(sha256(message), secret, entropy),
  verify: (message, signature, key) =>
    signature.length === SIGNATURE_BYTES && group.verify(sha256(message), signature, key),
  isSignature(bytes) {
    const [r, s] = [bytes.subarray(0, HALF_BYTES), bytes.subarray(HALF_BYTES)];
    return group.isNonZero(r) && group.isNonZero(s) && isLow(s);
  },
};

/** Whether s is not above n - s, its equal but for the sign. */
function isLow(s: Uint8Array): boolean {
  const other = group.negate(s);
  const at = s.findIndex((byte, index) => byte !== other[index]);
  return (s[at] as number) < (other[at] as number);
}
