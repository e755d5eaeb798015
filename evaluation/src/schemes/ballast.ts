import { ChainContract, type Context, refuse } from '@yilian/ledger/contract';
import { canonicalJson, digest, type RecordEntry, type SignedBy, utf8Bytes } from '@yilian/protocol';
import type { Chain } from './chain.ts';

/** A row of a chain's state with `$patient` and `$record` in the places of ids. A key of several parts is a composite one. */
interface Row {
  readonly key: string | readonly [string, ...string[]];
  readonly value: string;
}

/** Rows in one transaction: about a mebibyte. */
const RECORDS_AT_ONCE = 500;
const MAX_RECORDS = 1000;

/**
 * Fills a chain's state with what very many records would leave in it. Their transactions are spared: what grows is what is
 * read, the state and its indexes, not the blocks.
 */
export class Ballast extends ChainContract {
  constructor() {
    super('Ballast');
  }

  async fill(ctx: Context, rowsJson: string, from: string, count: string): Promise<void> {
    if (!(Number(count) <= MAX_RECORDS)) refuse('TOO_MANY', 'not so many at once');
    const rows = JSON.parse(rowsJson) as Row[];
    for (let index = Number(from); index < Number(from) + Number(count); index += 1) {
      const id = digest(utf8Bytes(`ballast ${index}`));
      const named = (text: string) => text.replaceAll('$patient', id).replaceAll('$record', id.slice(0, RECORD_ID));
      for (const { key, value } of rows) {
        const [type, ...parts] = typeof key === 'string' ? [named(key)] : key;
        const at = parts.length === 0 ? type : ctx.stub.createCompositeKey(type, parts.map(named));
        await ctx.stub.putState(at, utf8Bytes(named(value)));
      }
    }
  }
}

/** Characters of a record's id: 16 bytes in base64url. */
const RECORD_ID = 22;

/** Has a regional chain hold so many records more, each of another patient and like this one. */
export async function fillRecords(chain: Chain, like: SignedBy<typeof RecordEntry>, count: number): Promise<void> {
  const { pseudonym, recordId, scope, cid, sizeBytes, commitment, codes, custodian, signedAt, epoch } = like.document;
  const ids = (value: unknown) =>
    canonicalJson(value).replaceAll(pseudonym, '$patient').replaceAll(recordId, '$record');
  const listed = { recordId, scope, cid, sizeBytes, headerHash: cid, commitment, codes, custodian };
  await fill(chain, count, [
    { key: ['record', '$record'], value: ids({ signed: like, registeredAt: signedAt }) },
    { key: `records/$patient/${scope}/${epoch}/$record`, value: ids({ ...listed, registeredAt: signedAt }) },
  ]);
}

/** Has the main chain's index know so many patients more. */
export function fillIndex(main: Chain, region: string, count: number): Promise<void> {
  const value = canonicalJson({ region, since: Date.now() });
  return fill(main, count, [{ key: ['holds', '$patient', region], value }]);
}

async function fill(chain: Chain, count: number, rows: readonly Row[]): Promise<void> {
  const [first = ''] = chain.network.mspIds;
  for (let from = 0; from < count; from += RECORDS_AT_ONCE) {
    const some = Math.min(RECORDS_AT_ONCE, count - from);
    await chain.submit(first, 'admin', 'Ballast:fill', [JSON.stringify(rows), String(from), String(some)]);
  }
}
