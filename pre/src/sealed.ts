import { derive, TAG_BYTES, XNONCE_BYTES, xopen, xseal } from './aead.ts';
import { ByteReader, concat, wipe } from './bytes.ts';
import { tagged } from './context.ts';
import { G, group, multiply, POINT_BYTES, randomScalar } from './curve.ts';
import type { Point } from './group.ts';
import { PreError } from './pre-error.ts';
import { PublicKey, pointOf, publicKeyOf } from './public-key.ts';
import type { Rng } from './rng.ts';
import { systemRng } from './rng.ts';
import type { SecretKey } from './secret-key.ts';
import { scalarOf } from './secret-key.ts';
import { preamble, readPreamble } from './suite.ts';
import { YILIAN } from './tags.ts';

const MAGIC = 'YLSM';
const CODE = 'SEALED_INVALID';
const KEY_BYTES = 32;

/** Largest message `sealTo` takes, in bytes: it seals small things in one piece. */
export const MAX_SEALED_PLAINTEXT = 1 << 20;

/** Bytes a sealed message is longer than its plaintext: preamble 6 | ephemeral key 33 | tag 16. */
export const SEALED_OVERHEAD = 6 + POINT_BYTES + TAG_BYTES;

/**
 * Seals a small message to a party (ECIES). It does not say who sealed it: sign what is inside where that matters.
 * @param context what the message is for; opening needs the same bytes
 * @throws ARGUMENT_INVALID above 1 MiB
 */
export function sealTo(
  recipient: PublicKey,
  plaintext: Uint8Array,
  context: Uint8Array,
  rng: Rng = systemRng,
): Uint8Array {
  if (plaintext.length > MAX_SEALED_PLAINTEXT)
    throw new PreError('ARGUMENT_INVALID', 'at most 1 MiB is sealed at once');
  const ephemeral = randomScalar(rng);
  const [own, shared] = group.multiply([
    { scalar: ephemeral, point: G },
    { scalar: ephemeral, point: pointOf(recipient) },
  ]) as [Point, Point];
  const ephemeralKey = publicKeyOf(own);
  const bound = concat(preamble(MAGIC), ephemeralKey.toBytes());
  const { key, nonce } = messageKey(shared, ephemeralKey, recipient, context);
  const sealed = concat(bound, xseal(key, nonce, bound, plaintext));
  wipe(ephemeral, key);
  return sealed;
}

/** @throws SEALED_INVALID under another key or context, or when anything was changed; SUITE_UNSUPPORTED */
export function openSealed(secret: SecretKey, sealed: Uint8Array, context: Uint8Array): Uint8Array {
  if (sealed.length > MAX_SEALED_PLAINTEXT + SEALED_OVERHEAD)
    throw new PreError(CODE, 'longer than any sealed message');
  const reader = new ByteReader(sealed, CODE);
  readPreamble(reader, MAGIC);
  const ephemeralKey = readEphemeralKey(reader.take(POINT_BYTES));
  const bound = concat(preamble(MAGIC), ephemeralKey.toBytes());
  const shared = multiply(scalarOf(secret), pointOf(ephemeralKey));
  const { key, nonce } = messageKey(shared, ephemeralKey, secret.publicKey(), context);
  const plaintext = xopen(key, nonce, bound, reader.rest());
  key.fill(0);
  if (plaintext === undefined) throw new PreError(CODE, 'the message does not open with this key and context');
  return plaintext;
}

function readEphemeralKey(bytes: Uint8Array): PublicKey {
  try {
    return PublicKey.fromBytes(bytes);
  } catch {
    throw new PreError(CODE, 'the ephemeral key is not a point');
  }
}

/** HKDF-SHA256 of the shared x-coordinate (SEC 1 §3.3.1), bound to both public keys and the context. Consumes the point. */
function messageKey(shared: Point, ephemeral: PublicKey, recipient: PublicKey, context: Uint8Array) {
  const x = shared.bytes.subarray(1);
  const info = tagged(YILIAN.sealed, ephemeral.toBytes(), recipient.toBytes(), context);
  const okm = derive(x, info, KEY_BYTES + XNONCE_BYTES);
  const message = { key: okm.slice(0, KEY_BYTES), nonce: okm.slice(KEY_BYTES) };
  wipe(shared.bytes, shared.affine, okm);
  return message;
}
