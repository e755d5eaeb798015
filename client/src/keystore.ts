import { createCipheriv, createDecipheriv, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { open } from 'node:fs/promises';
import { digest, parser, toBase64url, utf8Bytes } from '@yilian/protocol';
import { type Static, Type } from '@yilian/schema';
import { ClientError, codeOf } from './core/client-error.ts';
import { writeSecretFile } from './files.ts';

/** What one person or organisation keeps secret; a party has those of its own. */
export interface KeystoreSecrets {
  /** A patient's 32-byte master key. */
  readonly master?: Uint8Array;
  /** A practitioner's 32-byte re-encryption key. */
  readonly receivingKey?: Uint8Array;
  /** PEM of an X.509 certificate's P-256 key. */
  readonly privateKey?: string;
}

export interface KeystoreOptions {
  /** Binary logarithm of scrypt's cost; 17 (128 MiB) when left out, 14 at least. */
  readonly logN?: number;
}

const FORMAT = 'yilian/keystore/v1';
const CIPHER = 'aes-256-gcm';
const LOG_N = 17;
const BLOCK_SIZE = 8;
const SALT_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const MAX_FILE_BYTES = 64 * 1024;

const object = <P extends Parameters<typeof Type.Object>[0]>(properties: P) =>
  Type.Object(properties, { additionalProperties: false });
const Bytes = (pattern: string) => Type.String({ pattern: `^[A-Za-z0-9_-]${pattern}$` });

/** The file, but for its checksum (SPEC.md §2). */
const Head = {
  format: Type.Literal(FORMAT),
  kdf: object({
    name: Type.Literal('scrypt'),
    logN: Type.Integer({ minimum: 14, maximum: 20 }),
    r: Type.Literal(BLOCK_SIZE),
    p: Type.Literal(1),
    salt: Bytes('{43}'),
  }),
  cipher: Type.Literal(CIPHER),
  nonce: Bytes('{16}'),
  /** Half of what scrypt gives: tells a wrong passphrase from a damaged file. */
  check: Bytes('{43}'),
};
const Content = object({ ...Head, sealed: Bytes('+') });
const File = object({ ...Head, sealed: Bytes('+'), sum: Bytes('{43}') });
const parseFile = parser('keystore', File);
const Secrets = object({
  master: Type.Optional(Bytes('{43}')),
  receivingKey: Type.Optional(Bytes('{43}')),
  privateKey: Type.Optional(Type.String({ maxLength: 8192 })),
});
const parseSecrets = parser('secrets', Secrets);
type Content = Static<typeof Content>;

/** A file of secrets under a passphrase: scrypt, then AES-256-GCM with a fresh salt and nonce each time it is written. */
export class Keystore {
  readonly secrets: KeystoreSecrets;
  readonly #file: string;
  readonly #logN: number;

  private constructor(file: string, logN: number, secrets: KeystoreSecrets) {
    this.#file = file;
    this.#logN = logN;
    this.secrets = secrets;
  }

  /** @throws KEYSTORE_EXISTS, ARGUMENT_INVALID on an empty passphrase */
  static async create(
    file: string,
    passphrase: string,
    secrets: KeystoreSecrets,
    { logN = LOG_N }: KeystoreOptions = {},
  ): Promise<Keystore> {
    const text = await sealed(passphrase, secrets, logN);
    try {
      await writeSecretFile(file, text, true);
    } catch (cause) {
      if (codeOf(cause) === 'EEXIST')
        throw new ClientError('KEYSTORE_EXISTS', 'the keystore exists already', { cause });
      throw cause;
    }
    return new Keystore(file, logN, secrets);
  }

  /**
   * @throws KEYSTORE_LOCKED on a wrong passphrase, KEYSTORE_CORRUPT when the file was changed, KEYSTORE_EXPOSED when
   *   others than its owner may read it
   */
  static async open(file: string, passphrase: string): Promise<Keystore> {
    const { sum, ...content } = readFile(await readPrivate(file));
    if (digest(utf8Bytes(JSON.stringify(content))) !== sum) throw corrupt('its checksum does not hold');
    const { key, check } = await stretch(passphrase, content.kdf);
    try {
      const expected = Buffer.from(content.check, 'base64url');
      if (expected.length !== check.length || !timingSafeEqual(expected, check))
        throw new ClientError('KEYSTORE_LOCKED', 'the passphrase is another');
      return new Keystore(file, content.kdf.logN, unsealed(key, content));
    } finally {
      key.fill(0);
    }
  }

  /** Writes other secrets, or the same under another passphrase, in the place of the old; whole or not at all. */
  async save(passphrase: string, secrets: KeystoreSecrets = this.secrets): Promise<Keystore> {
    await writeSecretFile(this.#file, await sealed(passphrase, secrets, this.#logN), false);
    return new Keystore(this.#file, this.#logN, secrets);
  }
}

async function sealed(passphrase: string, secrets: KeystoreSecrets, logN: number): Promise<string> {
  if (passphrase === '') throw new ClientError('ARGUMENT_INVALID', 'a keystore needs a passphrase');
  const salt = toBase64url(randomBytes(SALT_BYTES));
  const kdf = { name: 'scrypt', logN, r: BLOCK_SIZE, p: 1, salt } as const;
  const { key, check } = await stretch(passphrase, kdf);
  const nonce = randomBytes(NONCE_BYTES);
  const head = {
    format: FORMAT,
    kdf,
    cipher: CIPHER,
    nonce: toBase64url(nonce),
    check: toBase64url(check),
  } as const;
  const cipher = createCipheriv(CIPHER, key, nonce);
  cipher.setAAD(utf8Bytes(JSON.stringify(head)));
  const plaintext = utf8Bytes(JSON.stringify(encoded(secrets)));
  const bytes = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  plaintext.fill(0);
  key.fill(0);
  const content: Content = { ...head, sealed: toBase64url(bytes) };
  return written(content, digest(utf8Bytes(JSON.stringify(content))));
}

function unsealed(key: Uint8Array, { sealed: text, ...head }: Content): KeystoreSecrets {
  const bytes = Buffer.from(text, 'base64url');
  const decipher = createDecipheriv(CIPHER, key, Buffer.from(head.nonce, 'base64url'), { authTagLength: TAG_BYTES });
  try {
    decipher.setAAD(utf8Bytes(JSON.stringify(head)));
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    const plaintext = Buffer.concat([decipher.update(bytes.subarray(0, -TAG_BYTES)), decipher.final()]);
    const { master, receivingKey, privateKey } = parseSecrets(JSON.parse(plaintext.toString()));
    plaintext.fill(0);
    return {
      ...(master !== undefined && { master: new Uint8Array(Buffer.from(master, 'base64url')) }),
      ...(receivingKey !== undefined && { receivingKey: new Uint8Array(Buffer.from(receivingKey, 'base64url')) }),
      ...(privateKey !== undefined && { privateKey }),
    };
  } catch (cause) {
    throw corrupt('it does not open', cause);
  }
}

function encoded({ master, receivingKey, privateKey }: KeystoreSecrets): Static<typeof Secrets> {
  const secrets = {
    ...(master !== undefined && { master: toBase64url(master) }),
    ...(receivingKey !== undefined && { receivingKey: toBase64url(receivingKey) }),
    ...(privateKey !== undefined && { privateKey }),
  };
  try {
    return parseSecrets(secrets);
  } catch {
    throw new ClientError('ARGUMENT_INVALID', 'keys are 32 bytes, a private key is PEM');
  }
}

/** Exactly one text for one content, so that no byte of a file can change unnoticed. */
function written(content: Content, sum: string): string {
  return `${JSON.stringify({ ...content, sum })}\n`;
}

function readFile(text: string): Content & { readonly sum: string } {
  try {
    const { sum, ...content } = parseFile(JSON.parse(text));
    if (written(content, sum) === text) return { ...content, sum };
  } catch (cause) {
    throw corrupt('it is no keystore', cause);
  }
  throw corrupt('it is not written as keystores are');
}

async function readPrivate(file: string): Promise<string> {
  await using handle = await open(file, 'r');
  const { mode, size } = await handle.stat();
  if (process.platform !== 'win32' && (mode & 0o077) !== 0)
    throw new ClientError('KEYSTORE_EXPOSED', 'the keystore can be read by others than its owner');
  if (size > MAX_FILE_BYTES) throw corrupt('it is too long');
  return await handle.readFile('utf8');
}

function stretch(passphrase: string, { logN, r, p, salt }: Content['kdf']): Promise<{ key: Buffer; check: Buffer }> {
  const N = 2 ** logN;
  const { promise, resolve, reject } = Promise.withResolvers<{ key: Buffer; check: Buffer }>();
  const options = { N, r, p, maxmem: 256 * N * r };
  scrypt(passphrase.normalize('NFKC'), Buffer.from(salt, 'base64url'), 64, options, (error, bytes) => {
    if (error === null) resolve({ key: bytes.subarray(0, 32), check: bytes.subarray(32) });
    else reject(error);
  });
  return promise;
}

function corrupt(why: string, cause?: unknown): ClientError {
  return new ClientError('KEYSTORE_CORRUPT', `the keystore was changed: ${why}`, { cause });
}
