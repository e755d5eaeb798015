/** Against sm-crypto-v2, both ways. */
import { hkdf, kdf, sm2, sm3, sm4 } from 'sm-crypto-v2';
import { expect, test } from 'vitest';
import { hkdfSm3, sm2Kdf } from '../src/sm/kdf.ts';
import * as node from '../src/sm/native-node.ts';
import * as portable from '../src/sm/native-portable.ts';
import { decodePublicKey } from '../src/sm/sm2-curve.ts';
import { signSm2, verifySm2 } from '../src/sm/sm2-signature.ts';
import { unwrapKey, wrapKey } from '../src/sm/sm2-wrap.ts';
import { sm4Blocks } from '../src/sm/sm4.ts';
import { hex, seeded, sm2PublicKey, sm2SecretKey, toHex } from './fixtures.ts';

const rng = seeded('sm interop');
const ROUNDS = 300;
const CURVE_ROUNDS = 100;

function keyPair() {
  const secret = sm2SecretKey(rng);
  const key = sm2PublicKey(secret);
  return { secret, key, secretHex: toHex(secret), keyHex: decodePublicKey(key).toHex(false) };
}

test('SM3 and HMAC-SM3', () => {
  for (let round = 0; round < ROUNDS; round++) {
    const [message, key] = [rng(round), rng(1 + (round % 100))];
    const [hash, mac] = [sm3(message), sm3(message, { key })];
    for (const engine of [node, portable]) {
      expect(toHex(engine.sm3(message))).toBe(hash);
      expect(toHex(engine.hmacSm3(key, message))).toBe(mac);
    }
  }
});

test('HKDF-SM3 and the key derivation of SM2', () => {
  for (let round = 0; round < ROUNDS; round++) {
    const [ikm, salt, info, length] = [rng(32), rng(round % 70), rng(round % 90), 1 + (round % 130)];
    expect(toHex(hkdfSm3(ikm, info, length, salt))).toBe(toHex(hkdf(ikm, salt, info, length)));
    expect(toHex(sm2Kdf(ikm, length))).toBe(toHex(kdf(ikm, length)));
  }
});

test('SM4 of blocks, and in counter mode as inside its GCM', () => {
  for (let round = 0; round < ROUNDS; round++) {
    const [key, blocks, nonce, data] = [rng(16), rng(16 * (1 + (round % 5))), rng(12), rng(1 + round)];
    const ecb = sm4.encrypt(blocks, key, { mode: 'ecb', padding: 'none', output: 'array' });
    expect(toHex(sm4Blocks(key, blocks))).toBe(toHex(ecb));
    const gcm = sm4.encrypt(data, key, { mode: 'gcm', iv: nonce, output: 'array', outputTag: true });
    const counter = new Uint8Array(Buffer.concat([nonce, Uint8Array.of(0, 0, 0, 2)]));
    for (const { sm4Ctr } of [node, portable]) expect(toHex(sm4Ctr(key, counter, data))).toBe(toHex(gcm.output));
  }
});

test('its SM2 keys and signatures verify here, and ours there', () => {
  for (let round = 0; round < CURVE_ROUNDS; round++) {
    const { secret, key, secretHex, keyHex } = keyPair();
    const userId = round % 2 === 0 ? '1234567812345678' : `doctor ${round}`.repeat(1 + (round % 20));
    const message = rng(1 + round);
    expect(sm2.getPublicKeyFromPrivateKey(secretHex)).toBe(keyHex);
    expect(sm2.compressPublicKeyHex(keyHex)).toBe(toHex(key));
    const id = new TextEncoder().encode(userId);
    const theirs = sm2.doSignature(message, secretHex, { hash: true, userId, publicKey: keyHex });
    expect(verifySm2(key, message, hex(theirs), id)).toBe(true);
    const ours = toHex(signSm2(secret, message, { userId: id, rng }));
    expect(sm2.doVerifySignature(message, ours, keyHex, { hash: true, userId })).toBe(true);
    expect(sm2.doVerifySignature(message, ours, keyHex, { hash: true, userId: `${userId}!` })).toBe(false);
  }
}, 120_000);

test('keys it encrypted unwrap here, and ours decrypt there', () => {
  for (let round = 0; round < CURVE_ROUNDS; round++) {
    const { secret, key, secretHex, keyHex } = keyPair();
    const content = rng(32 + (round % 33));
    // It leaves out the leading byte of C1, which says that the point is uncompressed.
    const theirs = `04${sm2.doEncrypt(content, keyHex, 1)}`;
    expect(toHex(unwrapKey(secret, hex(theirs)))).toBe(toHex(content));
    const ours = toHex(wrapKey(key, content, rng)).slice(2);
    expect(toHex(sm2.doDecrypt(ours, secretHex, 1, { output: 'array' }))).toBe(toHex(content));
  }
}, 120_000);
