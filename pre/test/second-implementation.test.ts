/** Written from SPEC.md with node:crypto alone: what it cannot open or derive, the specification does not say. */
import { createDecipheriv, createECDH, createHash, hkdfSync } from 'node:crypto';
import { expect, test } from 'vitest';
import {
  bindingMessage,
  Capsule,
  commitment,
  context,
  decapsulateOriginal,
  newContentSecret,
  openSealed,
  PatientKeys,
  SecretKey,
  sealBody,
  sealHeader,
  sealTo,
} from '../src/index.ts';
import { collect, seeded, toHex } from './fixtures.ts';

const rng = seeded('second implementation');
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const NONE = Buffer.alloc(0);

type Part = string | Uint8Array | number;

function encode(parts: Part[]): Buffer {
  return Buffer.concat(parts.map(encodePart));
}

function encodePart(part: Part): Buffer {
  if (typeof part === 'string') return framed(2, Buffer.from(part, 'utf8'));
  if (typeof part !== 'number') return framed(1, Buffer.from(part));
  const content = Buffer.alloc(8);
  content.writeBigUInt64BE(BigInt(part));
  return framed(3, content);
}

function framed(kind: number, content: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(kind);
  head.writeUInt32BE(content.length, 1);
  return Buffer.concat([head, content]);
}

const tagged = (tag: string, ...parts: Part[]) => Buffer.concat([Buffer.from(`${tag}\0`), encode(parts)]);
const hkdf = (ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number) =>
  Buffer.from(hkdfSync('sha256', ikm, salt, info, length));

function chachaOpen(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Buffer {
  const decipher = createDecipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 });
  decipher.setAAD(aad, { plaintextLength: sealed.length - 16 });
  decipher.setAuthTag(sealed.subarray(-16));
  return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
}

/** HChaCha20 (draft-irtf-cfrg-xchacha §2.2). */
function hchacha20(key: Buffer, nonce16: Buffer): Buffer {
  const words = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574];
  for (let at = 0; at < 32; at += 4) words.push(key.readUInt32LE(at));
  for (let at = 0; at < 16; at += 4) words.push(nonce16.readUInt32LE(at));
  const state = Uint32Array.from(words);
  const word = (at: number) => state[at] as number;
  const mix = (a: number, b: number, d: number, turn: number) => {
    state[a] = word(a) + word(b);
    const x = word(d) ^ word(a);
    state[d] = (x << turn) | (x >>> (32 - turn));
  };
  const quarter = (a: number, b: number, c: number, d: number) => {
    mix(a, b, d, 16);
    mix(c, d, b, 12);
    mix(a, b, d, 8);
    mix(c, d, b, 7);
  };
  for (let round = 0; round < 10; round++) {
    for (const at of [0, 1, 2, 3]) quarter(at, at + 4, at + 8, at + 12);
    for (const at of [0, 1, 2, 3]) quarter(at, 4 + ((at + 1) % 4), 8 + ((at + 2) % 4), 12 + ((at + 3) % 4));
  }
  const out = Buffer.alloc(32);
  for (const at of [0, 1, 2, 3]) {
    out.writeUInt32LE(word(at), at * 4);
    out.writeUInt32LE(word(12 + at), 16 + at * 4);
  }
  return out;
}

test('a patient key', () => {
  const master = rng(32);
  const derived = (...parts: Part[]) => {
    const info = tagged('yilian/pre-key/v1', 'yilian/v1', 'cn', 'umbral-secp256k1-v1', ...parts);
    const wide = BigInt(`0x${toHex(hkdf(master, NONE, info, 48))}`);
    return ((wide % (ORDER - 1n)) + 1n).toString(16).padStart(64, '0');
  };
  const keys = PatientKeys.fromMaster(master, 'cn');
  const scope = keys.scopeKey({ region: '湖北', scope: 'imaging', epoch: 7 });
  expect(toHex(scope.toBytes())).toBe(derived('湖北', 'imaging', 7));
  const signing = createECDH('secp256k1');
  signing.setPrivateKey(derived('signing'), 'hex');
  expect(toHex(keys.signer().verifyingKey().toBytes())).toBe(signing.getPublicKey('hex', 'compressed'));
});

test('a context, a commitment and a binding', () => {
  const parts = ['record', Uint8Array.of(1, 2), 2 ** 40];
  expect(toHex(context(...parts))).toBe(toHex(encode(parts)));
  const [salt, digest] = [rng(32), rng(32)];
  const committed = createHash('sha256')
    .update(tagged('yilian/pre-commitment/v1', salt, digest))
    .digest('hex');
  expect(toHex(commitment(salt, digest))).toBe(committed);
  const binding = {
    federation: 'cn',
    requestId: 'q',
    transactionId: 't',
    recipientKeyHash: rng(32),
    items: [{ capsuleHash: salt, cfragHash: digest }],
  };
  const message = tagged('yilian/cfrag-binding/v1', 'cn', 'q', 't', binding.recipientKeyHash, 1, salt, digest);
  expect(toHex(bindingMessage(binding))).toBe(toHex(message));
});

function xchachaOpen(okm: Buffer, aad: Uint8Array, sealed: Uint8Array): Buffer {
  const subkey = hchacha20(okm.subarray(0, 32), okm.subarray(32, 48));
  return chachaOpen(subkey, Buffer.concat([Buffer.alloc(4), okm.subarray(48)]), aad, sealed);
}

test('a key header, given the key inside its capsule', () => {
  const scopeKey = SecretKey.random(rng);
  const about = context('record', 'r-1');
  const secret = newContentSecret(rng);
  const header = sealHeader(scopeKey.publicKey(), secret, about, rng);
  expect(toHex(header.subarray(0, 6))).toBe(`${Buffer.from('YLKH').toString('hex')}0101`);
  const key = decapsulateOriginal(scopeKey, Capsule.fromBytes(header.subarray(6, 104)));
  const okm = hkdf(key, NONE, tagged('yilian/pre-header/v1', scopeKey.publicKey().toBytes(), about), 56);
  const opened = xchachaOpen(okm, header.subarray(0, 104), header.subarray(104));
  expect(toHex(opened)).toBe(toHex(secret.key) + toHex(secret.salt));
});

test('a sealed message', () => {
  const secret = SecretKey.random(rng);
  const about = context('kfrag', 1);
  const sealed = sealTo(secret.publicKey(), rng(310), about, rng);
  const ecdh = createECDH('secp256k1');
  ecdh.setPrivateKey(Buffer.from(secret.toBytes()));
  const ephemeral = sealed.subarray(6, 39);
  const info = tagged('yilian/pre-sealed/v1', ephemeral, ecdh.getPublicKey(null, 'compressed'), about);
  const okm = hkdf(ecdh.computeSecret(ephemeral), NONE, info, 56);
  const plaintext = xchachaOpen(okm, sealed.subarray(0, 39), sealed.subarray(39));
  expect(toHex(sealed.subarray(0, 6))).toBe(`${Buffer.from('YLSM').toString('hex')}0101`);
  expect(toHex(plaintext)).toBe(toHex(openSealed(secret, sealed, about)));
});

test('a sealed body', async () => {
  const [contentKey, plaintext] = [rng(32), rng(4096 + 9)];
  const sealed = await collect(sealBody(contentKey, [plaintext], { chunkSize: 4096, rng }));
  const start = sealed.subarray(0, 39);
  const okm = hkdf(contentKey, start.subarray(7), tagged('yilian/pre-body/v1', start), 64);
  expect(toHex(start.subarray(0, 7))).toBe(`${Buffer.from('YLSB').toString('hex')}01010c`);
  expect(toHex(sealed.subarray(39, 71))).toBe(toHex(okm.subarray(32)));
  const key = okm.subarray(0, 32);
  const first = chachaOpen(key, Buffer.from('000000000000000000000000', 'hex'), NONE, sealed.subarray(71, 71 + 4112));
  const last = chachaOpen(key, Buffer.from('000000000000000000000101', 'hex'), NONE, sealed.subarray(71 + 4112));
  expect(toHex(Buffer.concat([first, last]))).toBe(toHex(plaintext));
});
