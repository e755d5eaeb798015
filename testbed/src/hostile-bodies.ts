import fc from 'fast-check';

type Path = readonly (string | number)[];
type Change = (part: unknown) => unknown;

/** How many bodies each property tries; more with `YILIAN_FUZZ_RUNS`. */
export const RUNS = Number(process.env['YILIAN_FUZZ_RUNS'] ?? 25);

/** What is no body of any route. */
export const junk = (): fc.Arbitrary<string> =>
  fc.oneof(fc.json(), fc.string(), fc.constantFrom('', '{"__proto__":{}}', '{"constructor":{"prototype":{}}}', '[[[['));

/** The JSON value with one part, at any depth, replaced, left out, extended or spoilt. */
export function mutated(value: unknown): fc.Arbitrary<unknown> {
  const change: fc.Arbitrary<Change> = fc.oneof(
    fc.jsonValue().map((other) => () => other),
    fc.constant(() => undefined),
    fc.tuple(fc.string(), fc.jsonValue()).map(
      ([name, other]) =>
        (part: unknown) =>
          extended(part, name, other),
    ),
    fc.nat().map((at) => (part: unknown) => (typeof part === 'string' ? spoilt(part, at) : [part])),
  );
  return fc
    .tuple(fc.constantFrom(...pathsOf(value)), change)
    .map(([path, by]) => changed(value, path, by))
    .filter((other) => JSON.stringify(other) !== JSON.stringify(value));
}

function pathsOf(value: unknown): Path[] {
  const steps = Array.isArray(value) ? [...value.keys()] : Object.keys(isObject(value) ? value : {});
  return [[], ...steps.flatMap((step) => pathsOf((value as never)[step]).map((path) => [step, ...path]))];
}

function changed(value: unknown, [step, ...rest]: Path, change: Change): unknown {
  if (step === undefined) return change(value);
  const below = (part: unknown, at: string | number) => (at === step ? changed(part, rest, change) : part);
  if (Array.isArray(value)) return value.map(below);
  return Object.fromEntries(Object.entries(value as object).map(([name, part]) => [name, below(part, name)]));
}

function extended(part: unknown, name: string, value: unknown): unknown {
  if (Array.isArray(part)) return [...(part as unknown[]), value];
  return isObject(part) ? { ...part, [name]: value } : { [name]: part };
}

function spoilt(text: string, at: number): string {
  const place = text.length === 0 ? 0 : at % text.length;
  return text.slice(0, place) + (text[place] === 'A' ? 'B' : 'A') + text.slice(place + 1);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
