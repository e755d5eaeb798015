import { ChainContract, type Context, refuse } from '@yilian/ledger/contract';
import { digest, utf8Bytes } from '@yilian/protocol';

/** A row of a chain's state with `$patient` and `$record` in the places of ids. A key of several parts is a composite one. */
export interface Row {
  readonly key: string | readonly [string, ...string[]];
  readonly value: string;
}

const MAX_RECORDS = 1000;
/** Characters of a record's id: 16 bytes in base64url. */
const RECORD_ID = 22;

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
