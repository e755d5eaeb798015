import { type Context, Contract, getJson, putJson, refuse } from '@yilian/ledger/contract';
import { verifyOutcome } from '@yilian/ledger/verify';
import { parseGenesis, parseOutcomeProof, parseRegionEntry, parser, Trust } from '@yilian/protocol';
import {
  type Foundation,
  foundation,
  foundationKey,
  type Mirror,
  mirrorKey,
  mirrorOf,
  now,
  parseArgument,
  requireRole,
} from './region.ts';

const parseTrust = parser('trust', Trust);
/** The main-chain transactions that change what a region mirrors. */
const REGISTRY_CHANGES = new Set(['Registry:approve', 'Checkpoints:anchor']);

/** The chain's foundation and its mirrors of main-chain facts. */
export class FederationContract extends Contract {
  constructor() {
    super('Federation');
  }

  /** Pins the main chain's genesis, once. */
  async found(ctx: Context, region: string, genesisJson: string): Promise<void> {
    requireRole(ctx, 'admin');
    if ((await getJson(ctx, foundationKey)) !== undefined) refuse('FOUNDED', 'this chain is founded already');
    const { federation, main } = parseGenesis(parseArgument(genesisJson));
    await putJson(ctx, foundationKey, { federation, region, main: [main] } satisfies Foundation);
  }

  /** Copies what a committed registry change on the main chain says. The proof is everything; anyone's relay may bring it. */
  async mirror(ctx: Context, proofJson: string): Promise<string> {
    requireRole(ctx, 'relay', 'admin');
    const home = await foundation(ctx);
    const at = now(ctx);
    const proof = parseOutcomeProof(parseArgument(proofJson));
    const verified = verifyOutcome(proof, home.main, {}, at);
    if (!REGISTRY_CHANGES.has(verified.function))
      refuse('PROOF_MISMATCH', `${verified.function} changes no registry entry`);
    const change = JSON.parse(new TextDecoder().decode(verified.payload)) as {
      applied?: boolean;
      kind?: string;
      entry?: unknown;
    };
    if (change.applied !== true) refuse('NOT_APPLIED', 'this approval did not complete a change');
    if (change.kind === 'main') {
      const trust = parseTrust(change.entry);
      const newest = home.main[0]?.version ?? 0;
      if (trust.version <= newest) return 'unchanged';
      await putJson(ctx, foundationKey, { ...home, main: [trust, ...home.main].slice(0, 4) } satisfies Foundation);
      return 'mirrored';
    }
    if (change.kind !== 'region') return 'unchanged';
    const entry = parseRegionEntry(change.entry);
    if (entry.federation !== home.federation) refuse('FEDERATION_MISMATCH', 'the region is of another federation');
    const known = await getJson<Mirror>(ctx, mirrorKey(ctx, entry.region));
    if (known !== undefined && known.entry.version >= entry.version) return 'unchanged';
    await putJson(ctx, mirrorKey(ctx, entry.region), {
      entry,
      mainHeight: verified.block,
      mainTime: verified.timestamp,
    } satisfies Mirror);
    return 'mirrored';
  }

  async get(ctx: Context): Promise<string> {
    return JSON.stringify(await foundation(ctx));
  }

  async region(ctx: Context, region: string): Promise<string> {
    return JSON.stringify(await mirrorOf(ctx, region));
  }
}
