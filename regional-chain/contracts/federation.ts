import { ChainContract, type Context, getJson, putJson, refuse } from '@yilian/ledger/contract';
import { type Outcome as Proven, verifyOutcome } from '@yilian/ledger/verify';
import {
  parseGenesis,
  parseRegionEntry,
  parseScopeList,
  parseTrust,
  requireSoundTrust,
  rotateTrust,
  Time,
} from '@yilian/protocol';
import { Compile, Type } from '@yilian/schema';
import {
  type Foundation,
  foundation,
  foundationKey,
  idArgument,
  type Mirror,
  mirrorKey,
  mirrorOf,
  now,
  parseArgument,
  payloadOf,
  proofArgument,
  requireRole,
  type ScopeMirror,
  scopesKey,
} from './region.ts';

/** The main-chain transactions that change what a region mirrors. */
const REGISTRY_CHANGES = new Set(['Registry:approve', 'Checkpoints:anchor']);
const AppliedChange = Type.Object({
  applied: Type.Literal(true),
  kind: Type.String(),
  entry: Type.Unknown(),
  overlapUntil: Type.Optional(Time),
});
const applied = Compile(AppliedChange);
const NO_SCOPES: ScopeMirror = { version: 0, scopes: [], mainHeight: 0, mainTime: 0 };

/** The chain's foundation and its mirrors of main-chain facts. */
export class FederationContract extends ChainContract {
  constructor() {
    super('Federation');
  }

  /** Pins the main chain's genesis, once. */
  async found(ctx: Context, region: string, genesisJson: string): Promise<void> {
    requireRole(ctx, 'admin');
    now(ctx);
    idArgument('region', region);
    if ((await getJson(ctx, foundationKey)) !== undefined) refuse('FOUNDED', 'this chain is founded already');
    const { federation, main } = parseGenesis(parseArgument(genesisJson, 'genesis'));
    requireSoundTrust(main);
    if (region === main.network) refuse('REGION_MISMATCH', 'a region is not the main chain');
    await putJson(ctx, foundationKey, { federation, region, main: [main] } satisfies Foundation);
  }

  /**
   * Copies what a committed registry change on the main chain says: a region's entry, the list of scopes or the
   * authorities' trust roots. The proof is everything; anyone's relay may bring it. Versions only rise.
   */
  async mirror(ctx: Context, proofJson: string): Promise<string> {
    requireRole(ctx, 'relay', 'admin');
    const home = await foundation(ctx);
    const verified = verifyOutcome(proofArgument(proofJson), home.main, {}, now(ctx));
    if (!REGISTRY_CHANGES.has(verified.function)) refuse('PROOF_MISMATCH', 'the transaction changes no registry entry');
    const change = payloadOf(verified);
    if (!applied.Check(change)) return refuse('NOT_APPLIED', 'this approval did not complete a change');
    if (change.kind === 'main') return mirrorMain(ctx, home, change);
    if (change.kind === 'scopes') return mirrorScopes(ctx, change.entry, verified);
    return mirrorRegion(ctx, home, change.entry, verified);
  }

  async get(ctx: Context): Promise<string> {
    return JSON.stringify(await foundation(ctx));
  }

  async region(ctx: Context, region: string): Promise<string> {
    return JSON.stringify(await mirrorOf(ctx, idArgument('region', region)));
  }

  /** The mirrored list of scopes; version 0 while there is none. */
  async scopes(ctx: Context): Promise<string> {
    return JSON.stringify((await scopesOf(ctx)) ?? NO_SCOPES);
  }
}

function scopesOf(ctx: Context): Promise<ScopeMirror | undefined> {
  return getJson<ScopeMirror>(ctx, scopesKey);
}

/** A scope key may only be bound for a scope of the federation. @throws SCOPES_UNKNOWN SCOPE_UNKNOWN */
export async function requireScope(ctx: Context, scope: string): Promise<void> {
  const mirrored = await scopesOf(ctx);
  if (mirrored === undefined) return refuse('SCOPES_UNKNOWN', 'no list of scopes is mirrored yet');
  if (!mirrored.scopes.some((entry) => entry.scope === scope)) refuse('SCOPE_UNKNOWN', `no scope ${scope}`);
}

async function mirrorMain(
  ctx: Context,
  home: Foundation,
  { entry, overlapUntil }: { readonly entry: unknown; readonly overlapUntil?: number },
): Promise<string> {
  const trust = parseTrust(entry);
  const [newest] = home.main;
  if (newest !== undefined && trust.version <= newest.version) return 'unchanged';
  if (trust.network !== newest?.network || overlapUntil === undefined)
    return refuse('PROOF_MISMATCH', 'the trust roots are no rotation of the main chain’s');
  const main = rotateTrust(home.main, trust, overlapUntil);
  await putJson(ctx, foundationKey, { ...home, main } satisfies Foundation);
  return 'mirrored';
}

async function mirrorScopes(ctx: Context, entry: unknown, { block, timestamp }: Proven): Promise<string> {
  const list = parseScopeList(entry);
  const known = await scopesOf(ctx);
  if (known !== undefined && known.version >= list.version) return 'unchanged';
  await putJson(ctx, scopesKey, { ...list, mainHeight: block, mainTime: timestamp } satisfies ScopeMirror);
  return 'mirrored';
}

async function mirrorRegion(
  ctx: Context,
  home: Foundation,
  json: unknown,
  { block, timestamp }: Proven,
): Promise<string> {
  const entry = parseRegionEntry(json);
  if (entry.federation !== home.federation) refuse('FEDERATION_MISMATCH', 'the region is of another federation');
  const known = await getJson<Mirror>(ctx, mirrorKey(ctx, entry.region));
  if (known !== undefined && known.entry.version >= entry.version) return 'unchanged';
  const mirror: Mirror = { entry, mainHeight: block, mainTime: timestamp };
  await putJson(ctx, mirrorKey(ctx, entry.region), mirror);
  return 'mirrored';
}
