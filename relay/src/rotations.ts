import type { Foundation } from '@yilian/main-chain';
import { OutcomeProof, parser } from '@yilian/protocol';
import type { Witnesses } from './attestations.ts';
import type { RedisConnections } from './redis.ts';

const parseProof = parser('rotation', OutcomeProof);

/**
 * Proofs that the authorities changed the main chain's trust roots. One is worth something to whoever knows the roots
 * before only as long as those were in force when it was attested, so each is kept for good once it is had.
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
    const proof = await this.#attesters.prove(transactionId);
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
