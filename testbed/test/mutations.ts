import fc from 'fast-check';

/** Any code points, halves of pairs among them. */
export const strangeText = (minLength: number, maxLength: number): fc.Arbitrary<string> =>
  fc
    .array(fc.integer({ min: 0, max: 0x10ffff }), { minLength, maxLength })
    .map((points) => String.fromCodePoint(...points));

/** What takes the place of a value: none of these is ever what it replaces. */
const strangers: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(null, true, '', 0, -1, 1.5, 1e21, [], {}, '\u0000', '../..', '__proto__', '𝕏'.repeat(100)),
  fc.constantFrom<unknown>({ toString: null }, [[[]]], { constructor: { prototype: 1 } }, 'A'.repeat(70_000)),
  strangeText(0, 60),
  fc.jsonValue({ maxDepth: 2 }),
);

type Path = readonly (string | number)[];

/** Paths to every value within. */
function pathsOf(value: unknown, path: Path = []): Path[] {
  const inner = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  return [path, ...inner.flatMap(([name, member]) => pathsOf(member, [...path, name]))];
}

function changed(value: unknown, [name, ...rest]: Path, change: (old: unknown) => unknown): unknown {
  if (name === undefined) return change(value);
  const copy = Array.isArray(value) ? [...(value as unknown[])] : { ...(value as object) };
  const old: unknown = Reflect.get(copy, name);
  Object.defineProperty(copy, name, {
    value: changed(old, rest, change),
    configurable: true,
    enumerable: true,
    writable: true,
  });
  return copy;
}

function without(value: unknown, [name = '', ...rest]: Path): unknown {
  if (rest.length > 0) return changed(value, [name], (inner) => without(inner, rest));
  if (Array.isArray(value)) return value.filter((_, index) => String(index) !== String(name));
  return Object.fromEntries(Object.entries(value as object).filter(([member]) => member !== name));
}

/** The value with one thing in it replaced, removed or added, below `within`. */
export function valueMutation(value: unknown, within: Path = []): fc.Arbitrary<unknown> {
  const inside = pathsOf(value).filter((path) => within.every((name, index) => String(path[index]) === String(name)));
  const below = inside.filter((path) => path.length > within.length);
  const objects = inside.filter((path) => {
    const found = path.reduce<unknown>((found, name) => Reflect.get(found as object, name) as unknown, value);
    return typeof found === 'object' && found !== null && !Array.isArray(found);
  });
  if (below.length === 0 || objects.length === 0) return strangers;
  return fc.oneof(
    fc.tuple(fc.constantFrom(...below), strangers).map(([path, stranger]) => changed(value, path, () => stranger)),
    fc.constantFrom(...below).map((path) => without(value, path)),
    fc
      .tuple(fc.constantFrom(...objects), fc.constantFrom('__proto__', 'constructor', 'toJSON', 'extra'), strangers)
      .map(([path, name, stranger]) => changed(value, [...path, name], () => stranger)),
  );
}

/** Other spellings of the same JSON, or no JSON at all. */
export function textMutation(text: string): fc.Arbitrary<string> {
  const member = /"([a-zA-Z]+)":("[^"]*"|\d+)/.exec(text);
  const number = /:(\d+)([,}])/.exec(text);
  const at = (index: number, insert: string, drop = 0) => text.slice(0, index) + insert + text.slice(index + drop);
  const spellings = [
    ` ${text}`,
    `${text}\n`,
    `\uFEFF${text}`,
    `${text},`,
    `[${text}`,
    '',
    'null',
    '['.repeat(50_000),
    '{"a":'.repeat(20_000),
    text.repeat(3),
    text.slice(0, -1),
    text.replace('"', '"\\u0061').replace('\\u0061"', '"'),
    text.replace(/^\{/, '{"__proto__":{},'),
    ...(member === null ? [] : [at(member.index, `${member[0]},`), at(member.index, `"${member[1]}":null,`)]),
    ...(number === null
      ? []
      : [
          at(number.index, `:${number[1]}.0${number[2]}`, number[0].length),
          at(number.index, `:-0${number[2]}`, number[0].length),
        ]),
  ];
  return fc.constantFrom(...spellings.filter((spelling) => spelling !== text));
}
