import { type Context, Contract, getJson, putJson, refuse } from '@yilian/ledger/contract';
import { headerCapsule } from '@yilian/pre';
import {
  digest,
  fromBase64url,
  RECORDS_PER_PAGE,
  RecordEntry,
  type ReleasedRecord,
  requireCertificateSignatures,
} from '@yilian/protocol';
import { patientOf, scopeKeyOf, unindexedKey } from './patients.ts';
import { documentArgument, foundation, identifier, mirrorOf, now, requireRecent, requireRole } from './region.ts';

/** Sealed records as their custodians registered them. */
export class RecordContract extends Contract {
  constructor() {
    super('Records');
  }

  async publish(ctx: Context, json: string): Promise<string> {
    const mspId = requireRole(ctx, 'hospital');
    const home = await foundation(ctx);
    const at = now(ctx);
    const signed = documentArgument(RecordEntry, json, home);
    const record = signed.document;
    requireRecent(record.signedAt, at);
    if (record.custodian !== mspId) refuse('CUSTODY_MISMATCH', 'a hospital publishes its own records');
    requireCertificateSignatures(signed, identifier(await mirrorOf(ctx, home.region), mspId, at));
    const { announced } = await patientOf(ctx, record.pseudonym);
    const scopeKey = await scopeKeyOf(ctx, record.pseudonym, record.scope);
    if (scopeKey === undefined) refuse('SCOPE_UNBOUND', 'the patient has no key for this scope');
    if (scopeKey.document.epoch !== record.epoch) refuse('EPOCH', `the scope is at epoch ${scopeKey.document.epoch}`);
    headerCapsule(fromBase64url(record.header));
    if ((await getJson(ctx, recordKey(ctx, record.recordId))) !== undefined)
      refuse('RECORD_EXISTS', 'the record id is taken');
    await putJson(ctx, recordKey(ctx, record.recordId), signed);
    await putJson(ctx, ctx.stub.createCompositeKey('record-of', [record.pseudonym, record.scope, record.recordId]), {
      recordId: record.recordId,
      scope: record.scope,
      cid: record.cid,
      sizeBytes: record.sizeBytes,
      headerHash: digest(fromBase64url(record.header)),
      commitment: record.commitment,
      codes: record.codes,
      custodian: record.custodian,
      registeredAt: at,
    } satisfies ReleasedRecord);
    if (!announced) await putJson(ctx, unindexedKey(ctx, record.pseudonym), { pseudonym: record.pseudonym });
    return record.recordId;
  }

  async get(ctx: Context, recordId: string): Promise<string> {
    return JSON.stringify((await getJson(ctx, recordKey(ctx, recordId))) ?? refuse('RECORD_UNKNOWN', 'no such record'));
  }
}

function recordKey(ctx: Context, recordId: string): string {
  return ctx.stub.createCompositeKey('record', [recordId]);
}

/** One page of the records of these scopes, and the bookmark of the next page. */
export async function recordsOf(
  ctx: Context,
  pseudonym: string,
  scopes: readonly string[],
  after: string | undefined,
): Promise<{ readonly records: ReleasedRecord[]; readonly next?: string }> {
  const records: ReleasedRecord[] = [];
  for (const scope of [...scopes].sort()) {
    for await (const { value } of ctx.stub.getStateByPartialCompositeKey('record-of', [pseudonym, scope])) {
      const record = JSON.parse(new TextDecoder().decode(value)) as ReleasedRecord;
      const position = `${scope}/${record.recordId}`;
      if (after !== undefined && position <= after) continue;
      const last = records.at(-1);
      if (records.length === RECORDS_PER_PAGE && last !== undefined)
        return { records, next: `${last.scope}/${last.recordId}` };
      records.push(record);
    }
  }
  return { records };
}
