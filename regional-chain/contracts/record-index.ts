import { type Context, putJson } from '@yilian/ledger/contract';
import { RECORDS_PER_PAGE, type ReleasedRecord } from '@yilian/protocol';
import { pathKey, readPaths } from './state.ts';

/** A scope and its current epoch. */
export interface ScopeEpoch {
  readonly scope: string;
  readonly epoch: number;
}

const LIST = 'records';

function indexKey(pseudonym: string, { scope, epoch }: ScopeEpoch, recordId: string): string {
  return pathKey(LIST, pseudonym, scope, String(epoch), recordId);
}

/** Lists a record under the epoch its header is sealed to. */
export async function listRecord(
  ctx: Context,
  pseudonym: string,
  epoch: number,
  record: ReleasedRecord,
): Promise<void> {
  await putJson(ctx, indexKey(pseudonym, { scope: record.scope, epoch }, record.recordId), record);
}

export async function unlistRecord(
  ctx: Context,
  pseudonym: string,
  place: ScopeEpoch,
  recordId: string,
): Promise<void> {
  await ctx.stub.deleteState(indexKey(pseudonym, place, recordId));
}

export async function hasRecords(ctx: Context, pseudonym: string): Promise<boolean> {
  for await (const _ of readPaths(ctx, [LIST, pseudonym])) return true;
  return false;
}

/**
 * One page of the records whose headers are sealed to these scopes' current keys, by scope and record id, and where
 * the next page starts. `after` is a bookmark `<scope>/<recordId>`.
 */
export async function recordsOf(
  ctx: Context,
  pseudonym: string,
  scopes: readonly ScopeEpoch[],
  after: string | undefined,
): Promise<{ readonly records: ReleasedRecord[]; readonly next?: string }> {
  const [lastScope = '', lastRecord = ''] = after?.split('/') ?? [];
  const records: ReleasedRecord[] = [];
  for (const { scope, epoch } of scopes.toSorted((a, b) => (a.scope < b.scope ? -1 : 1))) {
    if (scope < lastScope) continue;
    const place = [LIST, pseudonym, scope, String(epoch)] as const;
    for await (const { value } of readPaths<ReleasedRecord>(ctx, place, scope === lastScope ? lastRecord : '')) {
      const last = records.at(-1);
      if (records.length === RECORDS_PER_PAGE && last !== undefined)
        return { records, next: `${last.scope}/${last.recordId}` };
      records.push(value);
    }
  }
  return { records };
}
