import { type Context, Contract, getJson, putJson, refuse, transactionTime } from '@yilian/ledger/contract';
import { documentId, parseGenesis, parser, RegionEntry, ScopeEntry, Trust } from '@yilian/protocol';
import { type Static, Type } from 'typebox';
import {
  type Foundation,
  foundation,
  foundationKey,
  parseArgument,
  putRegion,
  type RegionState,
  regionKey,
  requireRole,
} from './chain.ts';

/** A change the authorities vote on: a region's new entry, the main chain's new trust roots, or the list of scopes. */
const Change = Type.Union([
  Type.Object({ kind: Type.Literal('region'), entry: RegionEntry }, { additionalProperties: false }),
  Type.Object({ kind: Type.Literal('main'), entry: Trust }, { additionalProperties: false }),
  Type.Object(
    {
      kind: Type.Literal('scopes'),
      entry: Type.Object(
        { version: Type.Integer({ minimum: 1 }), scopes: Type.Array(ScopeEntry, { minItems: 1, maxItems: 256 }) },
        { additionalProperties: false },
      ),
    },
    { additionalProperties: false },
  ),
]);
export type Change = Static<typeof Change>;
const parseChange = parser('change', Change);

const MAX_TRUST_VERSIONS = 4;

/** Regions, scopes and the authorities' own trust roots. Every change needs a majority of the authorities. */
export class RegistryContract extends Contract {
  constructor() {
    super('Registry');
  }

  async found(ctx: Context, genesisJson: string): Promise<void> {
    requireRole(ctx, 'admin');
    if ((await getJson(ctx, foundationKey)) !== undefined) refuse('FOUNDED', 'this chain is founded already');
    const { federation, main } = parseGenesis(parseArgument(genesisJson));
    await putJson(ctx, foundationKey, { federation, main: [main] } satisfies Foundation);
  }

  /**
   * One authority's approval of a change; the one that completes the majority applies it and returns
   * `{ applied, kind, entry }`, whose proof is what regional chains mirror.
   */
  async approve(ctx: Context, changeJson: string): Promise<string> {
    const mspId = requireRole(ctx, 'admin');
    const home = await foundation(ctx);
    transactionTime(ctx);
    const change = parseChange(parseArgument(changeJson));
    await this.#requireNext(ctx, home, change);
    const authorities = home.main[0]?.organisations ?? [];
    if (!authorities.some((authority) => authority.mspId === mspId))
      refuse('AUTHORITY_UNKNOWN', `${mspId} is no authority`);
    const changeId = documentId('change', change);
    const approvals = new Set([mspId]);
    for (const authority of authorities) {
      const key = ctx.stub.createCompositeKey('approval', [changeId, authority.mspId]);
      if ((await getJson(ctx, key)) !== undefined) approvals.add(authority.mspId);
    }
    await putJson(ctx, ctx.stub.createCompositeKey('approval', [changeId, mspId]), { mspId });
    if (approvals.size <= authorities.length / 2)
      return JSON.stringify({ applied: false, approvals: [...approvals].sort() });
    return this.#apply(ctx, home, change);
  }

  async #requireNext(ctx: Context, home: Foundation, { kind, entry }: Change): Promise<void> {
    const version = await this.#versionOf(ctx, home, { kind, entry } as Change);
    if (entry.version !== version + 1) refuse('VERSION_CONFLICT', `version ${version + 1} is next`);
    if (kind !== 'region') return;
    if (entry.federation !== home.federation) refuse('FEDERATION_MISMATCH', 'the region is of another federation');
    if (entry.trusts.some(({ network }) => network !== entry.region))
      refuse('REGION_MISMATCH', 'the trust roots are another network’s');
  }

  async #versionOf(ctx: Context, home: Foundation, { kind, entry }: Change): Promise<number> {
    if (kind === 'main') return home.main[0]?.version ?? 0;
    if (kind === 'scopes') return (await getJson<{ version: number }>(ctx, 'scopes'))?.version ?? 0;
    return (await getJson<RegionState>(ctx, regionKey(ctx, entry.region)))?.entry.version ?? 0;
  }

  async #apply(ctx: Context, home: Foundation, { kind, entry }: Change): Promise<string> {
    if (kind === 'region') return putRegion(ctx, entry);
    if (kind === 'scopes') await putJson(ctx, 'scopes', entry);
    else
      await putJson(ctx, foundationKey, {
        ...home,
        main: [entry, ...home.main].slice(0, MAX_TRUST_VERSIONS),
        changedIn: ctx.stub.getTxID(),
      } satisfies Foundation);
    return JSON.stringify({ applied: true, kind, entry });
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
    return JSON.stringify((await getJson<{ scopes: ScopeEntry[] }>(ctx, 'scopes'))?.scopes ?? []);
  }
}
