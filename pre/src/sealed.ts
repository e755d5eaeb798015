import { ByteReader, concat, wipe } from './bytes.ts';
import { tagged } from './context.ts';
import { decodePoint, multiply, POINT_BYTES, randomScalar } from './curve.ts';
import type { Point } from './group.ts';
import { PreError } from './pre-error.ts';
import type { PublicKey } from './public-key.ts';
import { pointOf } from './public-key.ts';
import type { Rng } from './rng.ts';
import { systemRng } from './rng.ts';
import type { SecretKey } from './secret-key.ts';
import { scalarOf } from './secret-key.ts';
import { openOnce, sealOnce } from './single-use.ts';
import type { Suite } from './suite.ts';
import { PREAMBLE_BYTES, preamble, readPreamble } from './suite.ts';
import { SECP256K1_SUITE } from './suite-secp256k1.ts';
import { YILIAN } from './tags.ts';

const MAGIC = 'YLSM';
const CODE = 'SEALED_INVALID';

/** Largest message `sealTo` takes, in bytes: it seals small things in one piece. */
export const MAX_SEALED_PLAINTEXT = 1 << 20;

/** Bytes a sealed message of suite 1 is longer than its plaintext: preamble 6 | ephemeral key 33 | tag 16. */
export const SEALED_OVERHEAD = overhead(SECP256K1_SUITE);

/**
 * Seals a small message to a party (ECIES), in the suite of its key. It does not say who sealed it: sign what is inside
 * where that matters.
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
  const point = pointOf(recipient);
  const { suite } = recipient;
  const { group } = suite;
  const ephemeral = randomScalar(suite, rng);
  const [own, shared] = group.multiply([
    { scalar: ephemeral, point: group.generator },
    { scalar: ephemeral, point },
  ]) as [Point, Point];
  const bound = concat(preamble(MAGIC, suite), own.bytes);
  const sealed = sealOnce(suite, xOf(shared), infoOf(own.bytes, recipient, context), bound, plaintext);
  wipe(ephemeral, shared.bytes, shared.affine);
  return concat(bound, sealed);
}

/** @throws SEALED_INVALID under another key or context, or when anything was changed; SUITE_UNSUPPORTED */
export function openSealed(secret: SecretKey, sealed: Uint8Array, context: Uint8Array): Uint8Array {
  const scalar = scalarOf(secret);
  const { suite } = secret;
  if (sealed.length > MAX_SEALED_PLAINTEXT + overhead(suite))
    throw new PreError(CODE, 'longer than any sealed message');
  const reader = new ByteReader(sealed, CODE);
  readPreamble(reader, MAGIC, suite);
  const ephemeral = reader.take(POINT_BYTES);
  const shared = multiply(suite.group, scalar, decodePoint(suite, ephemeral, CODE));
  const bound = concat(preamble(MAGIC, suite), ephemeral);
  const info = infoOf(ephemeral, secret.publicKey(), context);
  const plaintext = openOnce(suite, xOf(shared), info, bound, reader.rest());
  wipe(shared.bytes, shared.affine);
  if (plaintext === undefined) throw new PreError(CODE, 'the message does not open with this key and context');
  return plaintext;
}

/** The shared x-coordinate (SEC 1 §3.3.1). */
function xOf(shared: Point): Uint8Array {
  return shared.bytes.subarray(1);
}

/** Binds to both public keys and the context. */
function infoOf(ephemeral: Uint8Array, recipient: PublicKey, context: Uint8Array): Uint8Array {
  return tagged(YILIAN.sealed, ephemeral, recipient.toBytes(), context);
}

function overhead({ message }: Suite): number {
  return PREAMBLE_BYTES + POINT_BYTES + message.tagBytes;
}
