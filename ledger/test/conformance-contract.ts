import { type Context, Contract } from '../src/fabric.ts';

type Rows = AsyncIterable<{ key: string; value: Uint8Array }>;

/** What the conformance suite calls, on every engine. Strings in, JSON out. */
export class ConformanceContract extends Contract {
  constructor() {
    super('conformance');
  }

  async put({ stub }: Context, key: string, value: string) {
    await stub.putState(key, Buffer.from(value));
    return value;
  }

  async get({ stub }: Context, key: string) {
    return textOf(await stub.getState(key));
  }

  async remove({ stub }: Context, key: string) {
    await stub.deleteState(key);
  }

  /** Reads a key and writes it again. */
  async append({ stub }: Context, key: string, more: string) {
    const value = `${textOf(await stub.getState(key))}${more}`;
    await stub.putState(key, Buffer.from(value));
    return value;
  }

  /** Writes a key and reads it again within the same transaction. */
  async putThenGet({ stub }: Context, key: string, value: string) {
    await stub.putState(key, Buffer.from(value));
    return textOf(await stub.getState(key));
  }

  async list({ stub }: Context, start: string, end: string) {
    return entriesOf(stub.getStateByRange(start, end));
  }

  /** Counts a range and writes the number: what is added to the range meanwhile is a phantom. */
  async countInto({ stub }: Context, start: string, end: string, key: string) {
    const { length } = await entriesOf(stub.getStateByRange(start, end));
    await stub.putState(key, Buffer.from(String(length)));
    return length;
  }

  async page({ stub }: Context, start: string, end: string, size: string, bookmark: string) {
    const query = stub.getStateByRangeWithPagination(start, end, Number(size), bookmark);
    const { metadata } = await query;
    return { entries: await entriesOf(query), metadata };
  }

  async pageThenPut({ stub }: Context, start: string, end: string) {
    await stub.getStateByRangeWithPagination(start, end, 1, '');
    await stub.putState(start, Buffer.from('written'));
  }

  async putComposite({ stub }: Context, type: string, first: string, second: string) {
    await stub.putState(stub.createCompositeKey(type, [first, second]), Buffer.from(second));
  }

  async listComposite({ stub }: Context, type: string, first: string) {
    const entries = await entriesOf(stub.getStateByPartialCompositeKey(type, [first]));
    return entries.map(({ key, value }) => ({ ...stub.splitCompositeKey(key), value }));
  }

  async history({ stub }: Context, key: string) {
    const changes: { txId: string; value: string; isDelete: boolean }[] = [];
    const iterator = stub.getHistoryForKey(key) as unknown as AsyncIterable<(typeof changes)[number]>;
    for await (const { txId, value, isDelete } of iterator) {
      changes.push({ txId, value: textOf(value as unknown as Uint8Array), isDelete });
    }
    return changes;
  }

  /** Sets two events; the last one counts. */
  async emit({ stub }: Context, key: string, payload: string) {
    stub.setEvent('first', Buffer.from('overwritten'));
    stub.setEvent('emitted', Buffer.from(payload));
    await stub.putState(key, Buffer.from(payload));
  }

  async emitAndAppend(context: Context, key: string) {
    context.stub.setEvent('appended', Buffer.from(key));
    return this.append(context, key, 'x');
  }

  async transient({ stub }: Context) {
    return textOf(stub.getTransient().get('secret') ?? Buffer.alloc(0));
  }

  async putTransientLength({ stub }: Context, key: string) {
    const { length } = stub.getTransient().get('secret') ?? Buffer.alloc(0);
    await stub.putState(key, Buffer.from(String(length)));
    return length;
  }

  async whoami({ clientIdentity, stub }: Context) {
    return {
      mspId: clientIdentity.getMSPID(),
      role: clientIdentity.getAttributeValue('role'),
      txId: stub.getTxID(),
      channel: stub.getChannelID(),
    };
  }

  async call({ stub }: Context, chaincode: string, channel: string, name: string, key: string, value: string) {
    const { status, message, payload } = await stub.invokeChaincode(chaincode, [name, key, value], channel);
    return { status, message, payload: textOf(payload ?? Buffer.alloc(0)) };
  }

  /** Does what an honest contract must not. */
  async random({ stub }: Context, key: string) {
    await stub.putState(key, Buffer.from(String(Math.random())));
  }

  async fail(_context: Context, message: string) {
    throw new Error(message);
  }

  async failAfterPut({ stub }: Context, key: string, message: string) {
    await stub.putState(key, Buffer.from('never'));
    throw new Error(message);
  }

  async richQuery({ stub }: Context) {
    return entriesOf(stub.getQueryResult('{"selector":{}}'));
  }
}

async function entriesOf(rows: unknown) {
  const entries: { key: string; value: string }[] = [];
  for await (const { key, value } of rows as Rows) entries.push({ key, value: textOf(value) });
  return entries;
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}
