import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
} from 'node:crypto';
import { DER } from '@noble/curves/abstract/weierstrass.js';
import { describe, expect, test } from 'vitest';
import { decodePublicKey, G, Sm2, scalars } from '../src/sm/sm2-curve.ts';
import {
  DEFAULT_USER_ID,
  digest,
  identityHash,
  signSm2,
  signWith,
  verifyDigest,
  verifySm2,
} from '../src/sm/sm2-signature.ts';
import { flipped, hex, outcome, seeded, sm2PublicKey, sm2SecretKey, toHex } from './fixtures.ts';

const rng = seeded('sm signature');
const secret = sm2SecretKey(rng);
const key = sm2PublicKey(secret);
const message = rng(50);
const signature = signSm2(secret, message, { rng });
const NO_USER_ID = new Uint8Array();

const half = (value: bigint) => scalars.toBytes(value);
const bigEndian = (value: bigint) => new Uint8Array(Buffer.from(value.toString(16).padStart(64, '0'), 'hex'));
/** x of kG as a scalar. */
const xOf = (k: bigint) => scalars.create(G.multiply(k).x);
const signatureOf = (r: Uint8Array, s: Uint8Array) => new Uint8Array(Buffer.concat([r, s]));

describe('SM2 signatures', () => {
  test('verify with the key, message and user id they were made for', () => {
    expect(verifySm2(key, message, signature)).toBe(true);
    const userId = rng(8191);
    const other = signSm2(secret, message, { userId, rng });
    expect(verifySm2(key, message, other, userId)).toBe(true);
    expect(verifySm2(key, message, other)).toBe(false);
    expect(verifySm2(key, message, signature, NO_USER_ID)).toBe(false);
    expect(verifySm2(key, flipped(message, 0), signature)).toBe(false);
    expect(verifySm2(sm2PublicKey(sm2SecretKey(rng)), message, signature)).toBe(false);
  });

  test('do not verify after any bit was flipped', () => {
    for (const at of signature.keys()) {
      expect(verifySm2(key, message, flipped(signature, at, 1 << (at % 8)))).toBe(false);
    }
  });

  test('are refused with r or s out of range and at another length', () => {
    const n = scalars.ORDER;
    const [r, s] = [signature.slice(0, 32), signature.slice(32)];
    const zero = new Uint8Array(32);
    expect(verifySm2(key, message, signatureOf(zero, s))).toBe(false);
    expect(verifySm2(key, message, signatureOf(r, zero))).toBe(false);
    expect(verifySm2(key, message, signatureOf(bigEndian(n), s))).toBe(false);
    expect(verifySm2(key, message, signatureOf(r, bigEndian(n)))).toBe(false);
    for (const length of [0, 63, 65]) expect(verifySm2(key, message, new Uint8Array(length).fill(1))).toBe(false);
  });

  test('are not accepted with n added to a small r', () => {
    const d = scalars.fromBytes(secret);
    const e = scalars.sub(5n, xOf(7n));
    const made = signWith(7n, e, d) ?? NO_USER_ID;
    expect(scalars.fromBytes(made.subarray(0, 32))).toBe(5n);
    expect(verifyDigest(e, made, decodePublicKey(key))).toBe(true);
    const longer = signatureOf(bigEndian(scalars.ORDER + 5n), made.subarray(32));
    expect(verifyDigest(e, longer, decodePublicKey(key))).toBe(false);
  });

  test('are not accepted with r + s = n, where any key would do', () => {
    const s = 7n;
    const r = scalars.neg(s);
    const e = scalars.sub(r, xOf(s));
    expect(verifyDigest(e, signatureOf(half(r), half(s)), decodePublicKey(key))).toBe(false);
  });

  test('hash the user id, its length and the key as the standard says, written anew with node:crypto', () => {
    const { a, b, Gx, Gy } = Sm2.CURVE();
    const point = decodePublicKey(key);
    for (const length of [0, 16, 31, 32, 8191]) {
      const userId = rng(length);
      const bits = Uint8Array.of((length * 8) >> 8, (length * 8) & 0xff);
      const values = [a, b, Gx, Gy, point.x, point.y].map(bigEndian);
      const z = createHash('sm3').update(Buffer.concat([bits, userId, ...values]));
      expect(toHex(identityHash(point, userId))).toBe(z.digest('hex'));
    }
  });

  test('take a fresh nonce from the key, the message and the entropy', () => {
    const fixed = (fill: number) => (length: number) => new Uint8Array(length).fill(fill);
    const made = (about: Uint8Array, fill: number) => toHex(signSm2(secret, about, { rng: fixed(fill) }));
    expect(made(message, 0)).toBe(made(message, 0));
    expect(new Set([made(message, 0), made(message, 1), made(rng(50), 0)]).size).toBe(3);
  });

  test('take their nonce as RFC 6979 says, written anew with HMAC-SM3 from node:crypto', () => {
    const entropy = rng(32);
    const e = digest(decodePublicKey(key), message);
    const hmac = (macKey: Uint8Array, ...parts: Uint8Array[]) =>
      createHmac('sm3', macKey).update(Buffer.concat(parts)).digest();
    const seed = Buffer.concat([secret, half(e), entropy]);
    let [v, k] = [Buffer.alloc(32, 1), Buffer.alloc(32)];
    for (const step of [0, 1]) {
      k = hmac(k, v, Uint8Array.of(step), seed);
      v = hmac(k, v);
    }
    const nonce = BigInt(`0x${toHex(hmac(k, v))}`);
    const expected = signWith(nonce, e, scalars.fromBytes(secret));
    expect(signSm2(secret, message, { rng: () => entropy })).toEqual(expected);
  });

  test('draw again where the standard says so: k = 0, r = 0, r + k = n and s = 0', () => {
    const d = scalars.fromBytes(secret);
    const k = 12345n;
    const x = xOf(k);
    expect(signWith(0n, 1n, d)).toBeUndefined();
    expect(signWith(scalars.ORDER, 1n, d)).toBeUndefined();
    expect(signWith(k, scalars.neg(x), d)).toBeUndefined();
    expect(signWith(k, scalars.sub(scalars.neg(k), x), d)).toBeUndefined();
    // s = 0 means k = r·d, so r = k/d.
    expect(signWith(k, scalars.sub(scalars.mul(k, scalars.inv(d)), x), d)).toBeUndefined();
  });

  test('need a secret key from 1 to n - 2 and a point as public key', () => {
    const refused = [0n, scalars.ORDER - 1n, scalars.ORDER].map(bigEndian);
    for (const bad of [...refused, rng(31), rng(33)]) {
      expect(outcome(() => signSm2(bad, message))).toBe('KEY_INVALID');
      expect(outcome(() => sm2PublicKey(bad))).toBe('KEY_INVALID');
    }
    expect(outcome(() => signSm2(bigEndian(scalars.ORDER - 2n), message))).toBe('success');
    const offCurve = new Uint8Array(33).fill(0xff).fill(2, 0, 1);
    for (const bad of [offCurve, flipped(key, 0, 6), key.subarray(1), new Uint8Array(33), new Uint8Array(1)]) {
      expect(outcome(() => verifySm2(bad, message, signature))).toBe('KEY_INVALID');
    }
  });

  test('take a user id of at most 8191 bytes', () => {
    expect(outcome(() => signSm2(secret, message, { userId: rng(8192) }))).toBe('ARGUMENT_INVALID');
    expect(outcome(() => verifySm2(key, message, signature, rng(8192)))).toBe('ARGUMENT_INVALID');
  });
});

describe('node:crypto and SM2', () => {
  const generated = generateKeyPairSync('ec', { namedCurve: 'SM2' });
  const pkcs8 = generated.privateKey.export({ type: 'pkcs8', format: 'der' });
  const spki = generated.publicKey.export({ type: 'spki', format: 'der' });
  const point = spki.subarray(-64);
  const compressed = new Uint8Array([2 + ((point[63] as number) & 1), ...point.subarray(0, 32)]);
  const d = new Uint8Array(pkcs8.subarray(36, 68));
  // It gives and takes DER for SM2, whatever dsaEncoding says.
  const toDer = (raw: Uint8Array) => hex(DER.hexFromSig({ r: halfOf(raw, 0), s: halfOf(raw, 32) }));
  const halfOf = (raw: Uint8Array, at: number) => scalars.fromBytes(raw.subarray(at, at + 32));

  test('agree on the public key of a secret key', () => {
    expect(sm2PublicKey(d)).toEqual(compressed);
  });

  test('agree on signatures once its key was imported again, which gives it the empty user id', () => {
    const secretKey = createPrivateKey({ key: pkcs8, type: 'pkcs8', format: 'der' });
    const publicKey = createPublicKey({ key: spki, type: 'spki', format: 'der' });
    for (let round = 0; round < 20; round++) {
      const about = rng(round * 7);
      const { r, s } = DER.toSig(sign('sm3', about, secretKey));
      const theirs = signatureOf(half(r), half(s));
      expect(verifySm2(compressed, about, theirs, NO_USER_ID)).toBe(true);
      expect(verifySm2(compressed, about, theirs, DEFAULT_USER_ID)).toBe(false);
      const ours = signSm2(d, about, { userId: NO_USER_ID, rng });
      expect(verify('sm3', about, publicKey, toDer(ours))).toBe(true);
      expect(verify('sm3', about, publicKey, toDer(signSm2(d, about, { rng })))).toBe(false);
    }
  });
});
