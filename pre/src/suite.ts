import type { ByteReader } from './bytes.ts';
import { utf8 } from './bytes.ts';
import { PreError } from './pre-error.ts';

/** Umbral over secp256k1 with SHA-256, HKDF-SHA256 and (X)ChaCha20-Poly1305. */
export const SUITE = 'umbral-secp256k1-v1';

/** The suite's number in every binary object of ours. */
export const SUITE_ID = 1;

const VERSION = 1;

/** Magic (4 ASCII letters), version and suite id: the first six bytes of every object of ours (SPEC.md §4). */
export function preamble(magic: string): Uint8Array {
  return Uint8Array.of(...utf8(magic), VERSION, SUITE_ID);
}

/** @throws the reader's code on another magic, `SUITE_UNSUPPORTED` on another version or suite. */
export function readPreamble(reader: ByteReader, magic: string): void {
  reader.literal(...utf8(magic));
  const [version, suite] = reader.take(2);
  if (version !== VERSION) throw new PreError('SUITE_UNSUPPORTED', `version ${version} is not known`);
  if (suite !== SUITE_ID) throw new PreError('SUITE_UNSUPPORTED', `suite ${suite} is not known`);
}
