import { ChainContract, type Context, getJson, putJson, refuse, transactionTime } from '@yilian/ledger/contract';
import {
  Checkpoint,
  fromBase64url,
  Hash,
  parser,
  parseSigned,
  RegionId,
  requireAttested,
  requireConsistency,
  type SignedBy,
} from '@yilian/protocol';
import { Type } from '@yilian/schema';
import { foundation, parseArgument, putRegion, regionOf, requireRecent, requireRole } from './chain.ts';

/** A region's accepted checkpoint. */
type Anchored = SignedBy<typeof Checkpoint>;
/** Two signed roots of one size: the region's log forked. */
export interface Fork {
  readonly first: Anchored;
  readonly second: Anchored;
}
const parseProof = parser('consistency proof', Type.Array(Hash, { maxItems: 64 }));
const parseRegion = parser('region', RegionId);

/** Merkle roots of every region's outcomes. */
export class CheckpointContract extends ChainContract {
  constructor() {
    super('Checkpoints');
  }

  /**
   * Accepts a region's next root, signed by its proxies, if it extends the last one. Two roots for one size are
   * proof of a forked log: the region is frozen, and the payload is that change to its entry.
   */
  async anchor(ctx: Context, json: string, proofJson: string): Promise<string> {
    requireRole(ctx, 'relay');
    const { federation } = await foundation(ctx);
    const at = transactionTime(ctx);
    const signed = parseSigned(Checkpoint, parseArgument(json, 'checkpoint'));
    const proof = parseProof(parseArgument(proofJson, 'hashes')).map(fromBase64url);
    const next = signed.document;
    if (next.federation !== federation) refuse('FEDERATION_MISMATCH', 'the checkpoint is of another federation');
    requireRecent(next.at, at);
    const region = await regionOf(ctx, next.region);
    requireAttested(signed, region.trusts, at);
    const key = ctx.stub.createCompositeKey('checkpoint', [next.region]);
    const anchored = await getJson<Anchored>(ctx, key);
    const last = anchored?.document;
    if (anchored !== undefined && last !== undefined) {
      if (next.size === last.size && next.root !== last.root) {
        const fork: Fork = { first: anchored, second: signed };
        await putJson(ctx, ctx.stub.createCompositeKey('fork', [next.region]), fork);
        return putRegion(ctx, { ...region, version: region.version + 1, frozen: true });
      }
      if (next.size <= last.size) return JSON.stringify({ applied: false });
      requireConsistency(
        { size: last.size, root: fromBase64url(last.root) },
        { size: next.size, root: fromBase64url(next.root) },
        proof,
      );
    }
    await putJson(ctx, key, signed);
    return JSON.stringify({ applied: false });
  }

  async get(ctx: Context, region: string): Promise<string> {
    return read(ctx, 'checkpoint', region);
  }

  /** The two checkpoints that froze a region. */
  async fork(ctx: Context, region: string): Promise<string> {
    return read(ctx, 'fork', region);
  }
}

async function read(ctx: Context, type: string, region: string): Promise<string> {
  return JSON.stringify((await getJson(ctx, ctx.stub.createCompositeKey(type, [parseRegion(region)]))) ?? null);
}
