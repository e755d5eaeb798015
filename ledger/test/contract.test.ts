import { describe, expect, it } from 'vitest';
import {
  type Context,
  getJson,
  putJson,
  refuse,
  submitter,
  type Transaction,
  transactionTime,
} from '../src/contract.ts';
import { member, NOW } from './fixture/network.ts';

const signer = member('AMSP', 'client', { role: 'relay' });

function transaction(time = NOW, state = new Map<string, Uint8Array>()): Transaction {
  const stub: Transaction['stub'] = {
    getCreator: () => ({ mspid: signer.mspId, idBytes: Buffer.from(signer.certificate) }),
    getTxTimestamp: () =>
      ({ seconds: BigInt(Math.floor(time / 1000)), nanos: (time % 1000) * 1e6 + 999_999 }) as unknown as ReturnType<
        Context['stub']['getTxTimestamp']
      >,
    getState: (key) => Promise.resolve(state.get(key) ?? new Uint8Array()),
    putState: (key, value) => {
      state.set(key, value);
      return Promise.resolve();
    },
  };
  return { stub };
}

describe('a contract', () => {
  it('knows who submitted', () => {
    const found = submitter(transaction());
    expect(found).toMatchObject({ mspId: 'AMSP', certificate: signer.certificate });
    expect([...found.roles]).toEqual(['member', 'client']);
    expect({ ...found.attributes }).toEqual({ role: 'relay' });
    expect(submitter(transaction())).toBe(found);
  });

  it('takes its time from the transaction, when the endorser’s clock agrees within a minute', () => {
    for (const skew of [0, 60_000, -60_000]) {
      expect(transactionTime(transaction(NOW + 123), () => NOW + 123 + skew)).toBe(NOW + 123);
    }
    for (const skew of [60_001, -60_001, Number.NaN]) {
      expect(() => transactionTime(transaction(), () => NOW + skew)).toThrow(/^CLOCK_SKEW: /);
    }
    expect(() => transactionTime(transaction())).toThrow(/^CLOCK_SKEW: /);
  });

  it('refuses with a code in front', () => {
    expect(() => refuse('GRANT_UNKNOWN', 'no such grant')).toThrow(new Error('GRANT_UNKNOWN: no such grant'));
  });

  it('writes the same bytes for the same value, and reads it back', async () => {
    const state = new Map<string, Uint8Array>();
    const tx = transaction(NOW, state);
    await putJson(tx, 'k', { b: 1, a: ['é'] });
    expect(Buffer.from(state.get('k') ?? []).toString()).toBe('{"a":["é"],"b":1}');
    expect(await getJson(tx, 'k')).toEqual({ a: ['é'], b: 1 });
    expect(await getJson(tx, 'absent')).toBeUndefined();
  });
});
