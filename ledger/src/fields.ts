import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { decodeUtf8 } from './encoding.ts';
import { VerifyError } from './errors.ts';

/** Field numbers a message may carry, and how each is written: `*` says repeated. */
export type Shape = Readonly<Record<number, 'bytes' | 'bytes*' | 'varint'>>;

/** The fields of one protobuf message, read strictly: only known fields, none twice unless repeated. */
export class Fields {
  readonly #name: string;
  readonly #values = new Map<number, (Uint8Array | bigint)[]>();

  /** @throws VerifyError PROOF_MALFORMED */
  constructor(name: string, bytes: Uint8Array, shape: Shape) {
    this.#name = name;
    try {
      const reader = new BinaryReader(bytes);
      while (reader.pos < reader.len) this.#read(reader, shape);
    } catch (cause) {
      throw new VerifyError('PROOF_MALFORMED', `${name} is not well formed`, { cause });
    }
  }

  /** Empty when absent, as proto3 has it. */
  bytes(field: number): Uint8Array {
    const value = this.#values.get(field)?.[0];
    return value instanceof Uint8Array ? value : new Uint8Array();
  }

  required(field: number): Uint8Array {
    const bytes = this.bytes(field);
    if (bytes.length === 0) throw new VerifyError('PROOF_MALFORMED', `${this.#name} lacks field ${field}`);
    return bytes;
  }

  repeated(field: number): readonly Uint8Array[] {
    return (this.#values.get(field) ?? []).filter((value) => value instanceof Uint8Array);
  }

  text(field: number): string {
    try {
      return decodeUtf8(this.bytes(field));
    } catch (cause) {
      throw new VerifyError('PROOF_MALFORMED', `${this.#name} field ${field} is not UTF-8`, { cause });
    }
  }

  /** A number that JavaScript holds exactly; 0 when absent. */
  integer(field: number): number {
    const value = Number(this.#values.get(field)?.[0] ?? 0n);
    if (!Number.isSafeInteger(value))
      throw new VerifyError('PROOF_MALFORMED', `${this.#name} field ${field} is too big`);
    return value;
  }

  #read(reader: BinaryReader, shape: Shape): void {
    const [field, wire] = reader.tag();
    const kind = shape[field];
    if (kind === undefined || wire !== (kind === 'varint' ? WireType.Varint : WireType.LengthDelimited)) {
      throw new Error(`unexpected field ${field}`);
    }
    const values = this.#values.get(field) ?? [];
    if (values.length > 0 && kind !== 'bytes*') throw new Error(`repeated field ${field}`);
    values.push(kind === 'varint' ? BigInt(reader.uint64()) : reader.bytes());
    this.#values.set(field, values);
  }
}
