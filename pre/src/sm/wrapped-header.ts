import { ByteReader, concat, wipe } from '../bytes.ts';
import type { ContentSecret } from '../content-secret.ts';
import { CONTENT_SECRET_BYTES, joinContentSecret, splitContentSecret } from '../content-secret.ts';
import { tagged } from '../context.ts';
import { PreError } from '../pre-error.ts';
import type { PublicKey } from '../public-key.ts';
import { pointOf } from '../public-key.ts';
import type { Rng } from '../rng.ts';
import { draw, systemRng } from '../rng.ts';
import type { SecretKey } from '../secret-key.ts';
import { scalarOf } from '../secret-key.ts';
import { openOnce, sealOnce } from '../single-use.ts';
import { PREAMBLE_BYTES, preamble, readPreamble, requireSuite } from '../suite.ts';
import { SM_TAG_BYTES } from './aead.ts';
import { SM2_WRAP_OVERHEAD, unwrapKey, wrapKey } from './sm2-wrap.ts';
import { SM_SUITE } from './suite-sm.ts';
import { SM } from './tags.ts';

const MAGIC = 'YLKW';
const CODE = 'HEADER_INVALID';
const KEY_BYTES = 32;
const WRAPPED_BYTES = SM2_WRAP_OVERHEAD + KEY_BYTES;
const SEALED_BYTES = CONTENT_SECRET_BYTES + SM_TAG_BYTES;

/** Size of every wrapped key header: preamble 6 | wrapped key 129 | sealed content secret 96. */
export const WRAPPED_HEADER_BYTES: number = PREAMBLE_BYTES + WRAPPED_BYTES + SEALED_BYTES;

/**
 * Seals a content secret to one holder of a key of suite 2, without delegation: what a key header is where there is proxy
 * re-encryption. The key that seals it is wrapped by SM2 encryption; the context is bound by what is sealed under it.
 * @returns 231 bytes (SPEC.md §19)
 * @throws ARGUMENT_INVALID on another shape of secret, SUITE_UNSUPPORTED
 */
export function sealWrappedHeader(
  recipient: PublicKey,
  secret: ContentSecret,
  context: Uint8Array,
  rng: Rng = systemRng,
): Uint8Array {
  const { bytes } = pointOf(recipient);
  requireSuite(SM_SUITE, recipient);
  const plaintext = joinContentSecret(secret);
  const key = draw(rng, KEY_BYTES);
  const bound = concat(preamble(MAGIC, SM_SUITE), wrapKey(bytes, key, rng));
  const sealed = sealOnce(SM_SUITE, key, infoOf(recipient, context), bound, plaintext);
  wipe(key, plaintext);
  return concat(bound, sealed);
}

/** @throws HEADER_INVALID under another key or context, or when anything was changed; SUITE_UNSUPPORTED */
export function openWrappedHeader(secret: SecretKey, header: Uint8Array, context: Uint8Array): ContentSecret {
  const scalar = scalarOf(secret);
  requireSuite(SM_SUITE, secret);
  const reader = new ByteReader(header, CODE);
  readPreamble(reader, MAGIC, SM_SUITE);
  const wrapped = reader.take(WRAPPED_BYTES);
  const sealed = reader.take(SEALED_BYTES);
  reader.end();
  const key = unwrap(scalar, wrapped);
  const bound = concat(preamble(MAGIC, SM_SUITE), wrapped);
  const plaintext = openOnce(SM_SUITE, key, infoOf(secret.publicKey(), context), bound, sealed);
  key.fill(0);
  if (plaintext === undefined) throw new PreError(CODE, 'the header does not open with this key and context');
  return splitContentSecret(plaintext);
}

function unwrap(secret: Uint8Array, wrapped: Uint8Array): Uint8Array {
  try {
    return unwrapKey(secret, wrapped);
  } catch (cause) {
    throw new PreError(CODE, 'its key is wrapped for another, or changed', { cause });
  }
}

function infoOf(recipient: PublicKey, context: Uint8Array): Uint8Array {
  return tagged(SM.wrappedHeader, recipient.toBytes(), context);
}
