import type { Suite } from './suite.ts';

const KEY_BYTES = 32;

/** Seals the only message ever sealed under this secret and info: from both come the key and the nonce (SPEC.md §6). */
export function sealOnce(
  suite: Suite,
  secret: Uint8Array,
  info: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  const { key, nonce } = keyAndNonce(suite, secret, info);
  const sealed = suite.message.seal(key, nonce, aad, plaintext);
  key.fill(0);
  return sealed;
}

/** The plaintext, or nothing when the tag does not hold. */
export function openOnce(
  suite: Suite,
  secret: Uint8Array,
  info: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  const { key, nonce } = keyAndNonce(suite, secret, info);
  const plaintext = suite.message.open(key, nonce, aad, sealed);
  key.fill(0);
  return plaintext;
}

function keyAndNonce(suite: Suite, secret: Uint8Array, info: Uint8Array) {
  const okm = suite.derive(secret, info, KEY_BYTES + suite.message.nonceBytes);
  const derived = { key: okm.slice(0, KEY_BYTES), nonce: okm.slice(KEY_BYTES) };
  okm.fill(0);
  return derived;
}
