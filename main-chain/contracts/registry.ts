import { ChainContract, type Context, getJson, putJson, refuse, transactionTime } from '@yilian/ledger/contract';
import {
  documentId,
  parseGenesis,
  parser,
  RegionEntry,
  requireSoundTrust,
  rotateTrust,
  ScopeList,
  Time,
  Trust,
} from '@yilian/protocol';
import { type Static, Type } from '@yilian/schema';
import {
  type Foundation,
  foundation,
  foundationKey,
  parseArgument,
  putRegion,
  type RegionState,
  regionKey,
  requireRole,
  type ScopeState,
} from './chain.ts';

const change = <K extends string, E extends Parameters<typeof Type.Optional>[0]>(kind: K, entry: E) =>
  Type.Object({ kind: Type.Literal(kind), entry }, { additionalProperties: false });

/**
 * A change the authorities vote on: a region's new entry, the list of scopes, or the main chain's new trust roots with
 * the time until which the old ones count as well (epoch milliseconds; 30 days when it is left out).
 */
const Change = Type.Union([
  change('region', RegionEntry),
  change('scopes', ScopeList),
  Type.Object(
    { kind: Type.Literal('main'), entry: Trust, overlapUntil: Type.Optional(Time) },
    { additionalProperties: false },
  ),
]);
export type Change = Static<typeof Change>;
const parseChange = parser('change', Change);

const OVERLAP_MS = 30 * 86_400_000;
const MAX_ROTATIONS = 64;
const scopesKey = 'scopes';
const NO_SCOPES: ScopeState = { version: 0, scopes: [], transactionId: '' };

/** Regions, scopes and the authorities' own trust roots. Every change needs a majority of the authorities. */
export class RegistryContract extends ChainContract {
  constructor() {
    super('Registry');
  }

  async found(ctx: Context, genesisJson: string): Promise<void> {
    requireRole(ctx, 'admin');
    transactionTime(ctx);
    if ((await getJson(ctx, foundationKey)) !== undefined) refuse('FOUNDED', 'this chain is founded already');
    const { federation, main } = parseGenesis(parseArgument(genesisJson, 'registry'));
    requireSoundTrust(main);
    await putJson(ctx, foundationKey, { federation, main: [main] } satisfies Foundation);
  }

  /**
   * One authority's approval of a change; the one that completes the majority applies it and returns
   * `{ applied, kind, entry }`, whose proof is what regional chains mirror.
   */
  async approve(ctx: Context, changeJson: string): Promise<string> {
    const mspId = requireRole(ctx, 'admin');
    const home = await foundation(ctx);
    const at = transactionTime(ctx);
    const proposed = parseChange(parseArgument(changeJson, 'registry'));
    const authorities = home.main[0]?.organisations ?? [];
    if (!authorities.some((authority) => authority.mspId === mspId))
      refuse('AUTHORITY_UNKNOWN', `${mspId} is no authority`);
    await requireNext(ctx, home, proposed);
    requireSound(home, proposed);
    const changeId = documentId('change', proposed);
    const approvals = new Set([mspId]);
    for (const authority of authorities) {
      const key = ctx.stub.createCompositeKey('approval', [changeId, authority.mspId]);
      if ((await getJson(ctx, key)) !== undefined) approvals.add(authority.mspId);
    }
    await putJson(ctx, ctx.stub.createCompositeKey('approval', [changeId, mspId]), { mspId });
    if (approvals.size <= authorities.length / 2)
      return JSON.stringify({ applied: false, approvals: [...approvals].sort() });
    return apply(ctx, home, proposed, at);
  }

  async get(ctx: Context): Promise<string> {
    return JSON.stringify(await foundation(ctx));
  }

  /** Every region's entry, with the transaction that put it there. */
  async regions(ctx: Context): Promise<string> {
    const regions: RegionState[] = [];
    for await (const { value } of ctx.stub.getStateByPartialCompositeKey('region', [])) {
      regions.push(JSON.parse(new TextDecoder().decode(value)) as RegionState);
    }
    return JSON.stringify(regions);
  }

  async scopes(ctx: Context): Promise<string> {
    return JSON.stringify((await getJson<ScopeState>(ctx, scopesKey))?.scopes ?? []);
  }

  /** The list of scopes with the transaction that put it there; version 0 while there is none. */
  async scopeState(ctx: Context): Promise<string> {
    return JSON.stringify((await getJson<ScopeState>(ctx, scopesKey)) ?? NO_SCOPES);
  }
}

async function requireNext(ctx: Context, home: Foundation, { kind, entry }: Change): Promise<void> {
  const version =
    kind === 'main'
      ? home.main[0]?.version
      : kind === 'scopes'
        ? (await getJson<ScopeState>(ctx, scopesKey))?.version
        : (await getJson<RegionState>(ctx, regionKey(ctx, entry.region)))?.entry.version;
  const next = (version ?? 0) + 1;
  if (entry.version !== next) refuse('VERSION_CONFLICT', `version ${next} is next`);
}

/** What would make a registered entry useless, or another's, is refused before anybody relies on it. */
function requireSound({ federation, main }: Foundation, { kind, entry }: Change): void {
  const network = main[0]?.network;
  if (kind === 'scopes') {
    if (new Set(entry.scopes.map(({ scope }) => scope)).size !== entry.scopes.length)
      refuse('SCOPE_REPEATED', 'a scope is named twice');
    return;
  }
  if (kind === 'main') {
    if (entry.network !== network) refuse('REGION_MISMATCH', 'the trust roots are another network’s');
    requireSoundTrust(entry);
    return;
  }
  if (entry.federation !== federation) refuse('FEDERATION_MISMATCH', 'the region is of another federation');
  if (entry.region === network) refuse('REGION_MISMATCH', 'a region is not the main chain');
  const versions = entry.trusts.map(({ version }) => version);
  if (versions.some((version, index) => index > 0 && version >= (versions[index - 1] ?? 0)))
    refuse('VERSION_CONFLICT', 'the newest trust roots come first, each version once');
  for (const trust of entry.trusts) {
    if (trust.network !== entry.region) refuse('REGION_MISMATCH', 'the trust roots are another network’s');
    requireSoundTrust(trust);
  }
}

async function apply(ctx: Context, home: Foundation, proposed: Change, at: number): Promise<string> {
  const transactionId = ctx.stub.getTxID();
  if (proposed.kind === 'region') return putRegion(ctx, proposed.entry);
  const { kind, entry } = proposed;
  if (kind === 'scopes') {
    await putJson(ctx, scopesKey, { ...entry, transactionId } satisfies ScopeState);
    return JSON.stringify({ applied: true, kind, entry });
  }
  const overlapUntil = proposed.overlapUntil ?? Math.max(at, entry.validFrom) + OVERLAP_MS;
  const rotations = [...(home.rotations ?? []), { version: entry.version, transactionId }].slice(-MAX_ROTATIONS);
  const next: Foundation = {
    ...home,
    main: rotateTrust(home.main, entry, overlapUntil),
    changedIn: transactionId,
    rotations,
  };
  await putJson(ctx, foundationKey, next);
  return JSON.stringify({ applied: true, kind, entry, overlapUntil });
}
