import { canonicalJson } from '@yilian/protocol';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Attack } from './attack.ts';
import { strangeText, textMutation, valueMutation } from './mutations.ts';
import { type Call, FUNCTIONS, functionsIn, mayBeEmpty, texts } from './valid-calls.ts';

let attack: Attack;
beforeAll(async () => {
  attack = await Attack.open();
}, 60_000);
afterAll(() => attack[Symbol.asyncDispose]());

const ROLES = ['admin', 'hospital', 'relay', 'proxy', 'practitioner'];
const CODE = /^[A-Z][A-Z0-9_]+$/;
const CODE_OR_ACCEPTED = /^(accepted|[A-Z][A-Z0-9_]+)$/;
const callOf = (name: string): Call =>
  attack.calls.find((call) => call.name === name) ?? expect.fail(`no call of ${name}`);

/** Where a signature covers every byte: the document of a signed one, alone or first of a list. */
function signedPart(value: unknown): readonly string[] | undefined {
  if (Array.isArray(value)) {
    const inner = signedPart(value[0]);
    return inner === undefined ? undefined : ['0', ...inner];
  }
  const isSigned = typeof value === 'object' && value !== null && 'document' in value && 'signatures' in value;
  return isSigned ? ['document'] : undefined;
}

interface Mutated {
  readonly call: Call;
  readonly place: number;
  readonly args: readonly string[];
}

/** One call with one of its JSON arguments changed by `mutate`. */
function mutated(mutate: (value: unknown) => fc.Arbitrary<string>, suits: (value: unknown) => boolean) {
  const places = attack.calls.flatMap((call) =>
    call.args.flatMap((value, place) => (typeof value === 'object' && suits(value) ? [{ call, place }] : [])),
  );
  return fc
    .constantFrom(...places)
    .chain(({ call, place }) =>
      mutate(call.args[place]).map((text): Mutated => ({ call, place, args: texts(call.args).with(place, text) })),
    );
}

/** Something else in every place of a call that takes an identifier. */
function misnamed(call: Call, id: string | Uint8Array): (string | Uint8Array)[] {
  return texts(call.args).map((text, place) => (typeof call.args[place] === 'string' && text !== '' ? id : text));
}

describe('the contracts', () => {
  test('accept every call as it stands, and there is one of every function', async () => {
    expect(functionsIn(attack.calls)).toEqual(FUNCTIONS);
    const verdicts: string[] = [];
    for (const call of attack.calls) verdicts.push(`${call.name} ${await attack.attempt(call)}`);
    expect(verdicts).toEqual(attack.calls.map(({ name }) => `${name} accepted`));
  });

  test('take each writing call from the one role it is for, save what a patient signed', async () => {
    const anybody = new Set(['Grants:grant', 'Grants:revoke', 'Requests:decline']);
    const verdicts: string[] = [];
    const expected: string[] = [];
    for (const call of attack.calls) {
      for (const role of ROLES.filter((other) => other !== call.role)) {
        const may = call.reads || anybody.has(call.name) || (role === 'admin' && call.name === 'Federation:mirror');
        verdicts.push(`${call.name} ${role}: ${await attack.attempt({ ...call, role })}`);
        expected.push(`${call.name} ${role}: ${may ? 'accepted' : 'ROLE_REQUIRED'}`);
      }
    }
    expect(verdicts).toEqual(expected);
  });

  test('refuse any change within what is signed, with a code', async () => {
    const change = mutated(
      (value) => valueMutation(value, signedPart(value)).map((other) => JSON.stringify(other)),
      (value) => signedPart(value) !== undefined,
    );
    await fc.assert(
      fc.asyncProperty(change, async ({ call, place, args }) => {
        fc.pre(args[place] !== texts(call.args)[place]);
        expect(await attack.attempt(call, args)).toMatch(CODE);
      }),
      { numRuns: 600 },
    );
  }, 60_000);

  test('refuse every other spelling of an argument', async () => {
    const change = mutated(
      (value) => textMutation(canonicalJson(value)),
      () => true,
    );
    await fc.assert(
      fc.asyncProperty(change, async ({ call, place, args }) => {
        const code = await attack.attempt(call, args);
        if (args[place] === '' && mayBeEmpty(call, place)) expect(code).toMatch(CODE_OR_ACCEPTED);
        else expect(code).toMatch(/^(ARGUMENT_MALFORMED|ARGUMENT_TOO_LARGE|DOCUMENT_MALFORMED)$/);
      }),
      { numRuns: 400 },
    );
  }, 60_000);

  test('answer any change anywhere with a code, and stay up', async () => {
    const change = mutated(
      (value) => valueMutation(value).map((other) => tryCanonical(other)),
      () => true,
    );
    await fc.assert(
      fc.asyncProperty(change, async ({ call, args }) => {
        expect(await attack.attempt(call, args)).toMatch(CODE_OR_ACCEPTED);
      }),
      { numRuns: 600 },
    );
    for (const call of attack.calls) expect(await attack.attempt(call)).toBe('accepted');
  }, 60_000);

  test('refuse identifiers that are none, and bytes that are no text', async () => {
    const named = attack.calls.filter(({ args }) => args.some((value) => typeof value === 'string' && value !== ''));
    const refused = async (call: Call, id: string | Uint8Array) => {
      const code = await attack.attempt(call, misnamed(call, id));
      expect(code).toMatch(/^(ARGUMENT|DOCUMENT)_(MALFORMED|TOO_LARGE)$/);
    };
    for (const call of named) {
      for (const id of ['\u0000', 'a\u0000b', '\u{10FFFF}', '../x', 'A'.repeat(100_000), '__proto__'])
        await refused(call, id);
      if (!mayBeEmpty(call, 0)) await refused(call, '');
    }
    const strange = fc.oneof(strangeText(1, 50), fc.uint8Array({ minLength: 1, maxLength: 43 }));
    await fc.assert(fc.asyncProperty(fc.constantFrom(...named), strange, refused), { numRuns: 100 });
  }, 60_000);

  test.each([
    ['Requests:decide', 5],
    ['Requests:ask', 11],
  ])(
    'refuse a signed request with any one byte of it altered: %s, every %ith byte',
    async (name, step) => {
      const call = callOf(name);
      const [text = '', ...others] = texts(call.args);
      const bytes = new TextEncoder().encode(text);
      const verdicts = new Set<string>();
      for (let place = 0; place < bytes.length; place += step) {
        const altered = bytes.with(place, (bytes[place] ?? 0) ^ (1 << (place % 8)));
        const code = await attack.attempt(call, [altered, ...others]);
        if (!CODE.test(code)) expect.fail(`byte ${place} altered: ${code}`);
        verdicts.add(code);
      }
      expect([...verdicts]).toEqual(expect.arrayContaining(['SIGNATURE_INVALID', 'CERTIFICATE_MISMATCH']));
    },
    60_000,
  );

  test('are called by one name each', async () => {
    const call = callOf('Federation:mirror');
    for (const name of ['mirror', 'Federation:mirror\n', 'Federation:mirror\nx', ':mirror', 'Federation::mirror'])
      expect(await attack.attempt({ ...call, name })).toBe('FUNCTION_UNKNOWN');
    for (const name of [
      'Federation:toString',
      'Federation:constructor',
      'Federation:beforeTransaction',
      'Federation:x',
    ])
      expect(await attack.attempt({ ...call, name })).toBe('FUNCTION_UNKNOWN');
  });
});

function tryCanonical(value: unknown): string {
  try {
    return canonicalJson(value);
  } catch {
    return JSON.stringify(value);
  }
}
