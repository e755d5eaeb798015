import { ChainContract, type Context, getJson, putJson, refuse, transactionTime } from '@yilian/ledger/contract';
import { verifyOutcome } from '@yilian/ledger/verify';
import { Hash, Pseudonym, parseOutcomeProof, parser, RegionId } from '@yilian/protocol';
import { Type } from '@yilian/schema';
import { foundation, parseArgument, regionOf, requireRole } from './chain.ts';

const parseAnnouncement = parser(
  'announcement',
  Type.Object({ federation: RegionId, region: RegionId, pseudonym: Pseudonym }, { additionalProperties: false }),
);
const parsePseudonym = parser('pseudonym', Pseudonym);
const parseRequestId = parser('request id', Hash);

/** Which region holds records of which patient. */
export class IndexContract extends ChainContract {
  constructor() {
    super('Index');
  }

  /** Adds what a region's chain announced, as the proof shows. */
  async add(ctx: Context, proofJson: string): Promise<void> {
    requireRole(ctx, 'relay');
    const { federation } = await foundation(ctx);
    const at = transactionTime(ctx);
    const proof = parseOutcomeProof(parseArgument(proofJson, 'proof'));
    const { trusts } = await regionOf(ctx, proof.network);
    const { payload } = verifyOutcome(proof, trusts, { function: 'Patients:announce' }, at);
    const announced = parseAnnouncement(jsonOf(payload));
    if (announced.region !== proof.network || announced.federation !== federation)
      refuse('PROOF_MISMATCH', 'the announcement is another region’s');
    const key = ctx.stub.createCompositeKey('holds', [announced.pseudonym, announced.region]);
    if ((await getJson(ctx, key)) === undefined) await putJson(ctx, key, { region: announced.region, since: at });
  }

  /**
   * States that no region holds the patient. Committed, so that the ledger itself confirms at a known height that
   * nothing was added meanwhile (the phantom check on the range read).
   */
  async absent(ctx: Context, pseudonym: string, requestId: string): Promise<string> {
    requireRole(ctx, 'relay');
    transactionTime(ctx);
    parsePseudonym(pseudonym);
    parseRequestId(requestId);
    const regions = await regionsOf(ctx, pseudonym);
    if (regions.length > 0) refuse('INDEXED', regions.join(' '));
    return JSON.stringify({ pseudonym, requestId });
  }

  async lookup(ctx: Context, pseudonym: string): Promise<string> {
    return JSON.stringify(await regionsOf(ctx, parsePseudonym(pseudonym)));
  }
}

function jsonOf(payload: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
  } catch {
    return refuse('PROOF_MISMATCH', 'the transaction returned no JSON');
  }
}

async function regionsOf(ctx: Context, pseudonym: string): Promise<string[]> {
  const regions: string[] = [];
  for await (const { value } of ctx.stub.getStateByPartialCompositeKey('holds', [pseudonym])) {
    regions.push((JSON.parse(new TextDecoder().decode(value)) as { region: string }).region);
  }
  return regions;
}
