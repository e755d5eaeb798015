import { type Context, Contract, getJson, putJson, refuse, transactionTime } from '@yilian/ledger/contract';
import { parsePolicy, satisfies } from '@yilian/ledger/verify';
import {
  Checkpoint,
  fromBase64url,
  Hash,
  identifyAny,
  parser,
  parseSigned,
  type RegionEntry,
  requireCertificateSignatures,
  requireConsistency,
  type SignedBy,
} from '@yilian/protocol';
import { Type } from 'typebox';
import { foundation, parseArgument, putRegion, regionOf, requireRole } from './chain.ts';

/** A region's newest accepted checkpoint. */
type Anchored = SignedBy<typeof Checkpoint>;
const parseProof = parser('consistency proof', Type.Array(Hash, { maxItems: 64 }));

/** Merkle roots of every region's outcomes. */
export class CheckpointContract extends Contract {
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
    const signed = parseSigned(Checkpoint, parseArgument(json));
    const next = signed.document;
    if (next.federation !== federation) refuse('FEDERATION_MISMATCH', 'the checkpoint is of another federation');
    const region = await regionOf(ctx, next.region);
    requireProxies(signed, region, at);
    const key = ctx.stub.createCompositeKey('checkpoint', [next.region]);
    const last = (await getJson<Anchored>(ctx, key))?.document;
    if (last !== undefined) {
      if (next.size === last.size && next.root !== last.root) {
        return putRegion(ctx, { ...region, version: region.version + 1, frozen: true });
      }
      if (next.size <= last.size) return JSON.stringify({ applied: false });
      const proof = parseProof(parseArgument(proofJson)).map(fromBase64url);
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
    return JSON.stringify((await getJson(ctx, ctx.stub.createCompositeKey('checkpoint', [region]))) ?? null);
  }
}

function requireProxies(signed: Anchored, { trusts, region }: RegionEntry, at: number): void {
  const identities = requireCertificateSignatures(signed, (certificate) => identifyAny(trusts, certificate, at));
  if (identities.some(({ attributes }) => attributes['yilian.role'] !== 'proxy'))
    refuse('ROLE_REQUIRED', 'proxies sign checkpoints');
  if (!satisfies(parsePolicy(trusts[0]?.attestation ?? ''), identities))
    refuse('ATTESTATION_POLICY', 'too few proxies signed');
}
