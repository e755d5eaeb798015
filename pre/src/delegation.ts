import { binaryString, wipe } from './bytes.ts';
import { hashToScalar, randomScalar, SCALAR_BYTES } from './curve.ts';
import type { Group, Point, Scalar } from './group.ts';
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
import type { Suite } from './suite.ts';
import { requireSuite, requireUmbral } from './suite.ts';
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
 *   KEY_REUSED when the delegating key is also the signing key, RANDOM_INVALID when the random source repeats itself,
 *   SUITE_UNSUPPORTED on two suites, or one without Umbral.
 */
export function generateKfrags(delegation: Delegation, rng: Rng = systemRng): VerifiedKeyFrag[] {
  const { delegatingKey, receivingKey, signer, threshold, shares } = delegation;
  const { signDelegatingKey = true, signReceivingKey = true } = delegation;
  if (!(Number.isInteger(threshold) && Number.isInteger(shares) && 1 <= threshold && threshold <= shares)) {
    throw new PreError('THRESHOLD', 'threshold and shares are integers with 1 ≤ threshold ≤ shares');
  }
  if (shares > MAX_SHARES) throw new PreError('THRESHOLD', `at most ${MAX_SHARES} shares`);
  const { suite } = delegatingKey;
  const { group } = suite;
  const u = requireUmbral(suite);
  requireSuite(suite, receivingKey, signer.verifyingKey());
  const delegatingPublicKey = delegatingKey.publicKey();
  if (delegatingPublicKey.equals(signer.verifyingKey())) {
    throw new PreError('KEY_REUSED', 'whoever recovers a delegating key must not be able to sign: use another signer');
  }

  const x = randomScalar(suite, rng);
  const [precursor, shared] = group.multiply([
    { scalar: x, point: group.generator },
    { scalar: x, point: pointOf(receivingKey) },
  ]) as [Point, Point];
  using secret = new DelegationSecret(suite, precursor, receivingKey, shared);
  const coefficients = [group.multiplyScalars(scalarOf(delegatingKey), group.invert(secret.d))];
  while (coefficients.length < threshold) coefficients.push(randomScalar(suite, rng));
  const ids = Array.from({ length: shares }, () => draw(rng, FRAGMENT_ID_BYTES));
  const rks = ids.map((id) => evaluate(group, coefficients, secret.argumentOf(id)));
  wipe(x, ...coefficients);
  if (new Set(ids.map(binaryString)).size !== shares || !rks.every((rk) => group.isNonZero(rk)))
    throw new PreError('RANDOM_INVALID', 'the random source repeats itself');

  const commitments = group.multiply(rks.map((scalar) => ({ scalar, point: u })));
  return rks.map((rk, index) => {
    const [id, commitment] = [ids[index] as Uint8Array, commitments[index] as Point];
    const unsigned = { suite, id, rk, precursor, commitment };
    const sign = (delegatingSigned: boolean, receivingSigned: boolean) =>
      signer.sign(
        signedMessage(
          unsigned,
          delegatingSigned ? delegatingPublicKey : undefined,
          receivingSigned ? receivingKey : undefined,
        ),
        rng,
      );
    const signatureForReceiver = sign(true, true);
    const parts: KeyFragParts = {
      ...unsigned,
      signatureForProxy:
        signDelegatingKey && signReceivingKey ? signatureForReceiver : sign(signDelegatingKey, signReceivingKey),
      signatureForReceiver,
      delegatingKeySigned: signDelegatingKey,
      receivingKeySigned: signReceivingKey,
    };
    return new VerifiedKeyFrag(INSIDE, parts);
  });
}

/** What delegator and receiver alone share: the secret d and the polynomial's argument of every fragment id. */
export class DelegationSecret implements Disposable {
  readonly d: Scalar;
  readonly #suite: Suite;
  readonly #transcript: readonly Uint8Array[];

  /** @param shared x·B on the delegator's side, b·X on the receiver's; wiped with the rest */
  constructor(suite: Suite, precursor: Point, receivingKey: PublicKey, shared: Point) {
    this.#suite = suite;
    wipe(shared.affine);
    this.#transcript = [precursor.bytes, receivingKey.toBytes(), shared.bytes];
    this.d = hashToScalar(suite, UMBRAL.sharedSecret, ...this.#transcript);
  }

  argumentOf(id: Uint8Array): Scalar {
    return hashToScalar(this.#suite, UMBRAL.polynomialArgument, ...this.#transcript, id);
  }

  [Symbol.dispose](): void {
    wipe(this.d, this.#transcript[2] as Uint8Array);
  }
}

/** By Horner's rule. */
function evaluate(group: Group, coefficients: readonly Scalar[], argument: Scalar): Scalar {
  const value = coefficients.reduceRight(
    (value, coefficient) => group.addScalars(group.multiplyScalars(value, argument), coefficient),
    new Uint8Array(SCALAR_BYTES),
  );
  wipe(argument);
  return value;
}
