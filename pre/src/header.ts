import { derive, TAG_BYTES, XNONCE_BYTES, xopen, xseal } from './aead.ts';
import { ByteReader, concat, exactly } from './bytes.ts';
import { CAPSULE_BYTES, Capsule, decapsulateOriginal, encapsulate } from './capsule.ts';
import type { ContentSecret } from './content-secret.ts';
import { COMMITMENT_SALT_BYTES, CONTENT_KEY_BYTES } from './content-secret.ts';
import { tagged } from './context.ts';
import type { Reencrypted } from './opening.ts';
import { decapsulateReencrypted } from './opening.ts';
import { PreError } from './pre-error.ts';
import type { PublicKey } from './public-key.ts';
import type { Rng } from './rng.ts';
import { systemRng } from './rng.ts';
import type { SecretKey } from './secret-key.ts';
import { preamble, readPreamble } from './suite.ts';
import { YILIAN } from './tags.ts';

const MAGIC = 'YLKH';
const CODE = 'HEADER_INVALID';
const KEY_BYTES = 32;
const SECRET_BYTES = CONTENT_KEY_BYTES + COMMITMENT_SALT_BYTES;

/** Size of every key header: preamble 6 | capsule 98 | sealed content secret 80. */
export const HEADER_BYTES = 6 + CAPSULE_BYTES + SECRET_BYTES + TAG_BYTES;

/** What a receiver opens a key header with. `context` is the one it was sealed with. */
export interface HeaderOpening extends Omit<Reencrypted, 'capsule'> {
  readonly header: Uint8Array;
  readonly context: Uint8Array;
}

/**
 * Hospital side: seals a content secret under a scope key, apart from the body, so that a new header never touches
 * the body. Whoever opens it must name the same `context` (record id and the like, as `context(…)` encodes it).
 * @returns 184 bytes (SPEC.md §6)
 */
export function sealHeader(
  scopeKey: PublicKey,
  secret: ContentSecret,
  context: Uint8Array,
  rng: Rng = systemRng,
): Uint8Array {
  const contentKey = exactly(secret.key, CONTENT_KEY_BYTES, 'ARGUMENT_INVALID', 'a content key');
  const salt = exactly(secret.salt, COMMITMENT_SALT_BYTES, 'ARGUMENT_INVALID', 'a commitment salt');
  const { capsule, key } = encapsulate(scopeKey, rng);
  const bound = concat(preamble(MAGIC), capsule.toBytes());
  const plaintext = concat(contentKey, salt);
  const wrapping = wrappingKey(key, scopeKey, context);
  const header = concat(bound, xseal(wrapping.key, wrapping.nonce, bound, plaintext));
  for (const bytes of [contentKey, salt, plaintext, wrapping.key]) bytes.fill(0);
  return header;
}

/** The capsule that proxies re-encrypt. @throws HEADER_INVALID, SUITE_UNSUPPORTED, CAPSULE_INVALID */
export function headerCapsule(header: Uint8Array): Capsule {
  return read(header).capsule;
}

/** Patient side. @throws HEADER_INVALID under another key or context, or when anything was changed; CAPSULE_INVALID */
export function openHeaderAsOwner(scopeSecret: SecretKey, header: Uint8Array, context: Uint8Array): ContentSecret {
  const parts = read(header);
  return unwrap(parts, decapsulateOriginal(scopeSecret, parts.capsule), scopeSecret.publicKey(), context);
}

/** Requester side. @throws HEADER_INVALID, CAPSULE_INVALID, CFRAG_INVALID, THRESHOLD */
export function openHeader({ header, context, ...opening }: HeaderOpening): ContentSecret {
  const parts = read(header);
  const key = decapsulateReencrypted({ ...opening, capsule: parts.capsule });
  return unwrap(parts, key, opening.delegatingKey, context);
}

interface HeaderParts {
  readonly capsule: Capsule;
  readonly bound: Uint8Array;
  readonly sealed: Uint8Array;
}

function read(header: Uint8Array): HeaderParts {
  const reader = new ByteReader(header, CODE);
  readPreamble(reader, MAGIC);
  const capsule = reader.take(CAPSULE_BYTES);
  const sealed = reader.take(SECRET_BYTES + TAG_BYTES);
  reader.end();
  return { capsule: Capsule.fromBytes(capsule), bound: concat(preamble(MAGIC), capsule), sealed };
}

function unwrap(parts: HeaderParts, key: Uint8Array, delegatingKey: PublicKey, context: Uint8Array): ContentSecret {
  const wrapping = wrappingKey(key, delegatingKey, context);
  const plaintext = xopen(wrapping.key, wrapping.nonce, parts.bound, parts.sealed);
  wrapping.key.fill(0);
  if (plaintext === undefined) throw new PreError(CODE, 'the header does not open with this key and context');
  const reader = new ByteReader(plaintext, CODE);
  const secret = { key: reader.take(CONTENT_KEY_BYTES), salt: reader.take(COMMITMENT_SALT_BYTES) };
  plaintext.fill(0);
  return secret;
}

/** Consumes the encapsulated key. */
function wrappingKey(key: Uint8Array, delegatingKey: PublicKey, context: Uint8Array) {
  const okm = derive(key, tagged(YILIAN.header, delegatingKey.toBytes(), context), KEY_BYTES + XNONCE_BYTES);
  const wrapping = { key: okm.slice(0, KEY_BYTES), nonce: okm.slice(KEY_BYTES) };
  key.fill(0);
  okm.fill(0);
  return wrapping;
}
