import { ByteReader, concat, wipe } from './bytes.ts';
import { CAPSULE_BYTES, Capsule, decapsulateOriginal, encapsulate } from './capsule.ts';
import type { ContentSecret } from './content-secret.ts';
import { CONTENT_SECRET_BYTES, joinContentSecret, splitContentSecret } from './content-secret.ts';
import { tagged } from './context.ts';
import type { Reencrypted } from './opening.ts';
import { decapsulateReencrypted } from './opening.ts';
import { PreError } from './pre-error.ts';
import type { PublicKey } from './public-key.ts';
import type { Rng } from './rng.ts';
import { systemRng } from './rng.ts';
import type { SecretKey } from './secret-key.ts';
import { openOnce, sealOnce } from './single-use.ts';
import type { Suite } from './suite.ts';
import { PREAMBLE_BYTES, preamble, readPreamble } from './suite.ts';
import { SECP256K1_SUITE } from './suite-secp256k1.ts';
import { YILIAN } from './tags.ts';

const MAGIC = 'YLKH';
const CODE = 'HEADER_INVALID';

/** Size of every key header of suite 1: preamble 6 | capsule 98 | sealed content secret 80. */
export const HEADER_BYTES = PREAMBLE_BYTES + CAPSULE_BYTES + CONTENT_SECRET_BYTES + SECP256K1_SUITE.message.tagBytes;

/** What a receiver opens a key header with. `context` is the one it was sealed with. */
export interface HeaderOpening extends Omit<Reencrypted, 'capsule'> {
  readonly header: Uint8Array;
  readonly context: Uint8Array;
}

/**
 * Hospital side: seals a content secret under a scope key, apart from the body, so that a new header never touches
 * the body. Whoever opens it must name the same `context` (record id and the like, as `context(…)` encodes it).
 * @returns 184 bytes (SPEC.md §6)
 * @throws ARGUMENT_INVALID on another shape of secret, SUITE_UNSUPPORTED where the suite has no Umbral
 */
export function sealHeader(
  scopeKey: PublicKey,
  secret: ContentSecret,
  context: Uint8Array,
  rng: Rng = systemRng,
): Uint8Array {
  const plaintext = joinContentSecret(secret);
  const { capsule, key } = encapsulate(scopeKey, rng);
  const bound = concat(preamble(MAGIC, capsule.suite), capsule.toBytes());
  const header = concat(bound, sealOnce(capsule.suite, key, infoOf(scopeKey, context), bound, plaintext));
  wipe(key, plaintext);
  return header;
}

/** The capsule that proxies re-encrypt. @throws HEADER_INVALID, SUITE_UNSUPPORTED, CAPSULE_INVALID */
export function headerCapsule(header: Uint8Array, suite: Suite = SECP256K1_SUITE): Capsule {
  return read(header, suite).capsule;
}

/**
 * Patient side.
 * @throws HEADER_INVALID under another key or context, or when anything was changed; CAPSULE_INVALID, SUITE_UNSUPPORTED
 */
export function openHeaderAsOwner(scopeSecret: SecretKey, header: Uint8Array, context: Uint8Array): ContentSecret {
  const parts = read(header, scopeSecret.suite);
  return unwrap(parts, decapsulateOriginal(scopeSecret, parts.capsule), scopeSecret.publicKey(), context);
}

/** Requester side. @throws HEADER_INVALID, CAPSULE_INVALID, CFRAG_INVALID, THRESHOLD, SUITE_UNSUPPORTED */
export function openHeader({ header, context, ...opening }: HeaderOpening): ContentSecret {
  const parts = read(header, opening.receivingKey.suite);
  const key = decapsulateReencrypted({ ...opening, capsule: parts.capsule });
  return unwrap(parts, key, opening.delegatingKey, context);
}

interface HeaderParts {
  readonly capsule: Capsule;
  readonly bound: Uint8Array;
  readonly sealed: Uint8Array;
}

function read(header: Uint8Array, suite: Suite): HeaderParts {
  const reader = new ByteReader(header, CODE);
  readPreamble(reader, MAGIC, suite);
  const capsule = reader.take(CAPSULE_BYTES);
  const sealed = reader.take(CONTENT_SECRET_BYTES + suite.message.tagBytes);
  reader.end();
  return { capsule: Capsule.fromBytes(capsule, suite), bound: concat(preamble(MAGIC, suite), capsule), sealed };
}

/** Consumes the encapsulated key. */
function unwrap(
  { capsule, bound, sealed }: HeaderParts,
  key: Uint8Array,
  delegatingKey: PublicKey,
  context: Uint8Array,
): ContentSecret {
  const plaintext = openOnce(capsule.suite, key, infoOf(delegatingKey, context), bound, sealed);
  key.fill(0);
  if (plaintext === undefined) throw new PreError(CODE, 'the header does not open with this key and context');
  return splitContentSecret(plaintext);
}

function infoOf(delegatingKey: PublicKey, context: Uint8Array): Uint8Array {
  return tagged(YILIAN.header, delegatingKey.toBytes(), context);
}
