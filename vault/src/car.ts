import { CID } from 'multiformats/cid';
import type { Cid } from './cid.ts';
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
