import { binaryString, concat, wipe } from './bytes.ts';
import type { VerifiedParts } from './cfrag.ts';
import { multiply, ONE } from './curve.ts';
import { DelegationSecret } from './delegation.ts';
import type { Group, Scalar } from './group.ts';
import type { PublicKey } from './public-key.ts';
import type { SecretKey } from './secret-key.ts';
import { scalarOf } from './secret-key.ts';
import { verifySignature } from './signer.ts';

/**
 * Receiver side: what is the same for all capsules of a delegation, computed once. It is secret, and kept until this is
 * disposed of: `using cache = new ReceiverCache()`.
 */
export class ReceiverCache implements Disposable {
  readonly #signatures = new Map<string, boolean>();
  readonly #weights = new Map<string, readonly Scalar[]>();

  /** Whether the signature of a key fragment holds: it is the same in all that a proxy makes with it. */
  isSigned(key: PublicKey, message: Uint8Array, signature: Uint8Array): boolean {
    const question = binaryString(concat(Uint8Array.of(key.suite.id), key.toBytes(), message, signature));
    const isSigned = this.#signatures.get(question) ?? verifySignature(key, message, signature);
    this.#signatures.set(question, isSigned);
    return isSigned;
  }

  /** d·λᵢ for each fragment: E1ᵢ = rkᵢ·E with rkᵢ a share of a/d, so that E1ᵢ with these weights sum to a·E. */
  weights(receivingKey: SecretKey, fragments: readonly Pick<VerifiedParts, 'id' | 'precursor'>[]): readonly Scalar[] {
    const [{ precursor }] = fragments as [VerifiedParts];
    const receiver = receivingKey.publicKey();
    const { suite } = receiver;
    const ids = fragments.map(({ id }) => id);
    const question = binaryString(concat(Uint8Array.of(suite.id), receiver.toBytes(), precursor.bytes, ...ids));
    let weights = this.#weights.get(question);
    if (weights === undefined) {
      using secret = new DelegationSecret(
        suite,
        precursor,
        receiver,
        multiply(suite.group, scalarOf(receivingKey), precursor),
      );
      weights = lagrangeAtZero(
        suite.group,
        ids.map((id) => secret.argumentOf(id)),
        secret.d,
      );
      this.#weights.set(question, weights);
    }
    return weights;
  }

  [Symbol.dispose](): void {
    for (const weights of this.#weights.values()) wipe(...weights);
    this.#weights.clear();
    this.#signatures.clear();
  }
}

/** factor·λᵢ with λᵢ = Π xⱼ / (xⱼ - xᵢ) over j ≠ i, for secret arguments, which it consumes. */
function lagrangeAtZero(group: Group, xs: readonly Scalar[], factor: Scalar): Scalar[] {
  const product = (scalars: readonly Scalar[]) => scalars.reduce((a, b) => group.multiplyScalars(a, b), ONE);
  const weights = xs.map((xi, i) => {
    const others = xs.filter((_, j) => j !== i);
    const minusXi = group.negate(xi);
    const denominator = product(others.map((xj) => group.addScalars(xj, minusXi)));
    return product([factor, ...others, group.invert(denominator)]);
  });
  wipe(...xs);
  return weights;
}
