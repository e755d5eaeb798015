import { ByteReader, concat, equal } from './bytes.ts';
import { decodePoint, decodeScalar, multiply, POINT_BYTES, SCALAR_BYTES } from './curve.ts';
import type { Point, Scalar } from './group.ts';
import { INSIDE, requireInside } from './guard.ts';
import type { Layout } from './messagepack.ts';
import { array, BOOLEAN, bin, pack, unpack } from './messagepack.ts';
import { PreError } from './pre-error.ts';
import type { PublicKey } from './public-key.ts';
import { checkSignatureForm, SIGNATURE_BYTES, verifySignature } from './signer.ts';
import type { Suite } from './suite.ts';
import { requireSuite, requireUmbral } from './suite.ts';
import { SECP256K1_SUITE } from './suite-secp256k1.ts';

export const FRAGMENT_ID_BYTES = 32;

const CODE = 'KFRAG_INVALID';
const FALSE = 0xc2;
const TRUE = 0xc3;
const POINT = bin(POINT_BYTES);
const SCALAR = bin(SCALAR_BYTES);
const SIGNATURE = bin(SIGNATURE_BYTES);
const OUTER = [array(5), array(1), POINT, bin(FRAGMENT_ID_BYTES), SCALAR, POINT];
const PROOF = [array(5), POINT, SIGNATURE, SIGNATURE, BOOLEAN, BOOLEAN];
const LAYOUT: Layout = [...OUTER, ...PROOF];

let readParts: (kfrag: VerifiedKeyFrag) => KeyFragParts;

/** The fields of a key fragment; `rk` is the secret share. */
export interface KeyFragParts {
  readonly suite: Suite;
  readonly id: Uint8Array;
  readonly rk: Scalar;
  readonly precursor: Point;
  readonly commitment: Point;
  readonly signatureForProxy: Uint8Array;
  readonly signatureForReceiver: Uint8Array;
  readonly delegatingKeySigned: boolean;
  readonly receivingKeySigned: boolean;
}

/** Keys a fragment is checked against. Every key given here is bound by a signature, or `verify` throws. */
export interface KeyFragKeys {
  readonly verifyingKey: PublicKey;
  readonly delegatingKey?: PublicKey;
  readonly receivingKey?: PublicKey;
}

/** A key fragment as it came from outside: well formed, not yet believed. */
export class KeyFrag {
  readonly #parts: KeyFragParts;

  private constructor(parts: KeyFragParts) {
    this.#parts = parts;
  }

  /** @param bytes 310 bytes, canonical MessagePack (SPEC.md §2.6). @throws KFRAG_INVALID, SUITE_UNSUPPORTED */
  static fromBytes(bytes: Uint8Array, suite: Suite = SECP256K1_SUITE): KeyFrag {
    const u = requireUmbral(suite);
    const reader = new ByteReader(unpack(LAYOUT, bytes, CODE), CODE);
    // A foreign u lets anyone forge a fragment whose commitment holds: the signature covers neither u nor rk.
    if (!equal(reader.take(POINT_BYTES), u.bytes)) throw new PreError(CODE, 'foreign parameter u');
    const parts = {
      suite,
      id: reader.take(FRAGMENT_ID_BYTES),
      rk: decodeScalar(suite, reader.take(SCALAR_BYTES), CODE),
      precursor: decodePoint(suite, reader.take(POINT_BYTES), CODE),
      commitment: decodePoint(suite, reader.take(POINT_BYTES), CODE),
      signatureForProxy: reader.take(SIGNATURE_BYTES),
      signatureForReceiver: reader.take(SIGNATURE_BYTES),
      delegatingKeySigned: readFlag(reader),
      receivingKeySigned: readFlag(reader),
    };
    checkSignatureForm(suite, parts.signatureForProxy, CODE);
    checkSignatureForm(suite, parts.signatureForReceiver, CODE);
    return new KeyFrag(parts);
  }

  toBytes(): Uint8Array {
    return encode(this.#parts);
  }

  /**
   * Proxy side. Checks U1 = rk·u and the signer's signature for the proxy; given both other keys, also the signature
   * the receiver will check, so that no signer can make an honest proxy's work fail at the receiver.
   * @throws KFRAG_INVALID when the commitment is wrong or a given key is bound by no signature,
   *   SIGNATURE_INVALID when a signature is not the signer's, SUITE_UNSUPPORTED when a key is of another suite.
   */
  verify({ verifyingKey, delegatingKey, receivingKey }: KeyFragKeys): VerifiedKeyFrag {
    const parts = this.#parts;
    const { suite } = parts;
    requireSuite(suite, ...[verifyingKey, delegatingKey, receivingKey].filter((key) => key !== undefined));
    if (!equal(multiply(suite.group, parts.rk, requireUmbral(suite)).bytes, parts.commitment.bytes)) {
      throw new PreError(CODE, 'the share does not match its commitment');
    }
    const bothGiven = delegatingKey !== undefined && receivingKey !== undefined;
    const signedDelegating = boundKey('delegating', parts.delegatingKeySigned, delegatingKey, bothGiven);
    const signedReceiving = boundKey('receiving', parts.receivingKeySigned, receivingKey, bothGiven);
    const { signatureForProxy, signatureForReceiver } = parts;
    const forProxy = signedMessage(parts, signedDelegating, signedReceiving);
    if (!verifySignature(verifyingKey, forProxy, signatureForProxy)) throw notSigned();
    if (bothGiven) {
      const forReceiver = signedMessage(parts, delegatingKey, receivingKey);
      // One signature may stand in both places when it signs the same.
      const isSame = equal(forReceiver, forProxy) && equal(signatureForReceiver, signatureForProxy);
      if (!isSame && !verifySignature(verifyingKey, forReceiver, signatureForReceiver)) throw notSigned();
    }
    return new VerifiedKeyFrag(INSIDE, parts);
  }
}

/** A key fragment whose signatures were checked, or that was made here: the only kind that re-encrypts. */
export class VerifiedKeyFrag {
  readonly #parts: KeyFragParts;

  /** @internal */
  constructor(inside: typeof INSIDE, parts: KeyFragParts) {
    requireInside(inside);
    this.#parts = parts;
  }

  /** 310 bytes, secret: whoever reads t of them together with the receiver's key recovers the delegating key. */
  toBytes(): Uint8Array {
    return encode(this.#parts);
  }

  /** Overwrites the share; re-encrypting with it then throws KFRAG_INVALID. */
  wipe(): void {
    this.#parts.rk.fill(0);
  }

  static {
    readParts = (kfrag) => {
      if (!(#parts in kfrag)) throw new PreError(CODE, 'not a VerifiedKeyFrag');
      return kfrag.#parts;
    };
  }
}

/** The fields of a verified fragment, inside the package only. */
export function kfragParts(kfrag: VerifiedKeyFrag): KeyFragParts {
  return readParts(kfrag);
}

/** What the signer signs: id | U1 | X | (1 | delegating key, or 0) | (1 | receiving key, or 0). */
export function signedMessage(
  { id, commitment, precursor }: Pick<KeyFragParts, 'id' | 'commitment' | 'precursor'>,
  delegatingKey: PublicKey | undefined,
  receivingKey: PublicKey | undefined,
): Uint8Array {
  return concat(id, commitment.bytes, precursor.bytes, optionalKey(delegatingKey), optionalKey(receivingKey));
}

export function notSigned(): PreError {
  return new PreError('SIGNATURE_INVALID', 'the fragment is not signed by the verifying key for these keys');
}

function optionalKey(key: PublicKey | undefined): Uint8Array {
  return key === undefined ? Uint8Array.of(0) : concat(Uint8Array.of(1), key.toBytes());
}

function boundKey(
  name: string,
  signed: boolean,
  key: PublicKey | undefined,
  boundByReceiverSignature: boolean,
): PublicKey | undefined {
  if (signed && key === undefined) throw new PreError(CODE, `the ${name} key is signed and needed to verify`);
  if (!signed && key !== undefined && !boundByReceiverSignature) {
    throw new PreError(CODE, `the ${name} key is not signed and cannot be verified alone`);
  }
  return signed ? key : undefined;
}

function readFlag(reader: ByteReader): boolean {
  const [flag] = reader.take(1);
  if (flag !== TRUE && flag !== FALSE) throw new PreError(CODE, 'a flag is true or false');
  return flag === TRUE;
}

function encode(parts: KeyFragParts): Uint8Array {
  const flags = [parts.delegatingKeySigned, parts.receivingKeySigned].map((flag) => (flag ? TRUE : FALSE));
  const { suite, id, rk, precursor, commitment, signatureForProxy, signatureForReceiver } = parts;
  const u = requireUmbral(suite);
  const content = [u.bytes, id, rk, precursor.bytes, commitment.bytes, signatureForProxy, signatureForReceiver];
  return pack(LAYOUT, concat(...content, Uint8Array.from(flags)));
}
