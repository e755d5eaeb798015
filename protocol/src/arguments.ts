import canonicalize from 'canonicalize';
import { ProtocolError } from './errors.ts';

/**
 * The one spelling of a JSON value (RFC 8785).
 * @throws ARGUMENT_MALFORMED for what has none: a lone surrogate, a number that is not finite
 */
export function canonicalJson(value: unknown): string {
  let json: string | undefined;
  try {
    json = canonicalize(value);
  } catch (cause) {
    throw new ProtocolError('ARGUMENT_MALFORMED', 'the value has no canonical JSON', { cause });
  }
  if (json === undefined) throw new ProtocolError('ARGUMENT_MALFORMED', 'the value has no JSON form');
  return json;
}

/**
 * Reads JSON that must be in its one spelling: no repeated member, no second way to write a number or a text, and so
 * no two readers who understand the same bytes differently.
 * @param maxLength UTF-16 units
 * @throws ARGUMENT_TOO_LARGE ARGUMENT_MALFORMED
 */
export function parseCanonical(text: string, maxLength: number): unknown {
  if (text.length > maxLength) throw new ProtocolError('ARGUMENT_TOO_LARGE', `more than ${maxLength} characters`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ProtocolError('ARGUMENT_MALFORMED', 'not JSON', { cause });
  }
  if (canonicalJson(value) !== text) throw new ProtocolError('ARGUMENT_MALFORMED', 'not canonical JSON');
  return value;
}
