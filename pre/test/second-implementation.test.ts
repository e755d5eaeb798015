/** Written from SPEC.md with node:crypto alone: what it cannot open or derive, the specification does not say. */
import { createDecipheriv, createECDH, createHash, createHmac, hkdfSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
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
import { EXPERIMENTAL_UMBRAL_SM2, SM_SUITE, sealWrappedHeader } from '../src/sm/index.ts';
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
const hkdfSm3 = (ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number) =>
  Buffer.from(hkdfSync('sm3', ikm, salt, info, length));

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

/** The SM2 curve by the schoolbook (§15); nothing means the identity. */
const P = 0xfffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffffn;
const A = 0xfffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffcn;
const B = 0x28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93n;
const N = 0xfffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123n;
const SM2_G = {
  x: 0x32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7n,
  y: 0xbc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0n,
};
type Sm2Point = { readonly x: bigint; readonly y: bigint } | undefined;

const integerOf = (bytes: Uint8Array) => BigInt(`0x${toHex(bytes)}`);
const bytes32 = (value: bigint) => Buffer.from(value.toString(16).padStart(64, '0'), 'hex');
const mod = (value: bigint, modulus = P) => ((value % modulus) + modulus) % modulus;

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let bits = exponent, square = mod(base); bits > 0n; bits >>= 1n, square = mod(square * square))
    if (bits & 1n) result = mod(result * square);
  return result;
}

function add(left: Sm2Point, right: Sm2Point): Sm2Point {
  if (!left) return right;
  if (!right) return left;
  if (left.x === right.x && mod(left.y + right.y) === 0n) return undefined;
  const [rise, run] =
    left.x === right.x ? [3n * left.x * left.x + A, 2n * left.y] : [right.y - left.y, right.x - left.x];
  const slope = mod(rise * power(run, P - 2n));
  const x = mod(slope * slope - left.x - right.x);
  return { x, y: mod(slope * (left.x - x) - left.y) };
}

function times(scalar: bigint, point: Sm2Point): Sm2Point {
  let result: Sm2Point;
  for (let bits = scalar, double = point; bits > 0n; bits >>= 1n, double = add(double, double))
    if (bits & 1n) result = add(result, double);
  return result;
}

function known(point: Sm2Point): { readonly x: bigint; readonly y: bigint } {
  if (!point) throw new Error('the identity');
  return point;
}

function decompressed(bytes: Uint8Array): Sm2Point {
  const x = integerOf(bytes.subarray(1));
  const root = power(x ** 3n + A * x + B, (P + 1n) / 4n);
  return { x, y: Number(root & 1n) === (bytes[0] ?? 0) - 2 ? root : P - root };
}

const compressed = (point: Sm2Point) => {
  const { x, y } = known(point);
  return Buffer.concat([Uint8Array.of(2 + Number(y & 1n)), bytes32(x)]);
};
const sm3 = (...parts: Uint8Array[]) => createHash('sm3').update(Buffer.concat(parts)).digest();

/** SM4ETM (§18). */
function sm4Open(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Buffer {
  const okm = hkdfSm3(key, NONE, Buffer.from('yilian/sm4-ctr-hmac-sm3/v1'), 48);
  const ciphertext = sealed.subarray(0, -32);
  const lengths = Buffer.alloc(16);
  lengths.writeBigUInt64BE(BigInt(aad.length));
  lengths.writeBigUInt64BE(BigInt(ciphertext.length), 8);
  const mac = createHmac('sm3', okm.subarray(0, 32));
  const tag = mac.update(Buffer.concat([nonce, lengths, aad, ciphertext])).digest();
  if (!tag.equals(sealed.subarray(-32))) throw new Error('the tag does not hold');
  const counter = Buffer.concat([nonce, Buffer.alloc(4)]);
  return createDecipheriv('sm4-ctr', okm.subarray(32), counter).update(ciphertext);
}

const sm4OpenOnce = (okm: Buffer, aad: Uint8Array, sealed: Uint8Array) =>
  sm4Open(okm.subarray(0, 32), okm.subarray(32), aad, sealed);

/** Whether the SM2 signature holds (§16). */
function sm2Verifies(key: Uint8Array, userId: string, message: Uint8Array, signature: Uint8Array): boolean {
  const point = known(decompressed(key));
  const id = Buffer.from(userId);
  const numbers = [A, B, SM2_G.x, SM2_G.y, point.x, point.y].map(bytes32);
  const z = sm3(Uint8Array.of(0, id.length * 8), id, ...numbers);
  const e = integerOf(sm3(z, message));
  const [r, s] = [integerOf(signature.subarray(0, 32)), integerOf(signature.subarray(32))];
  const { x } = known(add(times(s, SM2_G), times(mod(r + s, N), point)));
  return mod(e + x, N) === r;
}

describe.each([
  { suite: SM_SUITE, number: '02', name: 'sm2-sm3-sm4-v1', userId: '1234567812345678' },
  {
    suite: EXPERIMENTAL_UMBRAL_SM2,
    number: '03',
    name: 'experimental-umbral-sm2-v1',
    userId: 'experimental-umbral-sm2-v1',
  },
])('in suite $name', ({ suite, number, name, userId }) => {
  const preambleOf = (magic: string) => `${Buffer.from(magic).toString('hex')}01${number}`;

  test('a patient key, and a signature with it', () => {
    const master = rng(32);
    const derived = (...parts: Part[]) => {
      const wide = hkdfSm3(master, NONE, tagged('yilian/pre-key/v1', 'yilian/v1', 'cn', name, ...parts), 48);
      return mod(integerOf(wide), N - 1n) + 1n;
    };
    const keys = PatientKeys.fromMaster(master, 'cn', suite);
    const scope = keys.scopeKey({ region: '湖北', scope: 'imaging', epoch: 7 });
    expect(toHex(scope.toBytes())).toBe(toHex(bytes32(derived('湖北', 'imaging', 7))));
    const verifyingKey = compressed(times(derived('signing'), SM2_G));
    expect(toHex(keys.signer().verifyingKey().toBytes())).toBe(toHex(verifyingKey));
    const message = rng(100);
    const signature = keys.signer().sign(message, rng);
    expect(sm2Verifies(verifyingKey, userId, message, signature)).toBe(true);
    expect(sm2Verifies(verifyingKey, userId, rng(100), signature)).toBe(false);
  });

  test('a commitment', () => {
    const [salt, digest] = [rng(32), rng(32)];
    expect(toHex(commitment(salt, digest, suite))).toBe(toHex(sm3(tagged('yilian/pre-commitment/v1', salt, digest))));
  });

  test('a sealed message', () => {
    const secret = SecretKey.random(rng, suite);
    const [about, message] = [context('kfrag', 1), rng(310)];
    const sealed = sealTo(secret.publicKey(), message, about, rng);
    const ephemeral = sealed.subarray(6, 39);
    const d = integerOf(secret.toBytes());
    const info = tagged('yilian/pre-sealed/v1', ephemeral, compressed(times(d, SM2_G)), about);
    const okm = hkdfSm3(bytes32(known(times(d, decompressed(ephemeral))).x), NONE, info, 44);
    expect(toHex(sealed.subarray(0, 6))).toBe(preambleOf('YLSM'));
    expect(toHex(sm4OpenOnce(okm, sealed.subarray(0, 39), sealed.subarray(39)))).toBe(toHex(message));
  });

  test('a sealed body', async () => {
    const [contentKey, plaintext] = [rng(32), rng(4096 + 9)];
    const sealed = await collect(sealBody(contentKey, [plaintext], { chunkSize: 4096, rng, suite }));
    const start = sealed.subarray(0, 39);
    const okm = hkdfSm3(contentKey, start.subarray(7), tagged('yilian/pre-body/v1', start), 64);
    expect(toHex(start.subarray(0, 7))).toBe(`${preambleOf('YLSB')}0c`);
    expect(toHex(sealed.subarray(39, 71))).toBe(toHex(okm.subarray(32)));
    const key = okm.subarray(0, 32);
    const first = sm4Open(key, Buffer.from('000000000000000000000000', 'hex'), NONE, sealed.subarray(71, 71 + 4128));
    const last = sm4Open(key, Buffer.from('000000000000000000000101', 'hex'), NONE, sealed.subarray(71 + 4128));
    expect(toHex(Buffer.concat([first, last]))).toBe(toHex(plaintext));
  });
});

test('a wrapped key header of suite 2', () => {
  const owner = SecretKey.random(rng, SM_SUITE);
  const [about, secret] = [context('record', 'r-1'), newContentSecret(rng)];
  const header = sealWrappedHeader(owner.publicKey(), secret, about, rng);
  expect(toHex(header.subarray(0, 7))).toBe(`${Buffer.from('YLKW').toString('hex')}010204`);
  const c1 = { x: integerOf(header.subarray(7, 39)), y: integerOf(header.subarray(39, 71)) };
  const { x, y } = known(times(integerOf(owner.toBytes()), c1));
  const mask = sm3(bytes32(x), bytes32(y), Buffer.from('00000001', 'hex'));
  const key = Buffer.from(header.subarray(103, 135)).map((byte, at) => byte ^ (mask[at] ?? 0));
  expect(toHex(header.subarray(71, 103))).toBe(toHex(sm3(bytes32(x), key, bytes32(y))));
  const okm = hkdfSm3(key, NONE, tagged('yilian/pre-wrapped-header/v1', owner.publicKey().toBytes(), about), 44);
  const opened = sm4OpenOnce(okm, header.subarray(0, 135), header.subarray(135));
  expect(toHex(opened)).toBe(toHex(secret.key) + toHex(secret.salt));
});

test('a key header of suite 3', () => {
  const owner = SecretKey.random(rng, EXPERIMENTAL_UMBRAL_SM2);
  const [about, secret] = [context('record', 'r-1'), newContentSecret(rng)];
  const header = sealHeader(owner.publicKey(), secret, about, rng);
  expect(toHex(header.subarray(0, 6))).toBe(`${Buffer.from('YLKH').toString('hex')}0103`);
  const [e, v] = [header.subarray(6, 39), header.subarray(39, 72)];
  const h = mod(integerOf(sm3(Buffer.from('\0\0\0\x0eCAPSULE_POINTS'), e, v)), N - 1n) + 1n;
  const proof = add(decompressed(v), times(h, decompressed(e)));
  expect(times(integerOf(header.subarray(72, 104)), SM2_G)).toEqual(proof);
  const shared = times(integerOf(owner.toBytes()), add(decompressed(e), decompressed(v)));
  const key = hkdfSm3(compressed(shared), NONE, NONE, 32);
  const okm = hkdfSm3(key, NONE, tagged('yilian/pre-header/v1', owner.publicKey().toBytes(), about), 44);
  const opened = sm4OpenOnce(okm, header.subarray(0, 104), header.subarray(104));
  expect(toHex(opened)).toBe(toHex(secret.key) + toHex(secret.salt));
});
