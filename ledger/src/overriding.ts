/** An object of a library with some members of ours in the place of its own. */
export function overriding<T extends object>(target: T, members: Readonly<Partial<Record<keyof T, unknown>>>): T {
  const ours = new Map<PropertyKey, unknown>(Object.entries(members));
  return new Proxy(target, {
    get(_, key) {
      if (ours.has(key)) return ours.get(key);
      const member: unknown = Reflect.get(target, key);
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
}
