import { describe, expect, test } from 'vitest';
import type { CfragBinding, ContextPart, PreErrorCode } from '../src/index.ts';
import {
  bindingMessage,
  CapsuleFrag,
  commitment,
  context,
  headerCapsule,
  openBody,
  openBodyRange,
  openHeader,
  openHeaderAsOwner,
  openSealed,
  PatientKeys,
  PublicKey,
  SecretKey,
} from '../src/index.ts';
import { asyncOutcome, base64url, collect, outcome, readVectors } from './fixtures.ts';

interface Case {
  readonly name: string;
  readonly expect: 'success' | PreErrorCode;
}
type Part = { readonly text: string } | { readonly bytes: string } | { readonly integer: number };
type Label = { readonly region: string; readonly scope: string; readonly epoch: number };
type ContextCase = Case & { readonly parts: Part[]; readonly encoded?: string };
type CommitmentCase = Case & { readonly salt: string; readonly plaintextSha256: string; readonly commitment?: string };
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

const secretKey = (text: string) => SecretKey.fromBytes(base64url(text));
const written = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');
const titled = <T extends Case>(cases: T[]) => cases.map((each) => [each.name, each.expect, each] as const);

const encodings = readVectors<{ contexts: ContextCase[]; commitments: CommitmentCase[]; bindings: BindingCase[] }>(
  'context',
);
const headers = readVectors<{ owner: OwnerCase[]; receiver: ReceiverCase[] }>('header');
const bodies = readVectors<{ cases: BodyCase[] }>('body').cases;

describe('context vectors', () => {
  test.each(titled(encodings.contexts))('%s: %s', (_name, expected, { parts, encoded }) => {
    const values = parts.map((part): ContextPart => {
      if ('text' in part) return part.text;
      return 'bytes' in part ? base64url(part.bytes) : part.integer;
    });
    expect(outcome(() => expect(written(context(...values))).toBe(encoded))).toBe(expected);
  });

  test.each(titled(encodings.commitments))('commitment, %s: %s', (_name, expected, vector) => {
    const act = () => commitment(base64url(vector.salt), base64url(vector.plaintextSha256));
    expect(outcome(() => expect(written(act())).toBe(vector.commitment))).toBe(expected);
  });

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
  test.each(titled(readVectors<HierarchyCase[]>('hierarchy')))('%s: %s', (_name, expected, vector) => {
    const act = () => {
      const keys = PatientKeys.fromMaster(base64url(vector.master), vector.federation);
      if (vector.label === undefined) {
        expect(written(keys.signer().verifyingKey().toBytes())).toBe(vector.verifyingKey);
        return;
      }
      const scope = keys.scopeKey(vector.label);
      expect(written(scope.toBytes())).toBe(vector.secretKey);
      expect(written(scope.publicKey().toBytes())).toBe(vector.publicKey);
    };
    expect(outcome(act)).toBe(expected);
  });
});

describe('header vectors', () => {
  const expectSecret = (opened: { key: Uint8Array; salt: Uint8Array }, vector: HeaderCase) =>
    expect([written(opened.key), written(opened.salt)]).toEqual([vector.key, vector.salt]);

  test.each(titled(headers.owner))('owner, %s: %s', (_name, expected, vector) => {
    const [header, about] = [base64url(vector.header), base64url(vector.context)];
    const act = () => expectSecret(openHeaderAsOwner(secretKey(vector.scopeSecret), header, about), vector);
    expect(outcome(act)).toBe(expected);
  });

  test.each(titled(headers.receiver))('receiver, %s: %s', (_name, expected, vector) => {
    const act = () => {
      const header = base64url(vector.header);
      const receivingKey = secretKey(vector.receivingSecret);
      const delegatingKey = PublicKey.fromBytes(base64url(vector.delegatingKey));
      const verifyingKey = PublicKey.fromBytes(base64url(vector.verifyingKey));
      const keys = { verifyingKey, delegatingKey, receivingKey: receivingKey.publicKey() };
      const cfrags = vector.cfrags.map((cfrag) =>
        CapsuleFrag.fromBytes(base64url(cfrag)).verify(headerCapsule(header), keys),
      );
      expectSecret(
        openHeader({ receivingKey, delegatingKey, header, context: base64url(vector.context), cfrags }),
        vector,
      );
    };
    expect(outcome(act)).toBe(expected);
  });
});

describe('sealed message vectors', () => {
  test.each(titled(readVectors<SealedCase[]>('sealed')))('%s: %s', (_name, expected, vector) => {
    const [sealed, about] = [base64url(vector.sealed), base64url(vector.context)];
    const act = () => expect(written(openSealed(secretKey(vector.secretKey), sealed, about))).toBe(vector.plaintext);
    expect(outcome(act)).toBe(expected);
  });
});

describe('body vectors', () => {
  test.each(titled(bodies))('%s: %s', async (_name, expected, vector) => {
    const [contentKey, sealed] = [base64url(vector.contentKey), base64url(vector.sealed)];
    const plaintext = Uint8Array.from({ length: vector.plainSize ?? 0 }, (_, at) => at % 251);
    const act = async () => expect(await collect(openBody(contentKey, [sealed]))).toEqual(plaintext);
    expect(await asyncOutcome(act)).toBe(expected);
    if (vector.plainSize === undefined) return;
    const read = async (offset: number, length: number) => sealed.subarray(offset, offset + length);
    const range = { start: Math.floor(vector.plainSize / 3), end: vector.plainSize };
    const part = await collect(openBodyRange(contentKey, read, sealed.length, range));
    expect(part).toEqual(plaintext.subarray(range.start));
  });
});
