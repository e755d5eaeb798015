import { ChainContract, type Context, getJson, putJson, refuse } from '@yilian/ledger/contract';
import { headerCapsule } from '@yilian/pre';
import {
  digest,
  fromBase64url,
  parser,
  RECORDS_PER_PAGE,
  RecordEntry,
  RecordId,
  RecordRewrap,
  type ReleasedRecord,
  type SignedBy,
} from '@yilian/protocol';
import { Type } from '@yilian/schema';
import { patientOf, scopeKeyOf, unindexedKey } from './patients.ts';
import { listRecord, unlistRecord } from './record-index.ts';
import {
  documentArgument,
  foundation,
  idArgument,
  mirrorOf,
  now,
  parseArgument,
  requireRecent,
  requireRole,
  requireSigner,
} from './region.ts';

/** A record's current key header, base64url, and the epoch of the scope key it is sealed to. */
export interface RecordHeader {
  readonly recordId: string;
  readonly epoch: number;
  readonly header: string;
}

interface RecordState {
  readonly signed: SignedBy<typeof RecordEntry>;
  readonly registeredAt: number;
  /** The last replacement of the header. */
  readonly rewrap?: SignedBy<typeof RecordRewrap>;
}

const parseIds = parser('record ids', Type.Array(RecordId, { minItems: 1, maxItems: RECORDS_PER_PAGE }));

/** Sealed records as their custodians registered them. */
export class RecordContract extends ChainContract {
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
    requireSigner(signed, { mirror: await mirrorOf(ctx, home.region), mspId, role: 'hospital' }, at);
    const { announced } = await patientOf(ctx, record.pseudonym);
    const scopeKey = await scopeKeyOf(ctx, record.pseudonym, record.scope);
    if (scopeKey === undefined) refuse('SCOPE_UNBOUND', 'the patient has no key for this scope');
    if (scopeKey.document.epoch !== record.epoch) refuse('EPOCH', `the scope is at epoch ${scopeKey.document.epoch}`);
    headerCapsule(fromBase64url(record.header));
    if ((await getJson(ctx, recordKey(ctx, record.recordId))) !== undefined)
      refuse('RECORD_EXISTS', 'the record id is taken');
    const state: RecordState = { signed, registeredAt: at };
    await putJson(ctx, recordKey(ctx, record.recordId), state);
    await listRecord(ctx, record.pseudonym, record.epoch, releasedRecord(state));
    if (!announced) await putJson(ctx, unindexedKey(ctx, record.pseudonym), { pseudonym: record.pseudonym });
    return record.recordId;
  }

  /**
   * Replaces a record's key header after its scope's key changed; the body stays. Until then the record is not
   * released. Only its custodian can: it knows the content key.
   */
  async rewrap(ctx: Context, json: string): Promise<void> {
    const mspId = requireRole(ctx, 'hospital');
    const home = await foundation(ctx);
    const at = now(ctx);
    const rewrap = documentArgument(RecordRewrap, json, home);
    const { recordId, epoch, header, signedAt } = rewrap.document;
    requireRecent(signedAt, at);
    const state = await recordOf(ctx, recordId);
    const { custodian, pseudonym, scope } = state.signed.document;
    if (custodian !== mspId) refuse('CUSTODY_MISMATCH', 'a hospital keeps its own records');
    requireSigner(rewrap, { mirror: await mirrorOf(ctx, home.region), mspId, role: 'hospital' }, at);
    const scopeKey = await scopeKeyOf(ctx, pseudonym, scope);
    if (scopeKey?.document.epoch !== epoch) refuse('EPOCH', `the scope is at epoch ${scopeKey?.document.epoch ?? 0}`);
    const current = headerOf(state);
    if (current.epoch === epoch) {
      if (current.header !== header) refuse('EPOCH', 'the header is of this epoch already');
      return;
    }
    headerCapsule(fromBase64url(header));
    const next: RecordState = { ...state, rewrap };
    await putJson(ctx, recordKey(ctx, recordId), next);
    await unlistRecord(ctx, pseudonym, { scope, epoch: current.epoch }, recordId);
    await listRecord(ctx, pseudonym, epoch, releasedRecord(next));
  }

  /** The record as its custodian signed it; its header may have been replaced since (see {@link headers}). */
  async get(ctx: Context, recordId: string): Promise<string> {
    return JSON.stringify((await recordOf(ctx, idArgument('record id', recordId))).signed);
  }

  /** The current key headers of these records, in this order. */
  async headers(ctx: Context, json: string): Promise<string> {
    const headers: RecordHeader[] = [];
    for (const recordId of parseIds(parseArgument(json, 'list'))) headers.push(headerOf(await recordOf(ctx, recordId)));
    return JSON.stringify(headers);
  }
}

function recordKey(ctx: Context, recordId: string): string {
  return ctx.stub.createCompositeKey('record', [recordId]);
}

async function recordOf(ctx: Context, recordId: string): Promise<RecordState> {
  return (await getJson<RecordState>(ctx, recordKey(ctx, recordId))) ?? refuse('RECORD_UNKNOWN', 'no such record');
}

function headerOf({ signed, rewrap }: RecordState): RecordHeader {
  const { recordId, epoch, header } = (rewrap ?? signed).document;
  return { recordId, epoch, header };
}

function releasedRecord(state: RecordState): ReleasedRecord {
  const { recordId, scope, cid, sizeBytes, commitment, codes, custodian } = state.signed.document;
  return {
    recordId,
    scope,
    cid,
    sizeBytes,
    headerHash: digest(fromBase64url(headerOf(state).header)),
    commitment,
    codes,
    custodian,
    registeredAt: state.registeredAt,
  };
}
