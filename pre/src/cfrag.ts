import { ByteReader, concat, wipe } from './bytes.ts';
import type { Capsule } from './capsule.ts';
import { capsuleParts } from './capsule.ts';
import type { CfragProof } from './cfrag-proof.ts';
import { challenge, proofsHold } from './cfrag-proof.ts';
import { decodePoint, decodeScalar, POINT_BYTES, randomScalar, SCALAR_BYTES } from './curve.ts';
import type { Point } from './group.ts';
import { INSIDE, requireInside } from './guard.ts';
import type { VerifiedKeyFrag } from './kfrag.ts';
import { FRAGMENT_ID_BYTES, kfragParts, notSigned, signedMessage } from './kfrag.ts';
import type { Layout } from './messagepack.ts';
import { array, bin, pack, unpack } from './messagepack.ts';
import { PreError } from './pre-error.ts';
import type { PublicKey } from './public-key.ts';
import { ReceiverCache } from './receiver-cache.ts';
import type { Rng } from './rng.ts';
import { systemRng } from './rng.ts';
import { checkSignatureForm, SIGNATURE_BYTES } from './signer.ts';
import type { Suite } from './suite.ts';
import { requireSuite, requireUmbral } from './suite.ts';
import { SECP256K1_SUITE } from './suite-secp256k1.ts';

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
  readonly suite: Suite;
  readonly bytes: Uint8Array;
  readonly id: Uint8Array;
  readonly precursor: Point;
  readonly e1: Point;
  readonly v1: Point;
}

/** A fragment, the capsule it belongs to and, when known, the keys it was checked against. */
export interface VerifiedParts extends CapsuleFragParts {
  readonly capsule: Capsule;
  readonly delegatingKey?: PublicKey;
  readonly receivingKey?: PublicKey;
}

/** What shows that the fragment was made with the share its signature is about. */
interface Evidence extends Pick<CfragProof, 'u1' | 'e2' | 'v2' | 'u2' | 'z'> {
  readonly signature: Uint8Array;
}

/** A capsule fragment as it came from a proxy: well formed, not yet believed. */
export class CapsuleFrag {
  readonly #parts: CapsuleFragParts;
  readonly #evidence: Evidence;

  private constructor(parts: CapsuleFragParts, evidence: Evidence) {
    this.#parts = parts;
    this.#evidence = evidence;
  }

  /** @param bytes 359 bytes E1 | V1 | id | X | E2 | V2 | U1 | U2 | z | signature. @throws CFRAG_INVALID, SUITE_UNSUPPORTED */
  static fromBytes(bytes: Uint8Array, suite: Suite = SECP256K1_SUITE): CapsuleFrag {
    requireUmbral(suite);
    const reader = new ByteReader(bytes, CODE);
    const point = () => decodePoint(suite, reader.take(POINT_BYTES), CODE);
    const [e1, v1, id, precursor] = [point(), point(), reader.take(FRAGMENT_ID_BYTES), point()];
    const [e2, v2, u1, u2] = [point(), point(), point(), point()];
    const z = decodeScalar(suite, reader.take(SCALAR_BYTES), CODE);
    const signature = reader.take(SIGNATURE_BYTES);
    reader.end();
    checkSignatureForm(suite, signature, CODE);
    const parts = { suite, bytes: new Uint8Array(bytes), id, precursor, e1, v1 };
    return new CapsuleFrag(parts, { e2, v2, u1, u2, z, signature });
  }

  /** @param packed 381 bytes, canonical MessagePack. @throws as `fromBytes` */
  static fromMessagePack(packed: Uint8Array, suite: Suite = SECP256K1_SUITE): CapsuleFrag {
    return CapsuleFrag.fromBytes(unpack(LAYOUT, packed, CODE), suite);
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
   * @throws CFRAG_INVALID when the proof does not hold, SIGNATURE_INVALID when the signature is not the signer's,
   *   SUITE_UNSUPPORTED on two suites
   */
  verify(capsule: Capsule, keys: CapsuleFragKeys, cache?: ReceiverCache): VerifiedCapsuleFrag {
    const [verdict] = CapsuleFrag.verifyAll([{ cfrag: this, capsule }], keys, cache);
    if (verdict instanceof VerifiedCapsuleFrag) return verdict;
    throw verdict as PreError;
  }

  /**
   * Receiver side: verifies many fragments in a fraction of the time that `verify` would take for them one by one.
   * @returns for each the verified fragment, or the error with which `verify` refuses it
   * @throws SUITE_UNSUPPORTED unless all are of one suite
   */
  static verifyAll(
    checks: readonly { readonly cfrag: CapsuleFrag; readonly capsule: Capsule }[],
    { verifyingKey, delegatingKey, receivingKey }: CapsuleFragKeys,
    cache: ReceiverCache = new ReceiverCache(),
  ): (VerifiedCapsuleFrag | PreError)[] {
    const { suite } = verifyingKey;
    requireSuite(suite, delegatingKey, receivingKey);
    const examined = checks.map(({ cfrag, capsule }) => {
      const { signature, ...evidence } = cfrag.#evidence;
      const { id, precursor } = cfrag.#parts;
      const points = capsuleParts(capsule);
      requireSuite(suite, cfrag.#parts, capsule);
      const message = signedMessage({ id, commitment: evidence.u1, precursor }, delegatingKey, receivingKey);
      return {
        parts: { ...cfrag.#parts, capsule, delegatingKey, receivingKey },
        proof: { ...points, ...cfrag.#parts, ...evidence },
        isSigned: cache.isSigned(verifyingKey, message, signature),
      };
    });
    const allHold = proofsHold(
      suite,
      examined.filter(({ isSigned }) => isSigned).map(({ proof }) => proof),
    );
    return examined.map(({ parts, proof, isSigned }) => {
      if (!isSigned) return notSigned();
      if (!allHold && !proofsHold(suite, [proof]))
        return new PreError(CODE, 'the proof of re-encryption does not hold for this capsule');
      return new VerifiedCapsuleFrag(INSIDE, parts);
    });
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

/**
 * Proxy side: applies one key fragment to a capsule, with a proof that it was that fragment.
 * @throws KFRAG_INVALID once the fragment is wiped, SUITE_UNSUPPORTED on two suites
 */
export function reencrypt(capsule: Capsule, kfrag: VerifiedKeyFrag, rng: Rng = systemRng): VerifiedCapsuleFrag {
  return reencryptTogether([capsule], kfrag, rng)[0] as VerifiedCapsuleFrag;
}

/** `reencrypt` of each capsule in one multiplication, inside the package only. */
export function reencryptTogether(
  capsules: readonly Capsule[],
  kfrag: VerifiedKeyFrag,
  rng: Rng,
): VerifiedCapsuleFrag[] {
  const { suite, id, rk: share, precursor, commitment: u1, signatureForReceiver } = kfragParts(kfrag);
  const { group } = suite;
  const u = requireUmbral(suite);
  const rk = decodeScalar(suite, share, 'KFRAG_INVALID');
  const parts = capsules.map((capsule) => ({ capsule, ...capsuleParts(capsule) }));
  requireSuite(suite, ...capsules);
  const drawn = parts.map((part) => ({ ...part, k: randomScalar(suite, rng) }));
  const points = group.multiply(
    drawn.flatMap(({ k, e, v }) => [
      { scalar: rk, point: e },
      { scalar: rk, point: v },
      { scalar: k, point: e },
      { scalar: k, point: v },
      { scalar: k, point: u },
    ]),
  );
  return drawn.map(({ capsule, k, e, v }, at) => {
    const [e1, v1, e2, v2, u2] = points.slice(5 * at, 5 * at + 5) as [Point, Point, Point, Point, Point];
    const h = challenge(suite, { e, v, e1, v1, u1, e2, v2, u2 });
    const z = group.addScalars(k, group.multiplyScalars(h, rk));
    wipe(k);
    if (!group.isNonZero(z)) throw new PreError('RANDOM_INVALID', 'the random source repeats itself');
    const head = [e1.bytes, v1.bytes, id, precursor.bytes];
    const evidence = [e2.bytes, v2.bytes, u1.bytes, u2.bytes, z, signatureForReceiver];
    const bytes = concat(...head, ...evidence);
    return new VerifiedCapsuleFrag(INSIDE, { suite, bytes, id, precursor, e1, v1, capsule });
  });
}
