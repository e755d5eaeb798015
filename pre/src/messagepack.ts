import { ByteReader, concat } from './bytes.ts';
import type { PreErrorCode } from './pre-error.ts';

/** A step of a fixed MessagePack layout: literal bytes, then raw content. */
interface Step {
  readonly head: readonly number[];
  readonly length: number;
}

export type Layout = readonly Step[];

export const array = (items: number): Step => ({ head: [0x90 | items], length: 0 });
export const bin = (length: number): Step => ({ head: [0xc4, length], length });
export const BOOLEAN: Step = { head: [], length: 1 };

/** Inserts the layout's heads between the fields of `content`. */
export function pack(layout: Layout, content: Uint8Array): Uint8Array {
  const fields = new ByteReader(content, 'ARGUMENT_INVALID');
  const packed = concat(...layout.flatMap((step) => [Uint8Array.from(step.head), fields.take(step.length)]));
  fields.end();
  return packed;
}

/** The fields without heads. Accepts the one canonical form only. @throws `code` */
export function unpack(layout: Layout, packed: Uint8Array, code: PreErrorCode): Uint8Array {
  const reader = new ByteReader(packed, code);
  const fields = layout.map((step) => {
    reader.literal(...step.head);
    return reader.take(step.length);
  });
  reader.end();
  return concat(...fields);
}
