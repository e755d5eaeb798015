/** Words in both languages of the report; the page shows one. */
export interface Text {
  readonly zh: string;
  readonly en: string;
}

/** HTML or SVG in which every value from outside is escaped: {@link html} and {@link svg} make it. */
export class Markup {
  readonly #source: string;

  private constructor(source: string) {
    this.#source = source;
  }

  static join(strings: TemplateStringsArray, parts: readonly Part[], wrapper: string): Markup {
    const written = parts.map((part, index) => write(part, wrapper) + (strings[index + 1] ?? ''));
    return new Markup((strings[0] ?? '') + written.join(''));
  }

  /** The project's own style or script, which its element does not unescape: it must not hold the element's end. */
  static trusted(source: string): Markup {
    if (/<\/(script|style)/i.test(source)) throw new RangeError('the source would end its own element');
    return new Markup(source);
  }

  toString(): string {
    return this.#source;
  }
}

export type Part = Markup | Text | string | number | undefined | readonly Part[];

/** HTML; a {@link Text} becomes two spans of which the page shows one, so it has no place in an attribute. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return Markup.join(strings, parts, 'span');
}

/** Inside `<svg>`; a {@link Text} becomes two `<tspan>`. */
export function svg(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return Markup.join(strings, parts, 'tspan');
}

function write(part: Part, wrapper: string): string {
  if (part === undefined) return '';
  if (part instanceof Markup) return part.toString();
  if (typeof part === 'string' || typeof part === 'number') return escaped(String(part));
  if ('zh' in part)
    return `<${wrapper} lang="zh-CN">${escaped(part.zh)}</${wrapper}><${wrapper} lang="en">${escaped(part.en)}</${wrapper}>`;
  return part.map((each) => write(each, wrapper)).join('');
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}
