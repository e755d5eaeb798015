import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { PreErrorCode, Rng, Suite, VerifiedCapsuleFrag } from '../src/index.ts';
import {
  CapsuleFrag,
  encapsulate,
  generateKfrags,
  PreError,
  reencrypt,
  SECP256K1_SUITE,
  SecretKey,
  Signer,
} from '../src/index.ts';
import { systemRng } from '../src/rng.ts';
import { EXPERIMENTAL_UMBRAL_SM2, SM_SUITE } from '../src/sm/index.ts';

/** Bytes that depend on the seed alone, so that a failure repeats. */
export function seeded(seed: string): Rng {
  let counter = 0;
  return (length) => {
    const blocks = Array.from({ length: Math.ceil(length / 32) }, () =>
      createHash('sha256').update(`${seed}:${counter++}`).digest(),
    );
    return new Uint8Array(Buffer.concat(blocks).subarray(0, length));
  };
}

export const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));
export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
export const base64url = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64url'));
export const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

export function readVectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`./vectors/${name}.json`, import.meta.url), 'utf8')) as T;
}

/** The code of the PreError that `act` throws, or 'success'; anything else it throws goes on. */
export function outcome(act: () => unknown): PreErrorCode | 'success' {
  try {
    act();
    return 'success';
  } catch (error) {
    if (error instanceof PreError) return error.code;
    throw error;
  }
}

export async function asyncOutcome(act: () => Promise<unknown>): Promise<PreErrorCode | 'success'> {
  try {
    await act();
    return 'success';
  } catch (error) {
    if (error instanceof PreError) return error.code;
    throw error;
  }
}

export async function collect(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of source) pieces.push(piece);
  return new Uint8Array(Buffer.concat(pieces));
}

export function flipped(bytes: Uint8Array, at: number, mask = 1): Uint8Array {
  const changed = new Uint8Array(bytes);
  changed[at] = (changed[at] ?? 0) ^ mask;
  return changed;
}

export function spliced(
  bytes: Uint8Array,
  at: number,
  replacement: Uint8Array,
  remove = replacement.length,
): Uint8Array {
  return new Uint8Array(Buffer.concat([bytes.subarray(0, at), replacement, bytes.subarray(at + remove)]));
}

/** Keys of suite 2 as the functions on bare bytes take them: 32 and 33 bytes. */
export const sm2SecretKey = (rng: Rng): Uint8Array => SecretKey.random(rng, SM_SUITE).toBytes();
export const sm2PublicKey = (secret: Uint8Array): Uint8Array =>
  SecretKey.fromBytes(secret, SM_SUITE).publicKey().toBytes();

/** The suites with Umbral, and the two that every object of ours but the key header has. */
export const UMBRAL_SUITES = [SECP256K1_SUITE, EXPERIMENTAL_UMBRAL_SM2];
export const MAIN_SUITES = [SECP256K1_SUITE, SM_SUITE];

/** Alice delegates to Bob; Alice's signer has a key of its own; Eve is someone else. */
export function castOf(suite: Suite) {
  const rng = seeded('cast');
  const [alice, bob, eve, signingKey] = [
    SecretKey.random(rng, suite),
    SecretKey.random(rng, suite),
    SecretKey.random(rng, suite),
    SecretKey.random(rng, suite),
  ];
  const signer = new Signer(signingKey);
  const keys = {
    verifyingKey: signer.verifyingKey(),
    delegatingKey: alice.publicKey(),
    receivingKey: bob.publicKey(),
  };

  /** One capsule, a delegation of `threshold` of `shares`, and every fragment checked as Bob would. */
  function delegated(threshold: number, shares: number, randomness: Rng = systemRng) {
    const { capsule, key } = encapsulate(keys.delegatingKey, randomness);
    const kfrags = generateKfrags(
      { delegatingKey: alice, receivingKey: keys.receivingKey, signer, threshold, shares },
      randomness,
    );
    const cfrags: VerifiedCapsuleFrag[] = kfrags.map((kfrag) =>
      CapsuleFrag.fromBytes(reencrypt(capsule, kfrag, randomness).toBytes(), suite).verify(capsule, keys),
    );
    return { capsule, key, kfrags, cfrags };
  }

  return { alice, bob, eve, signingKey, signer, keys, delegated };
}

export const { alice, bob, eve, signer, keys, delegated } = castOf(SECP256K1_SUITE);
