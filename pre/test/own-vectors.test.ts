import { describe, expect, test } from 'vitest';
import type { CfragBinding, ContextPart, PreErrorCode, Suite } from '../src/index.ts';
import {
  bindingMessage,
  Capsule,
  CapsuleFrag,
  commitment,
  context,
  headerCapsule,
  KeyFrag,
  openBody,
  openBodyRange,
  openHeader,
  openHeaderAsOwner,
  openSealed,
  PatientKeys,
  PreError,
  PublicKey,
  SECP256K1_SUITE,
  SecretKey,
  verifySignature,
} from '../src/index.ts';
import { EXPERIMENTAL_UMBRAL_SM2, openWrappedHeader, SM_SUITE } from '../src/sm/index.ts';
import { asyncOutcome, base64url, collect, outcome, readVectors } from './fixtures.ts';

interface Case {
  readonly name: string;
  /** The number of the suite that reads; 1 where none is named. */
  readonly suite?: number;
  readonly expect: 'success' | PreErrorCode;
}
type Part = { readonly text: string } | { readonly bytes: string } | { readonly integer: number };
type Label = { readonly region: string; readonly scope: string; readonly epoch: number };
type ContextCase = Case & { readonly parts: Part[]; readonly encoded?: string };
type CommitmentCase = Case & {
  readonly salt: string;
  readonly plaintextSha256?: string;
  readonly plaintextHash?: string;
  readonly commitment?: string;
};
type BindingCase = Case & {
  readonly binding: Omit<CfragBinding, 'recipientKeyHash' | 'items'> & {
    readonly recipientKeyHash: string;
    readonly items: { readonly capsuleHash: string; readonly cfragHash: string }[];
  };
  readonly message?: string;
};
type HierarchyCase = Case & {
  readonly master: string;
  readonly federation: string;
  readonly label?: Label;
  readonly secretKey?: string;
  readonly publicKey?: string;
  readonly verifyingKey?: string;
};
type HeaderCase = Case & {
  readonly header: string;
  readonly context: string;
  readonly key?: string;
  readonly salt?: string;
};
type OwnerCase = HeaderCase & { readonly scopeSecret: string };
type ReceiverCase = HeaderCase & {
  readonly receivingSecret: string;
  readonly delegatingKey: string;
  readonly verifyingKey: string;
  readonly cfrags: string[];
};
type SealedCase = Case & {
  readonly secretKey: string;
  readonly context: string;
  readonly sealed: string;
  readonly plaintext?: string;
};
type BodyCase = Case & { readonly contentKey: string; readonly sealed: string; readonly plainSize?: number };
type CapsuleCase = Case & { readonly capsule: string };
type KfragCase = Case & Record<'kfrag' | 'verifyingKey' | 'delegatingKey' | 'receivingKey', string>;
type SignatureCase = Case & Record<'publicKey' | 'message' | 'signature', string>;

const secretKey = (text: string, suite: Suite) => SecretKey.fromBytes(base64url(text), suite);
const publicKey = (text: string, suite: Suite) => PublicKey.fromBytes(base64url(text), suite);
const written = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');
const titled = <T extends Case>(cases: T[]) => cases.map((each) => [each.name, each.expect, each] as const);

const encodings = readVectors<{ contexts: ContextCase[]; commitments: CommitmentCase[]; bindings: BindingCase[] }>(
  'context',
);
const headers = readVectors<{ owner: OwnerCase[]; receiver: ReceiverCase[] }>('header');
const bodies = readVectors<{ cases: BodyCase[] }>('body').cases;
/** Suites 2 and 3, and objects of every suite in every other. */
const suites = readVectors<{
  hierarchy: HierarchyCase[];
  commitments: CommitmentCase[];
  sealed: SealedCase[];
  bodies: BodyCase[];
  wrapped: OwnerCase[];
  owner: OwnerCase[];
  receiver: ReceiverCase[];
  capsules: CapsuleCase[];
  kfrags: KfragCase[];
  signatures: SignatureCase[];
}>('suites');

function suiteOf({ suite: id = 1 }: Case): Suite {
  const suite = [SECP256K1_SUITE, SM_SUITE, EXPERIMENTAL_UMBRAL_SM2].find((known) => known.id === id);
  if (!suite) throw new Error(`no suite ${id}`);
  return suite;
}

describe('context vectors', () => {
  test.each(titled(encodings.contexts))('%s: %s', (_name, expected, { parts, encoded }) => {
    const values = parts.map((part): ContextPart => {
      if ('text' in part) return part.text;
      return 'bytes' in part ? base64url(part.bytes) : part.integer;
    });
    expect(outcome(() => expect(written(context(...values))).toBe(encoded))).toBe(expected);
  });

  test.each(titled([...encodings.commitments, ...suites.commitments]))(
    'commitment, %s: %s',
    (_name, expected, vector) => {
      const hash = base64url(vector.plaintextHash ?? vector.plaintextSha256 ?? '');
      const act = () => commitment(base64url(vector.salt), hash, suiteOf(vector));
      expect(outcome(() => expect(written(act())).toBe(vector.commitment))).toBe(expected);
    },
  );

  test.each(titled(encodings.bindings))('binding, %s: %s', (_name, expected, { binding, message }) => {
    const items = binding.items.map((item) => ({
      capsuleHash: base64url(item.capsuleHash),
      cfragHash: base64url(item.cfragHash),
    }));
    const read = { ...binding, recipientKeyHash: base64url(binding.recipientKeyHash), items };
    expect(outcome(() => expect(written(bindingMessage(read))).toBe(message))).toBe(expected);
  });
});

describe('key hierarchy vectors', () => {
  test.each(titled([...readVectors<HierarchyCase[]>('hierarchy'), ...suites.hierarchy]))(
    '%s: %s',
    (_name, expected, vector) => {
      const act = () => {
        const keys = PatientKeys.fromMaster(base64url(vector.master), vector.federation, suiteOf(vector));
        if (vector.label === undefined) {
          expect(written(keys.signer().verifyingKey().toBytes())).toBe(vector.verifyingKey);
          return;
        }
        const scope = keys.scopeKey(vector.label);
        expect(written(scope.toBytes())).toBe(vector.secretKey);
        expect(written(scope.publicKey().toBytes())).toBe(vector.publicKey);
      };
      expect(outcome(act)).toBe(expected);
    },
  );
});

describe('header vectors', () => {
  const expectSecret = (opened: { key: Uint8Array; salt: Uint8Array }, vector: HeaderCase) =>
    expect([written(opened.key), written(opened.salt)]).toEqual([vector.key, vector.salt]);

  test.each(titled([...headers.owner, ...suites.owner]))('owner, %s: %s', (_name, expected, vector) => {
    const [header, about] = [base64url(vector.header), base64url(vector.context)];
    const act = () =>
      expectSecret(openHeaderAsOwner(secretKey(vector.scopeSecret, suiteOf(vector)), header, about), vector);
    expect(outcome(act)).toBe(expected);
  });

  test.each(titled([...headers.receiver, ...suites.receiver]))('receiver, %s: %s', (_name, expected, vector) => {
    const act = () => {
      const suite = suiteOf(vector);
      const header = base64url(vector.header);
      const receivingKey = secretKey(vector.receivingSecret, suite);
      const delegatingKey = publicKey(vector.delegatingKey, suite);
      const verifyingKey = publicKey(vector.verifyingKey, suite);
      const keys = { verifyingKey, delegatingKey, receivingKey: receivingKey.publicKey() };
      const cfrags = vector.cfrags.map((cfrag) =>
        CapsuleFrag.fromBytes(base64url(cfrag), suite).verify(headerCapsule(header, suite), keys),
      );
      expectSecret(
        openHeader({ receivingKey, delegatingKey, header, context: base64url(vector.context), cfrags }),
        vector,
      );
    };
    expect(outcome(act)).toBe(expected);
  });
});

describe('wrapped header vectors', () => {
  test.each(titled(suites.wrapped))('%s: %s', (_name, expected, vector) => {
    const [header, about] = [base64url(vector.header), base64url(vector.context)];
    const act = () => {
      const { key, salt } = openWrappedHeader(secretKey(vector.scopeSecret, suiteOf(vector)), header, about);
      expect([written(key), written(salt)]).toEqual([vector.key, vector.salt]);
    };
    expect(outcome(act)).toBe(expected);
  });
});

describe('vectors of objects without a preamble', () => {
  test.each(titled(suites.capsules))('%s: %s', (_name, expected, vector) => {
    expect(outcome(() => Capsule.fromBytes(base64url(vector.capsule), suiteOf(vector)))).toBe(expected);
  });

  test.each(titled(suites.kfrags))('%s: %s', (_name, expected, vector) => {
    const suite = suiteOf(vector);
    const [verifyingKey, delegatingKey, receivingKey] = [
      publicKey(vector.verifyingKey, suite),
      publicKey(vector.delegatingKey, suite),
      publicKey(vector.receivingKey, suite),
    ];
    const keys = { verifyingKey, delegatingKey, receivingKey };
    expect(outcome(() => KeyFrag.fromBytes(base64url(vector.kfrag), suite).verify(keys))).toBe(expected);
  });

  test.each(titled(suites.signatures))('%s: %s', (_name, expected, vector) => {
    const key = publicKey(vector.publicKey, suiteOf(vector));
    const act = () => {
      if (!verifySignature(key, base64url(vector.message), base64url(vector.signature)))
        throw new PreError('SIGNATURE_INVALID', 'does not verify');
    };
    expect(outcome(act)).toBe(expected);
  });
});

describe('sealed message vectors', () => {
  test.each(titled([...readVectors<SealedCase[]>('sealed'), ...suites.sealed]))('%s: %s', (_name, expected, vector) => {
    const [sealed, about] = [base64url(vector.sealed), base64url(vector.context)];
    const act = () =>
      expect(written(openSealed(secretKey(vector.secretKey, suiteOf(vector)), sealed, about))).toBe(vector.plaintext);
    expect(outcome(act)).toBe(expected);
  });
});

describe('body vectors', () => {
  test.each(titled([...bodies, ...suites.bodies]))('%s: %s', async (_name, expected, vector) => {
    const [contentKey, sealed] = [base64url(vector.contentKey), base64url(vector.sealed)];
    const suite = suiteOf(vector);
    const plaintext = Uint8Array.from({ length: vector.plainSize ?? 0 }, (_, at) => at % 251);
    const act = async () => expect(await collect(openBody(contentKey, [sealed], { suite }))).toEqual(plaintext);
    expect(await asyncOutcome(act)).toBe(expected);
    if (vector.plainSize === undefined) return;
    const read = async (offset: number, length: number) => sealed.subarray(offset, offset + length);
    const range = { start: Math.floor(vector.plainSize / 3), end: vector.plainSize };
    const part = await collect(openBodyRange(contentKey, read, sealed.length, range, { suite }));
    expect(part).toEqual(plaintext.subarray(range.start));
  });
});
