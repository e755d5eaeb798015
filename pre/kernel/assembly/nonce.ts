import { NONCE_TEMPORARIES as T } from './layout';
import { hmac } from './sha256';

/** The generator of nonces of RFC 6979 §3.2, for SHA-256 and a group order of 256 bits. */

const KEY: usize = T;
/** What is authenticated, V first. */
const MESSAGE: usize = T + 32;
const V: usize = T + 32 + 192;

/** @param data secret | hash as a scalar | additional data (§3.6), 96 bytes */
export function begin(data: usize): void {
  memory.fill(KEY, 0, 32);
  memory.fill(V, 1, 32);
  update(0, data, 96);
  update(1, data, 96);
}

function update(separator: u8, data: usize, length: usize): void {
  memory.copy(MESSAGE, V, 32);
  store<u8>(MESSAGE, separator, 32);
  memory.copy(MESSAGE + 33, data, length);
  hmac(KEY, KEY, MESSAGE, 33 + length);
  advance();
}

function advance(): void {
  memory.copy(MESSAGE, V, 32);
  hmac(V, KEY, MESSAGE, 32);
}

/** The next nonce, 32 bytes, which need not be a scalar. */
export function next(nonce: usize): void {
  advance();
  memory.copy(nonce, V, 32);
}

/** To be called when the last nonce did not serve. */
export function reject(): void {
  update(0, V, 0);
}
