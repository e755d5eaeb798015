import { concat, integer, utf8 } from './bytes.ts';
import { PreError } from './pre-error.ts';

/** One part of a context: text (UTF-8), bytes, or a non-negative safe integer. */
export type ContextPart = string | Uint8Array | number;

const BYTES = 1;
const TEXT = 2;
const INTEGER = 3;

/**
 * Encodes a list of parts so that two different lists never give the same bytes: every part is a kind byte, its
 * length (u32, big-endian) and its content (SPEC.md §3).
 * @throws CONTEXT_INVALID on a lone surrogate, a negative, fractional or unsafe number, or another kind of value.
 */
export function context(...parts: readonly ContextPart[]): Uint8Array {
  return concat(...parts.flatMap(encodePart));
}

/** A domain tag, a zero byte and the encoded parts. */
export function tagged(tag: string, ...parts: readonly ContextPart[]): Uint8Array {
  return concat(utf8(tag), Uint8Array.of(0), context(...parts));
}

function encodePart(part: ContextPart): Uint8Array[] {
  const [kind, content] = contentOf(part);
  return [Uint8Array.of(kind), integer(content.length, 4), content];
}

function contentOf(part: ContextPart): [number, Uint8Array] {
  if (part instanceof Uint8Array) return [BYTES, part];
  if (typeof part === 'string' && part.isWellFormed()) return [TEXT, utf8(part)];
  if (typeof part === 'number' && Number.isSafeInteger(part) && part >= 0) return [INTEGER, integer(part, 8)];
  throw new PreError('CONTEXT_INVALID', 'a context part is well-formed text, bytes or a non-negative safe integer');
}
