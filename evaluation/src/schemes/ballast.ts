import { canonicalJson, type RecordEntry, type SignedBy } from '@yilian/protocol';
import type { Chain } from './chain.ts';
import type { Row } from './contracts/ballast.ts';

/** Rows in one transaction: about a mebibyte. */
const RECORDS_AT_ONCE = 500;

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
