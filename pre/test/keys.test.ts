import { format, inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { generateKfrags, PatientKeys, PublicKey, SecretKey, SUITE, SUITE_ID } from '../src/index.ts';
import { alice, bob, eve, keys, outcome, seeded, signer, toHex } from './fixtures.ts';

describe('secret keys', () => {
  const secret = SecretKey.fromBytes(alice.toBytes());

  test('round trip', () => {
    expect(secret.toBytes()).toEqual(alice.toBytes());
    expect(secret.publicKey().equals(alice.publicKey())).toBe(true);
  });

  test('nothing that prints, logs or serialises a key shows it', () => {
    const master = new Uint8Array(32).fill(9);
    const [kfrag] = generateKfrags(
      { delegatingKey: alice, receivingKey: keys.receivingKey, signer, threshold: 1, shares: 1 },
      seeded('shown'),
    );
    const holders = [secret, signer, PatientKeys.fromMaster(master, 'federation'), kfrag];
    const decimals = Array.from(secret.toBytes().subarray(0, 4)).join(', ');
    for (const holder of holders) {
      const shown = [format('%s %o %O', holder, holder, holder), JSON.stringify({ holder })];
      shown.push(
        inspect(holder, { showHidden: true, depth: 9, customInspect: false }),
        inspect(holder, { getters: true }),
      );
      for (const text of shown) {
        expect(text).not.toContain(toHex(secret.toBytes()).slice(0, 8));
        expect(text).not.toContain(decimals);
        expect(text).not.toContain('9, 9, 9');
        expect(text).not.toMatch(/\d{20,}/);
      }
    }
    expect(`${secret.toString()} ${JSON.stringify({ secret })}`).toBe('[SecretKey] {"secret":"[SecretKey]"}');
  });

  test('a wiped key is of no use', () => {
    const own = SecretKey.fromBytes(alice.toBytes());
    own.wipe();
    expect(outcome(() => own.toBytes())).toBe('KEY_INVALID');
    expect(outcome(() => own.publicKey())).toBe('KEY_INVALID');
  });

  test('a key is exactly 32 bytes', () => {
    expect(outcome(() => SecretKey.fromBytes(new Uint8Array(31).fill(1)))).toBe('KEY_INVALID');
    expect(outcome(() => SecretKey.fromBytes(new Uint8Array(33).fill(1)))).toBe('KEY_INVALID');
  });

  test('random keys differ', () => {
    expect(SecretKey.random().toBytes()).not.toEqual(SecretKey.random().toBytes());
  });
});

describe('public keys', () => {
  test('are written in base64url, also inside JSON', () => {
    const text = keys.delegatingKey.toBase64url();
    expect(text).toBe(Buffer.from(keys.delegatingKey.toBytes()).toString('base64url'));
    expect(PublicKey.fromBase64url(text).equals(keys.delegatingKey)).toBe(true);
    expect(JSON.parse(JSON.stringify({ key: keys.delegatingKey }))).toEqual({ key: text });
  });

  test.each(['', 'A'.repeat(43), `${'A'.repeat(44)}=`, `${'A'.repeat(43)}+`, `A\n${'A'.repeat(42)}`, 'A'.repeat(44)])(
    '%j is refused',
    (text) => {
      expect(outcome(() => PublicKey.fromBase64url(text))).toBe('KEY_INVALID');
    },
  );

  test('are equal only when they are the same', () => {
    expect(keys.delegatingKey.equals(PublicKey.fromBytes(alice.publicKey().toBytes()))).toBe(true);
    expect(keys.delegatingKey.equals(eve.publicKey())).toBe(false);
    expect(bob.publicKey().equals(eve.publicKey())).toBe(false);
  });
});

describe('the keys of a patient', () => {
  const master = seeded('patient')(32);
  const label = { region: 'hubei', scope: 'imaging', epoch: 1 };
  const scopeKey = (changes: Partial<typeof label>, federation = 'cn') =>
    toHex(
      PatientKeys.fromMaster(master, federation)
        .scopeKey({ ...label, ...changes })
        .toBytes(),
    );

  test('are the same every time', () => {
    expect(scopeKey({})).toBe(scopeKey({}));
    const signers = [1, 2].map(() => PatientKeys.fromMaster(master, 'cn').signer().verifyingKey());
    expect(signers[0]?.equals(signers[1] as PublicKey)).toBe(true);
  });

  test('differ with every part of the label, also when its text is cut elsewhere', () => {
    const others = [
      scopeKey({ region: 'hunan' }),
      scopeKey({ scope: 'laboratory' }),
      scopeKey({ epoch: 2 }),
      scopeKey({}, 'eu'),
      scopeKey({ region: 'hubeii', scope: 'maging' }),
      toHex(PatientKeys.fromMaster(seeded('other')(32), 'cn').scopeKey(label).toBytes()),
    ];
    expect(new Set([scopeKey({}), ...others]).size).toBe(7);
  });

  test('the signing key delegates nothing and no scope key signs', () => {
    const patient = PatientKeys.fromMaster(master, 'cn');
    expect(patient.signer().verifyingKey().equals(patient.scopeKey(label).publicKey())).toBe(false);
  });

  test('any label gives a usable key', () => {
    const name = fc.string({ minLength: 1, unit: 'grapheme' });
    const property = fc.property(name, name, fc.nat(), (region, scope, epoch) =>
      PatientKeys.fromMaster(master, 'cn')
        .scopeKey({ region, scope, epoch })
        .toBytes()
        .some((byte) => byte !== 0),
    );
    fc.assert(property, { numRuns: 30 });
  });

  test('bad masters and labels are refused', () => {
    expect(outcome(() => PatientKeys.fromMaster(new Uint8Array(31).fill(1), 'cn'))).toBe('KEY_INVALID');
    expect(outcome(() => PatientKeys.fromMaster(new Uint8Array(32), 'cn'))).toBe('KEY_INVALID');
    expect(outcome(() => PatientKeys.fromMaster(master, ''))).toBe('CONTEXT_INVALID');
    expect(outcome(() => scopeKey({ region: '' }))).toBe('CONTEXT_INVALID');
    expect(outcome(() => scopeKey({ scope: '' }))).toBe('CONTEXT_INVALID');
    expect(outcome(() => scopeKey({ scope: '\ud800' }))).toBe('CONTEXT_INVALID');
    for (const epoch of [-1, 0.5, Number.NaN, 2 ** 53]) {
      expect(outcome(() => scopeKey({ epoch }))).toBe('CONTEXT_INVALID');
    }
  });

  test('wiped keys derive nothing', () => {
    const patient = PatientKeys.fromMaster(master, 'cn');
    patient.wipe();
    expect(outcome(() => patient.signer())).toBe('KEY_INVALID');
    expect(outcome(() => patient.scopeKey(label))).toBe('KEY_INVALID');
  });
});

test('the suite has a name and a number', () => {
  expect([SUITE, SUITE_ID]).toEqual(['umbral-secp256k1-v1', 1]);
});
