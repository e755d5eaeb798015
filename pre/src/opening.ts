import { binaryString, equal, wipe } from './bytes.ts';
import type { Capsule } from './capsule.ts';
import { capsuleParts, keyOf } from './capsule.ts';
import type { VerifiedCapsuleFrag, VerifiedParts } from './cfrag.ts';
import { cfragParts } from './cfrag.ts';
import { hashToScalar, ONE } from './curve.ts';
import { MAX_SHARES } from './delegation.ts';
import type { Point, Scalar } from './group.ts';
import { PreError } from './pre-error.ts';
import type { PublicKey } from './public-key.ts';
import { pointOf } from './public-key.ts';
import { ReceiverCache } from './receiver-cache.ts';
import type { SecretKey } from './secret-key.ts';
import { requireSuite } from './suite.ts';
import { UMBRAL } from './tags.ts';

/** What a receiver opens a capsule with. */
export interface Reencrypted {
  readonly receivingKey: SecretKey;
  readonly delegatingKey: PublicKey;
  readonly capsule: Capsule;
  /** At least the threshold of them, all of one delegation and this capsule, each once. */
  readonly cfrags: readonly VerifiedCapsuleFrag[];
  /** Keeps what is the same for every capsule of a delegation. */
  readonly cache?: ReceiverCache;
}

/**
 * Receiver side: the 32-byte key inside the capsule, from the fragments of at least the threshold of proxies.
 * @throws CFRAG_INVALID when fragments repeat or are of another capsule, delegation or key,
 *   THRESHOLD when they are none, too few, or more than 255, SUITE_UNSUPPORTED on two suites.
 */
export function decapsulateReencrypted({ capsule, delegatingKey, ...opening }: Reencrypted): Uint8Array {
  const fragments = opening.cfrags.map(cfragParts);
  const [first] = fragments;
  if (first === undefined || fragments.length > MAX_SHARES) {
    throw new PreError('THRESHOLD', `between 1 and ${MAX_SHARES} fragments open a capsule`);
  }
  const { suite } = capsule;
  requireSuite(suite, delegatingKey, opening.receivingKey, ...fragments);
  requireOneDelegation(fragments, first, capsule, delegatingKey, opening.receivingKey.publicKey());

  using own = new ReceiverCache();
  const weights = (opening.cache ?? own).weights(opening.receivingKey, fragments);
  const weighted = (point: (fragment: VerifiedParts) => Point) =>
    suite.group.combine(fragments.map((fragment, at) => ({ scalar: weights[at] as Scalar, point: point(fragment) })));
  const ae = weighted(({ e1 }) => e1);
  const av = weighted(({ v1 }) => v1);
  const shared = ae && av && isMultiple(ae, av, capsule, delegatingKey) ? suite.group.add(ae, av) : undefined;
  for (const point of [ae, av]) if (point) wipe(point.bytes, point.affine);
  if (!shared) throw new PreError('THRESHOLD', 'too few fragments, or fragments of another delegation');
  return keyOf(suite, shared);
}

/** Whether aV + h·aE = sA, which is the capsule's own proof times a. */
function isMultiple(ae: Point, av: Point, capsule: Capsule, delegatingKey: PublicKey): boolean {
  const { e, v, s } = capsuleParts(capsule);
  const { suite } = capsule;
  return suite.group.vanishes([
    { scalar: ONE, point: av },
    { scalar: hashToScalar(suite, UMBRAL.capsulePoints, e.bytes, v.bytes), point: ae },
    { scalar: suite.group.negate(s), point: pointOf(delegatingKey) },
  ]);
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
    if (!equal(fragment.precursor.bytes, first.precursor.bytes))
      throw new PreError('CFRAG_INVALID', 'of two delegations');
    ids.add(binaryString(fragment.id));
  }
  if (ids.size !== fragments.length) throw new PreError('CFRAG_INVALID', 'the same fragment twice');
}
