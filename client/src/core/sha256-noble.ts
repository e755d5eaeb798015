import { sha256 } from '@noble/hashes/sha2.js';

/** A running SHA-256. */
export interface RunningHash {
  update(bytes: Uint8Array): void;
  /** 32 bytes; the end of it. */
  digest(): Uint8Array;
}

export function startSha256(): RunningHash {
  const hash = sha256.create();
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest() };
}
