import type { ByteReader } from './bytes.ts';
import { utf8 } from './bytes.ts';
import type { Group, Point, Scalar } from './group.ts';
import { PreError } from './pre-error.ts';

const VERSION = 1;

/** Magic 4 | version 1 | suite id 1. */
export const PREAMBLE_BYTES = 6;

/** Authenticated encryption of whole messages. A key is 32 bytes and never sees a nonce twice. */
interface Aead {
  readonly nonceBytes: number;
  /** What a message is longer when sealed. */
  readonly tagBytes: number;
  /** The ciphertext, then the tag. */
  seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** The plaintext, or nothing when the tag does not hold. */
  open(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined;
}

/** The same for the chunks of a body, whose nonces are counted and 12 bytes long. */
interface ChunkAead extends Pick<Aead, 'tagBytes' | 'open'> {
  /** Ciphertext and tag apart, since joining them would copy every byte. */
  sealApart(
    key: Uint8Array,
    nonce: Uint8Array,
    aad: Uint8Array,
    plaintext: Uint8Array,
  ): { readonly ciphertext: Uint8Array; readonly tag: Uint8Array };
}

/** Everything an object is made with. Each object belongs to one suite, and no other accepts it (SPEC.md §4). */
export interface Suite {
  /** Its name in documents and in the labels of derived keys. */
  readonly name: string;
  /** Its number in every binary object of ours. */
  readonly id: number;
  readonly group: Group;
  /** Umbral's second generator; a suite without one has no Umbral. */
  readonly u: Point | undefined;
  /** Of the concatenated parts, 32 bytes. */
  hash(...parts: readonly Uint8Array[]): Uint8Array;
  /** HKDF (RFC 5869), without salt unless given. */
  derive(ikm: Uint8Array, info: Uint8Array, length: number, salt?: Uint8Array): Uint8Array;
  readonly message: Aead;
  readonly chunk: ChunkAead;
  /** Whether the 32 bytes are a secret key. */
  isSecretKey(bytes: Uint8Array): boolean;
  /** 64 bytes; 32 bytes of entropy hedge the nonce. */
  sign(message: Uint8Array, secret: Scalar, entropy: Uint8Array): Uint8Array;
  /** Whether the bytes, of any length and form, are the key's signature. */
  verify(message: Uint8Array, signature: Uint8Array, key: Point): boolean;
  /** Whether the bytes are a signature by some key on some message, as far as that shows. */
  isSignature(bytes: Uint8Array): boolean;
}

/** Magic (4 ASCII letters), version and suite id: the first six bytes of every object of ours (SPEC.md §4). */
export function preamble(magic: string, suite: Suite): Uint8Array {
  return Uint8Array.of(...utf8(magic), VERSION, suite.id);
}

/** @throws the reader's code on another magic, `SUITE_UNSUPPORTED` on another version or suite. */
export function readPreamble(reader: ByteReader, magic: string, suite: Suite): void {
  reader.literal(...utf8(magic));
  const [version, id] = reader.take(2);
  if (version !== VERSION) throw new PreError('SUITE_UNSUPPORTED', `version ${version} is not known`);
  if (id !== suite.id) throw new PreError('SUITE_UNSUPPORTED', `of suite ${id}, not ${suite.id}`);
}

/** @throws SUITE_UNSUPPORTED unless all are of this suite */
export function requireSuite(suite: Suite, ...others: readonly { readonly suite: Suite }[]): void {
  if (others.some((other) => other.suite !== suite))
    throw new PreError('SUITE_UNSUPPORTED', `not all are of suite ${suite.name}`);
}

/** Umbral's second generator u. @throws SUITE_UNSUPPORTED where the suite has no Umbral */
export function requireUmbral(suite: Suite): Point {
  if (suite.u === undefined) throw new PreError('SUITE_UNSUPPORTED', `${suite.name} has no proxy re-encryption`);
  return suite.u;
}
