import { ByteReader, concat } from './bytes.ts';
import type { Capsule } from './capsule.ts';
import { capsuleParts } from './capsule.ts';
import type { Point } from './curve.ts';
import {
  decodePoint,
  decodeScalar,
  encodeScalar,
  field,
  hashToScalar,
  POINT_BYTES,
  randomScalar,
  SCALAR_BYTES,
  U,
  U_BYTES,
} from './curve.ts';
import { INSIDE, requireInside } from './guard.ts';
import type { VerifiedKeyFrag } from './kfrag.ts';
import { FRAGMENT_ID_BYTES, kfragParts, requireSignature, signedMessage } from './kfrag.ts';
import type { Layout } from './messagepack.ts';
import { array, bin, pack, unpack } from './messagepack.ts';
import { PreError } from './pre-error.ts';
import type { PublicKey } from './public-key.ts';
import type { Rng } from './rng.ts';
import { systemRng } from './rng.ts';
import { checkSignatureForm, SIGNATURE_BYTES } from './signer.ts';
import { UMBRAL } from './tags.ts';

export const CFRAG_BYTES = 359;

const CODE = 'CFRAG_INVALID';
const POINT = bin(POINT_BYTES);
const OUTER = [array(5), POINT, POINT, bin(FRAGMENT_ID_BYTES), POINT];
const PROOF = [array(6), POINT, POINT, POINT, POINT, bin(SCALAR_BYTES), bin(SIGNATURE_BYTES)];
const LAYOUT: Layout = [...OUTER, ...PROOF];

let readVerified: (cfrag: VerifiedCapsuleFrag) => VerifiedParts;

export interface CapsuleFragKeys {
  readonly verifyingKey: PublicKey;
  readonly delegatingKey: PublicKey;
  readonly receivingKey: PublicKey;
}

interface CapsuleFragParts {
  readonly bytes: Uint8Array;
  readonly id: Uint8Array;
  readonly precursorBytes: Uint8Array;
  readonly e1: Point;
  readonly v1: Point;
  readonly precursor: Point;
}

/** A fragment, the capsule it belongs to and, when known, the keys it was checked against. */
export interface VerifiedParts extends CapsuleFragParts {
  readonly capsule: Capsule;
  readonly delegatingKey?: PublicKey;
  readonly receivingKey?: PublicKey;
}

/** Points of the proof that a fragment was made with the committed share. */
interface Proof {
  readonly e2: Point;
  readonly v2: Point;
  readonly u1: Point;
  readonly u2: Point;
  readonly commitment: Uint8Array;
  readonly z: bigint;
  readonly signature: Uint8Array;
}

/** A capsule fragment as it came from a proxy: well formed, not yet believed. */
export class CapsuleFrag {
  readonly #parts: CapsuleFragParts;
  readonly #proof: Proof;

  private constructor(parts: CapsuleFragParts, proof: Proof) {
    this.#parts = parts;
    this.#proof = proof;
  }

  /** @param bytes 359 bytes E1 | V1 | id | X | E2 | V2 | U1 | U2 | z | signature. @throws CFRAG_INVALID */
  static fromBytes(bytes: Uint8Array): CapsuleFrag {
    const reader = new ByteReader(bytes, CODE);
    const point = () => decodePoint(reader.take(POINT_BYTES), CODE);
    const [e1, v1, id, precursorBytes] = [point(), point(), reader.take(FRAGMENT_ID_BYTES), reader.take(POINT_BYTES)];
    const [e2, v2, commitment, u2] = [point(), point(), reader.take(POINT_BYTES), point()];
    const z = decodeScalar(reader.take(SCALAR_BYTES), CODE);
    const signature = reader.take(SIGNATURE_BYTES);
    reader.end();
    checkSignatureForm(signature, CODE);
    const precursor = decodePoint(precursorBytes, CODE);
    const u1 = decodePoint(commitment, CODE);
    return new CapsuleFrag(
      { bytes: new Uint8Array(bytes), id, precursorBytes, e1, v1, precursor },
      { e2, v2, u1, u2, commitment, z, signature },
    );
  }

  /** @param packed 381 bytes, canonical MessagePack. @throws CFRAG_INVALID */
  static fromMessagePack(packed: Uint8Array): CapsuleFrag {
    return CapsuleFrag.fromBytes(unpack(LAYOUT, packed, CODE));
  }

  toBytes(): Uint8Array {
    return new Uint8Array(this.#parts.bytes);
  }

  toMessagePack(): Uint8Array {
    return pack(LAYOUT, this.#parts.bytes);
  }

  /**
   * Receiver side. Checks that the delegator's signer made the fragment's share for exactly these keys and that the
   * proxy applied that share to this capsule.
   * @throws CFRAG_INVALID when the proof does not hold, SIGNATURE_INVALID when the signature is not the signer's.
   */
  verify(capsule: Capsule, { verifyingKey, delegatingKey, receivingKey }: CapsuleFragKeys): VerifiedCapsuleFrag {
    const { id, precursorBytes: precursor, e1, v1 } = this.#parts;
    const { e2, v2, u1, u2, commitment, z, signature } = this.#proof;
    requireSignature(
      verifyingKey,
      signedMessage({ id, commitment, precursor }, delegatingKey, receivingKey),
      signature,
    );
    const { e, v } = capsuleParts(capsule);
    const minusH = field.neg(challenge([e, e1, e2, v, v1, v2], u1, u2));
    const holds =
      e.mulAddUnsafe(z, e1, minusH).equals(e2) &&
      v.mulAddUnsafe(z, v1, minusH).equals(v2) &&
      U.multiplyUnsafe(z).add(u1.multiplyUnsafe(minusH)).equals(u2);
    if (!holds) throw new PreError(CODE, 'the proof of re-encryption does not hold for this capsule');
    return new VerifiedCapsuleFrag(INSIDE, { ...this.#parts, capsule, delegatingKey, receivingKey });
  }
}

/** A capsule fragment whose proof was checked, or that was made here: the only kind that opens a capsule. */
export class VerifiedCapsuleFrag {
  readonly #parts: VerifiedParts;

  /** @internal */
  constructor(inside: typeof INSIDE, parts: VerifiedParts) {
    requireInside(inside);
    this.#parts = parts;
  }

  toBytes(): Uint8Array {
    return new Uint8Array(this.#parts.bytes);
  }

  toMessagePack(): Uint8Array {
    return pack(LAYOUT, this.#parts.bytes);
  }

  static {
    readVerified = (cfrag) => {
      if (!(#parts in cfrag)) throw new PreError(CODE, 'not a VerifiedCapsuleFrag');
      return cfrag.#parts;
    };
  }
}

/** The fields of a verified fragment, inside the package only. */
export function cfragParts(cfrag: VerifiedCapsuleFrag): VerifiedParts {
  return readVerified(cfrag);
}

/** Proxy side: applies one key fragment to a capsule, with a proof that it was that fragment. */
export function reencrypt(capsule: Capsule, kfrag: VerifiedKeyFrag, rng: Rng = systemRng): VerifiedCapsuleFrag {
  const { id, rk: share, precursor: precursorBytes, commitment, signatureForReceiver } = kfragParts(kfrag);
  const { e, v } = capsuleParts(capsule);
  const rk = decodeScalar(share, 'KFRAG_INVALID');
  const precursor = decodePoint(precursorBytes, 'KFRAG_INVALID');
  const k = randomScalar(rng);
  const [e1, v1, u1] = [e.multiply(rk), v.multiply(rk), decodePoint(commitment, 'KFRAG_INVALID')];
  const [e2, v2, u2] = [e.multiply(k), v.multiply(k), U.multiply(k)];
  const z = field.add(k, field.mul(challenge([e, e1, e2, v, v1, v2], u1, u2), rk));
  if (field.is0(z)) throw new PreError('RANDOM_INVALID', 'the random source repeats itself');
  const head = [e1.toBytes(), v1.toBytes(), id, precursorBytes];
  const proof = [e2.toBytes(), v2.toBytes(), commitment, u2.toBytes(), encodeScalar(z), signatureForReceiver];
  const bytes = concat(...head, ...proof);
  return new VerifiedCapsuleFrag(INSIDE, { bytes, id, precursorBytes, e1, v1, precursor, capsule });
}

function challenge(capsuleAndProof: readonly Point[], u1: Point, u2: Point): bigint {
  const points = capsuleAndProof.map((point) => point.toBytes());
  return hashToScalar(UMBRAL.cfragVerification, ...points, U_BYTES, u1.toBytes(), u2.toBytes());
}
