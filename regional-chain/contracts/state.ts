import type { Context } from '@yilian/ledger/contract';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Values under a composite key's prefix, in key order. */
export async function* readAll<T>(ctx: Context, type: string, parts: readonly string[]): AsyncGenerator<T> {
  for await (const { value } of ctx.stub.getStateByPartialCompositeKey(type, [...parts])) {
    yield JSON.parse(utf8.decode(value)) as T;
  }
}
