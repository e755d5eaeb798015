import type { Foundation } from '@yilian/main-chain';
import { OutcomeProof, parser } from '@yilian/protocol';
import type { Witnesses } from './attestations.ts';
import type { RedisConnections } from './redis.ts';

const parseProof = parser('rotation', OutcomeProof);

/**
 * Proofs that the authorities changed the main chain's trust roots, attested under the roots before, which is what they
 * are believed by. It can be had as long as those overlap with the new ones, and is kept for good.
 */
export class Rotations {
  readonly #redis: RedisConnections;
  readonly #attesters: Witnesses;

  constructor(redis: RedisConnections, attesters: Witnesses) {
    this.#redis = redis;
    this.#attesters = attesters;
  }

  /** The change that put this version in force. @throws ATTESTATIONS_MISSING */
  async proof(version: number, transactionId: string): Promise<OutcomeProof> {
    const key = `${this.#redis.prefix}:rotation:${version}:${transactionId}`;
    const kept = await this.#redis.commands.get(key).catch(() => null);
    if (kept !== null) return parseProof(JSON.parse(kept));
    const before = version - 1;
    const overlap = (await this.#attesters.trusts()).some((trust) => trust.version === before);
    const proof = await this.#attesters.prove(transactionId, overlap ? before : undefined);
    if (attestedUnder(proof) < version) await this.#redis.commands.set(key, JSON.stringify(proof)).catch(() => 'no');
    return proof;
  }

  /** As many changes as lead on from the genesis, oldest first. */
  async proofs({ rotations = [] }: Foundation): Promise<OutcomeProof[]> {
    const proofs: OutcomeProof[] = [];
    for (const { version, transactionId } of rotations) {
      const proof = await this.proof(version, transactionId).catch(() => undefined);
      if (proof === undefined || attestedUnder(proof) >= version) break;
      proofs.push(proof);
    }
    return proofs;
  }
}

function attestedUnder({ attestations }: OutcomeProof): number {
  return attestations[0]?.statement.trustRootVersion ?? Number.POSITIVE_INFINITY;
}
