import { CID } from 'multiformats/cid';
import { type Cid, fromCid, isBlock, isLeaf, MAX_BLOCK_BYTES } from './cid.ts';
import { type DagBlock, walkDag } from './dag.ts';
import type { LocalBlocks } from './vault.ts';
import { VaultError } from './vault-error.ts';

/** Which blocks of a DAG: the root alone (`block`), or those with content from `from` to `to` inclusive (`null`: the end). */
export interface CarQuery {
  scope: 'block' | 'entity' | 'all';
  /** Negative counts back from the end. */
  from: number;
  /** Negative counts back from the end. */
  to: number | null;
}

/** DAG-CBOR of `{ roots: [<36 bytes of CID>], version: 1 }` around the CID, with the length in front. */
const HEADER_START = Buffer.concat([
  Buffer.of(58, 0xa2, 0x65),
  Buffer.from('roots'),
  Buffer.of(0x81, 0xd8, 0x2a, 0x58, 0x25, 0x00),
]);
const HEADER_END = Buffer.concat([Buffer.of(0x67), Buffer.from('version'), Buffer.of(1)]);

/**
 * The blocks as a CAR of version 1 (https://ipld.io/specs/transport/car/carv1/), depth first, with repetitions.
 *
 * @throws BLOCK_MISSING BLOCK_CORRUPT when one is not here in order; what was handed out before is then not a whole CAR
 */
export async function* carOf(
  blocks: LocalBlocks,
  root: Cid,
  query: CarQuery,
): AsyncGenerator<Uint8Array, void, undefined> {
  const read = async (cid: Cid, signal: AbortSignal) => {
    const found = await blocks.read(cid, { signal });
    if (found instanceof Uint8Array) return found;
    throw new VaultError(found === 'missing' ? 'BLOCK_MISSING' : 'BLOCK_CORRUPT', 'not here', { cid });
  };
  yield Buffer.concat([HEADER_START, CID.parse(root).bytes, HEADER_END]);
  for await (const rootBlock of walkDag(root, { read, to: 0 })) {
    const range = query.scope === 'block' ? { to: 0 } : within(query, rootBlock.sizeBytes);
    for await (const block of walkDag(root, { read, ...range })) yield section(block);
  }
}

function within({ from, to }: CarQuery, sizeBytes: number): { from: number; to: number } {
  const fromEnd = (at: number) => (at < 0 ? Math.max(sizeBytes + at, 0) : at);
  return { from: fromEnd(from), to: to === null ? sizeBytes : fromEnd(to) + 1 };
}

function section({ cid, bytes }: DagBlock): Uint8Array {
  const block = bytes ?? new Uint8Array();
  const { bytes: name } = CID.parse(cid);
  return Buffer.concat([varint(name.length + block.length), name, block]);
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) bytes.push((rest & 0x7f) | 0x80);
  return Uint8Array.from([...bytes, rest]);
}

/** Length in front, CIDv1 with SHA-256, block. */
const CID_BYTES = 36;
const MAX_SECTION_BYTES = CID_BYTES + MAX_BLOCK_BYTES;

/**
 * What a file's CAR as {@link carOf} makes it says, believing nothing: every block is hashed. Whoever puts the content
 * has to compare the CID it then has.
 *
 * @throws DAG_INVALID when it is not such a CAR of `root`, or not a whole one; BLOCK_CORRUPT
 */
export async function* contentOfCar(
  source: AsyncIterable<Uint8Array>,
  root: Cid,
): AsyncGenerator<Uint8Array, void, undefined> {
  const bytes = new Sections(source);
  const header = await bytes.next();
  const expected = Buffer.concat([HEADER_START, CID.parse(root).bytes, HEADER_END]).subarray(1);
  if (header?.equals(expected) !== true) throw unfit(root);
  for (let section = await bytes.next(); section !== undefined; section = await bytes.next()) {
    const cid = section.length < CID_BYTES ? null : fromCid({ bytes: section.subarray(0, CID_BYTES) });
    if (cid === null) throw unfit(root);
    const block = section.subarray(CID_BYTES);
    if (!isBlock(cid, block)) throw new VaultError('BLOCK_CORRUPT', 'not the block of its name', { cid });
    if (isLeaf(cid)) yield block;
  }
  if (bytes.rest > 0) throw unfit(root);
}

function unfit(cid: Cid): VaultError {
  return new VaultError('DAG_INVALID', 'not a whole CAR of this root', { cid });
}

/** Pieces with their length in front. */
class Sections {
  readonly #source: AsyncIterator<Uint8Array>;
  #bytes = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Bytes at the end that make no section. */
  get rest(): number {
    return this.#bytes.length;
  }

  /** Undefined at the end, and when what is left is none. */
  async next(): Promise<Buffer | undefined> {
    for (let wanted = 1; await this.#has(wanted); wanted += 1) {
      const last = this.#bytes[wanted - 1] ?? 0;
      if (last > 0x7f) continue;
      let length = 0;
      for (let at = wanted - 1; at >= 0; at -= 1) length = length * 0x80 + ((this.#bytes[at] ?? 0) & 0x7f);
      if (length > MAX_SECTION_BYTES || !(await this.#has(wanted + length))) return undefined;
      const section = this.#bytes.subarray(wanted, wanted + length);
      this.#bytes = this.#bytes.subarray(wanted + length);
      return section;
    }
    return undefined;
  }

  async #has(length: number): Promise<boolean> {
    const pieces: Uint8Array[] = [this.#bytes];
    let there = this.#bytes.length;
    while (there < length) {
      const piece = await this.#source.next();
      if (piece.done === true) break;
      pieces.push(piece.value);
      there += piece.value.length;
    }
    if (pieces.length > 1) this.#bytes = Buffer.concat(pieces);
    return there >= length;
  }
}
