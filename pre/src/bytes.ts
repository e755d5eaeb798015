import type { PreErrorCode } from './pre-error.ts';
import { PreError } from './pre-error.ts';

const encoder = new TextEncoder();

export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/** One character for each byte: something to compare and look up by. */
export function binaryString(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** Overwrites what was secret. */
export function wipe(...secrets: readonly Uint8Array[]): void {
  for (const secret of secrets) secret.fill(0);
}

/** Big-endian, `width` bytes. */
export function integer(value: number, width: 4 | 8): Uint8Array {
  const bytes = new Uint8Array(width);
  const view = new DataView(bytes.buffer);
  if (width === 4) view.setUint32(0, value);
  else view.setBigUint64(0, BigInt(value));
  return bytes;
}

/** A private copy, so that the caller's later writes change nothing here. @throws `code` unless it is `length` bytes. */
export function exactly(bytes: Uint8Array, length: number, code: PreErrorCode, what: string): Uint8Array {
  if (!(bytes instanceof Uint8Array)) throw new PreError(code, `${what} must be bytes`);
  if (bytes.length !== length) throw new PreError(code, `${what} must be ${length} bytes, not ${bytes.length}`);
  return new Uint8Array(bytes);
}

/** Reads an object of fixed layout front to back. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #code: PreErrorCode;
  #offset = 0;

  constructor(bytes: Uint8Array, code: PreErrorCode) {
    if (!(bytes instanceof Uint8Array)) throw new PreError(code, 'bytes expected');
    this.#bytes = bytes;
    this.#code = code;
  }

  /** A copy of the next `length` bytes. */
  take(length: number): Uint8Array {
    const end = this.#offset + length;
    if (end > this.#bytes.length) throw new PreError(this.#code, `ends after ${this.#bytes.length} bytes`);
    const taken = new Uint8Array(this.#bytes.subarray(this.#offset, end));
    this.#offset = end;
    return taken;
  }

  literal(...expected: readonly number[]): void {
    const at = this.#offset;
    if (!equal(this.take(expected.length), Uint8Array.from(expected))) {
      throw new PreError(this.#code, `unexpected byte at offset ${at}`);
    }
  }

  rest(): Uint8Array {
    return this.take(this.#bytes.length - this.#offset);
  }

  end(): void {
    if (this.#offset !== this.#bytes.length) throw new PreError(this.#code, 'trailing bytes');
  }
}
