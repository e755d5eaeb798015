import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { instantiateKernel, type Kernel } from '../src/group-wasm.ts';

/** The generator of nonces by itself, whose later proposals no signature ever needs. */
interface Internals extends Kernel {
  nonceBegin(data: number): void;
  nonceNext(nonce: number): void;
  nonceReject(): void;
}

const kernel = instantiateKernel() as Internals;
const memory = new Uint8Array(kernel.memory.buffer);
const DATA = kernel.scalars.value;

/** RFC 6979 §3.2 d to h, after Node's HMAC. */
function expectedNonces(data: Uint8Array, count: number): Buffer[] {
  let key: Buffer = Buffer.alloc(32, 0);
  let value: Buffer = Buffer.alloc(32, 1);
  const hmac = (...parts: readonly Uint8Array[]) => createHmac('sha256', key).update(Buffer.concat(parts)).digest();
  const update = (separator: number, ...more: readonly Uint8Array[]) => {
    key = hmac(value, Uint8Array.of(separator), ...more);
    value = hmac(value);
  };
  update(0, data);
  update(1, data);
  return Array.from({ length: count }, () => {
    value = hmac(value);
    const nonce = value;
    update(0);
    return nonce;
  });
}

test('every nonce, also after one that does not serve, is that of RFC 6979', () => {
  const property = fc.property(fc.uint8Array({ minLength: 96, maxLength: 96 }), (data) => {
    memory.set(data, DATA);
    kernel.nonceBegin(DATA);
    for (const expected of expectedNonces(data, 4)) {
      kernel.nonceNext(DATA);
      expect(Buffer.from(memory.slice(DATA, DATA + 32))).toEqual(expected);
      kernel.nonceReject();
    }
  });
  fc.assert(property);
});
