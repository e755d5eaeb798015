import { hash } from 'node:crypto';
import { code as DAG_PB } from '@ipld/dag-pb';
import { CID } from 'multiformats/cid';
import { code as RAW } from 'multiformats/codecs/raw';
import { VaultError } from './vault-error.ts';

/** A content identifier in canonical text. Only {@link parseCid} makes one. */
export type Cid = string & { readonly __brand: 'Cid' };

/** No block of ours is larger than 1 MiB; 2 MiB is what IPFS nodes exchange at most. */
export const MAX_BLOCK_BYTES = 2 * 1024 * 1024;

const SHA2_256 = 0x12;
const CANONICAL = /^baf[ky][a-z2-7]{55}$/;

/**
 * Reads a CIDv1 of a raw or dag-pb block, hashed with SHA-256, in canonical lower-case base32.
 *
 * @throws CID_INVALID
 */
export function parseCid(text: string): Cid {
  const cid = typeof text === 'string' && CANONICAL.test(text) ? decode(text) : undefined;
  if (cid === undefined || !isOurs(cid) || cid.toString() !== text)
    throw new VaultError('CID_INVALID', 'not a CID this vault can hold');
  return text as Cid;
}

function decode(text: string): CID | undefined {
  try {
    return CID.parse(text);
  } catch {
    return undefined;
  }
}

function isOurs(cid: CID): boolean {
  return (
    cid.version === 1 &&
    (cid.code === RAW || cid.code === DAG_PB) &&
    cid.multihash.code === SHA2_256 &&
    cid.multihash.digest.length === 32
  );
}

/** Takes over a CID found in a DAG node or made by a library; `null` when it is not of the kind {@link parseCid} accepts. */
export function fromCid(cid: { readonly bytes: Uint8Array }): Cid | null {
  const decoded = CID.decode(cid.bytes);
  return isOurs(decoded) ? (decoded.toString() as Cid) : null;
}

/** Whether the block is file content (raw) and not a node of links (dag-pb). */
export function isLeaf(cid: Cid): boolean {
  return CID.parse(cid).code === RAW;
}

/** The SHA-256 in the CID, 32 bytes. */
export function digestOf(cid: Cid): Uint8Array {
  return CID.parse(cid).multihash.digest;
}

/** Whether the bytes are the block the CID names. */
export function isBlock(cid: Cid, bytes: Uint8Array): boolean {
  return hash('sha256', bytes, 'buffer').equals(digestOf(cid));
}
