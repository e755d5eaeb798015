import { exactly } from './bytes.ts';
import { tagged } from './context.ts';
import { PreError } from './pre-error.ts';
import { YILIAN } from './tags.ts';

const HASH_BYTES = 32;

/** Most capsules one release covers. */
export const MAX_BINDING_ITEMS = 200;

/** What a proxy signs so that its fragments count for one request, one committed transaction and one recipient only. */
export interface CfragBinding {
  readonly federation: string;
  readonly requestId: string;
  readonly transactionId: string;
  /** Hash of the recipient's key, 32 bytes: the hash of the suite of all that is released. */
  readonly recipientKeyHash: Uint8Array;
  /** Hash of each 98-byte capsule and of the 359-byte fragment made of it. */
  readonly items: readonly { readonly capsuleHash: Uint8Array; readonly cfragHash: Uint8Array }[];
}

/** The bytes to sign. @throws BINDING_INVALID on an empty id, a hash that is not 32 bytes, or not 1 to 200 items */
export function bindingMessage(binding: CfragBinding): Uint8Array {
  const { federation, requestId, transactionId, recipientKeyHash, items } = binding;
  const ids = [federation, requestId, transactionId];
  if (ids.some((id) => typeof id !== 'string' || id === '')) throw new PreError('BINDING_INVALID', 'an id is empty');
  if (items.length < 1 || items.length > MAX_BINDING_ITEMS) {
    throw new PreError('BINDING_INVALID', `a binding covers 1 to ${MAX_BINDING_ITEMS} items`);
  }
  const hash = (bytes: Uint8Array) => exactly(bytes, HASH_BYTES, 'BINDING_INVALID', 'a hash');
  const hashes = items.flatMap(({ capsuleHash, cfragHash }) => [hash(capsuleHash), hash(cfragHash)]);
  return tagged(YILIAN.binding, ...ids, hash(recipientKeyHash), items.length, ...hashes);
}
