import { equal } from './bytes.ts';
import type { Capsule } from './capsule.ts';
import { capsuleParts, keyOf } from './capsule.ts';
import type { VerifiedCapsuleFrag, VerifiedParts } from './cfrag.ts';
import { cfragParts } from './cfrag.ts';
import type { Point } from './curve.ts';
import { field, hashToScalar, invertSecret } from './curve.ts';
import { delegationSecret, MAX_SHARES } from './delegation.ts';
import { PreError } from './pre-error.ts';
import type { PublicKey } from './public-key.ts';
import { pointOf } from './public-key.ts';
import type { SecretKey } from './secret-key.ts';
import { scalarOf } from './secret-key.ts';
import { UMBRAL } from './tags.ts';

/** What a receiver opens a capsule with. */
export interface Reencrypted {
  readonly receivingKey: SecretKey;
  readonly delegatingKey: PublicKey;
  readonly capsule: Capsule;
  /** At least the threshold of them, all of one delegation and this capsule, each once. */
  readonly cfrags: readonly VerifiedCapsuleFrag[];
}

/**
 * Receiver side: the 32-byte key inside the capsule, from the fragments of at least the threshold of proxies.
 * @throws CFRAG_INVALID when fragments repeat or are of another capsule, delegation or key,
 *   THRESHOLD when they are none, too few, or more than 255.
 */
export function decapsulateReencrypted({ receivingKey, delegatingKey, capsule, cfrags }: Reencrypted): Uint8Array {
  const fragments = cfrags.map(cfragParts);
  const [first] = fragments;
  if (first === undefined || fragments.length > MAX_SHARES) {
    throw new PreError('THRESHOLD', `between 1 and ${MAX_SHARES} fragments open a capsule`);
  }
  const receivingPublicKey = receivingKey.publicKey();
  requireOneDelegation(fragments, first, capsule, delegatingKey, receivingPublicKey);

  const shared = first.precursor.multiply(scalarOf(receivingKey));
  const secret = delegationSecret(first.precursor, receivingPublicKey, shared);
  const weights = lagrangeAtZero(fragments.map((fragment) => secret.argumentOf(fragment.id)));
  const weighted = (point: (fragment: VerifiedParts) => Point) =>
    fragments
      .map((fragment, at) => point(fragment).multiply(weights[at] as bigint))
      .reduce((sum, next) => sum.add(next));
  const ePrime = weighted((fragment) => fragment.e1);
  const vPrime = weighted((fragment) => fragment.v1);

  const { e, v, s } = capsuleParts(capsule);
  const h = hashToScalar(UMBRAL.capsulePoints, e.toBytes(), v.toBytes());
  const expected = pointOf(delegatingKey).multiply(field.mul(s, invertSecret(secret.d)));
  const sum = ePrime.add(vPrime);
  if (sum.is0() || !expected.equals(ePrime.multiplyUnsafe(h).add(vPrime))) {
    throw new PreError('THRESHOLD', 'too few fragments, or fragments of another delegation');
  }
  return keyOf(sum.multiply(secret.d));
}

function requireOneDelegation(
  fragments: readonly VerifiedParts[],
  first: VerifiedParts,
  capsule: Capsule,
  delegatingKey: PublicKey,
  receivingKey: PublicKey,
): void {
  const capsuleBytes = capsule.toBytes();
  const ids = new Set<string>();
  for (const fragment of fragments) {
    if (!equal(fragment.capsule.toBytes(), capsuleBytes))
      throw new PreError('CFRAG_INVALID', 'made for another capsule');
    if (
      fragment.delegatingKey?.equals(delegatingKey) === false ||
      fragment.receivingKey?.equals(receivingKey) === false
    ) {
      throw new PreError('CFRAG_INVALID', 'verified for other keys');
    }
    if (!equal(fragment.precursorBytes, first.precursorBytes))
      throw new PreError('CFRAG_INVALID', 'of two delegations');
    ids.add(fragment.id.join());
  }
  if (ids.size !== fragments.length) throw new PreError('CFRAG_INVALID', 'the same fragment twice');
}

/** λᵢ = Π xⱼ / (xⱼ - xᵢ) over j ≠ i, for secret arguments. */
function lagrangeAtZero(xs: readonly bigint[]): bigint[] {
  return xs.map((xi, i) => {
    let numerator = 1n;
    let denominator = 1n;
    for (const [j, xj] of xs.entries()) {
      if (j === i) continue;
      numerator = field.mul(numerator, xj);
      denominator = field.mul(denominator, field.sub(xj, xi));
    }
    return field.mul(numerator, invertSecret(denominator));
  });
}
