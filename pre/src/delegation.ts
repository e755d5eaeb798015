import type { Point } from './curve.ts';
import { encodeScalar, field, G, hashToScalar, invertSecret, randomScalar, U } from './curve.ts';
import { INSIDE } from './guard.ts';
import type { KeyFragParts } from './kfrag.ts';
import { FRAGMENT_ID_BYTES, signedMessage, VerifiedKeyFrag } from './kfrag.ts';
import { PreError } from './pre-error.ts';
import type { PublicKey } from './public-key.ts';
import { pointOf } from './public-key.ts';
import type { Rng } from './rng.ts';
import { draw, systemRng } from './rng.ts';
import type { SecretKey } from './secret-key.ts';
import { scalarOf } from './secret-key.ts';
import type { Signer } from './signer.ts';
import { UMBRAL } from './tags.ts';

/** Most fragments one delegation may have. */
export const MAX_SHARES = 255;

export interface Delegation {
  /** Whose capsules become readable; not the signer's key. */
  readonly delegatingKey: SecretKey;
  readonly receivingKey: PublicKey;
  readonly signer: Signer;
  /** How many fragments re-encrypt together, 1 to `shares`. */
  readonly threshold: number;
  /** How many fragments are made, at most 255. */
  readonly shares: number;
  /** Whether the signature for the proxy covers the delegating key. Default true. */
  readonly signDelegatingKey?: boolean;
  /** Whether the signature for the proxy covers the receiving key. Default true. */
  readonly signReceivingKey?: boolean;
}

/**
 * Delegator side: splits the right to re-encrypt from one key to another into `shares` key fragments.
 * @throws THRESHOLD unless 1 ≤ threshold ≤ shares ≤ 255,
 *   KEY_REUSED when the delegating key is also the signing key, RANDOM_INVALID when the random source repeats itself.
 */
export function generateKfrags(delegation: Delegation, rng: Rng = systemRng): VerifiedKeyFrag[] {
  const { delegatingKey, receivingKey, signer, threshold, shares } = delegation;
  const { signDelegatingKey = true, signReceivingKey = true } = delegation;
  if (!(Number.isInteger(threshold) && Number.isInteger(shares) && 1 <= threshold && threshold <= shares)) {
    throw new PreError('THRESHOLD', 'threshold and shares are integers with 1 ≤ threshold ≤ shares');
  }
  if (shares > MAX_SHARES) throw new PreError('THRESHOLD', `at most ${MAX_SHARES} shares`);
  const delegatingPublicKey = delegatingKey.publicKey();
  if (delegatingPublicKey.equals(signer.verifyingKey())) {
    throw new PreError('KEY_REUSED', 'whoever recovers a delegating key must not be able to sign: use another signer');
  }

  const x = randomScalar(rng);
  const precursorPoint = G.multiply(x);
  const secret = delegationSecret(precursorPoint, receivingKey, pointOf(receivingKey).multiply(x));
  const coefficients = [field.mul(scalarOf(delegatingKey), invertSecret(secret.d))];
  while (coefficients.length < threshold) coefficients.push(randomScalar(rng));

  const precursor = precursorPoint.toBytes();
  const argumentsSeen = new Set<bigint>();
  return Array.from({ length: shares }, () => {
    const id = draw(rng, FRAGMENT_ID_BYTES);
    const argument = secret.argumentOf(id);
    const rk = evaluate(coefficients, argument);
    if (argumentsSeen.has(argument) || field.is0(rk)) {
      throw new PreError('RANDOM_INVALID', 'the random source repeats itself');
    }
    argumentsSeen.add(argument);
    const unsigned = { id, rk: encodeScalar(rk), precursor, commitment: U.multiply(rk).toBytes() };
    const signatureForReceiver = signer.sign(signedMessage(unsigned, delegatingPublicKey, receivingKey), rng);
    const signatureForProxy =
      signDelegatingKey && signReceivingKey
        ? signatureForReceiver
        : signer.sign(
            signedMessage(
              unsigned,
              signDelegatingKey ? delegatingPublicKey : undefined,
              signReceivingKey ? receivingKey : undefined,
            ),
            rng,
          );
    const parts: KeyFragParts = {
      ...unsigned,
      signatureForProxy,
      signatureForReceiver,
      delegatingKeySigned: signDelegatingKey,
      receivingKeySigned: signReceivingKey,
    };
    return new VerifiedKeyFrag(INSIDE, parts);
  });
}

/** What delegator and receiver alone share: the secret d and the polynomial's argument of every fragment id. */
export interface DelegationSecret {
  readonly d: bigint;
  argumentOf(id: Uint8Array): bigint;
}

/** @param shared x·B on the delegator's side, b·X on the receiver's. */
export function delegationSecret(precursor: Point, receivingKey: PublicKey, shared: Point): DelegationSecret {
  const transcript = [precursor.toBytes(), receivingKey.toBytes(), shared.toBytes()];
  return {
    d: hashToScalar(UMBRAL.sharedSecret, ...transcript),
    argumentOf: (id) => hashToScalar(UMBRAL.polynomialArgument, ...transcript, id),
  };
}

function evaluate(coefficients: readonly bigint[], argument: bigint): bigint {
  return coefficients.reduceRight((value, coefficient) => field.add(field.mul(value, argument), coefficient), 0n);
}
