import { binaryString } from './bytes.ts';
import type { Capsule } from './capsule.ts';
import type { CapsuleFragKeys, VerifiedCapsuleFrag } from './cfrag.ts';
import { CapsuleFrag, cfragParts, reencryptTogether } from './cfrag.ts';
import type { VerifiedKeyFrag } from './kfrag.ts';
import { decapsulateReencrypted } from './opening.ts';
import { PreError } from './pre-error.ts';
import { ReceiverCache } from './receiver-cache.ts';
import type { Rng } from './rng.ts';
import { systemRng } from './rng.ts';
import type { SecretKey } from './secret-key.ts';
import { scalarOf } from './secret-key.ts';

/** Capsules multiplied together. Five products each: more than 32 products take a further inversion anyway. */
const TOGETHER = 6;

/** A capsule and what proxies made of it. */
export interface CapsuleWithCfrags {
  readonly capsule: Capsule;
  /** 359 bytes each, as they came. */
  readonly cfrags: readonly Uint8Array[];
}

/** What a receiver opens many capsules of one patient's scope with. */
export interface ReencryptedBatch extends Omit<CapsuleFragKeys, 'receivingKey'> {
  readonly receivingKey: SecretKey;
  readonly items: readonly CapsuleWithCfrags[];
  /** Keeps what is the same for every capsule of a delegation beyond this call. */
  readonly cache?: ReceiverCache;
}

export interface Decapsulated {
  /** The 32-byte key inside the capsule, or why it stays there. */
  readonly key: Uint8Array | PreError;
  /** Why fragments were refused, by their index in `cfrags`. */
  readonly faults: ReadonlyMap<number, PreError>;
}

/** A fragment that holds, and its index in the item's `cfrags`. */
interface Placed {
  readonly at: number;
  readonly cfrag: VerifiedCapsuleFrag;
}

/**
 * Proxy side: `reencrypt` of every capsule, in their order.
 * @throws KFRAG_INVALID when the fragment was wiped
 */
export function reencryptAll(
  capsules: readonly Capsule[],
  kfrag: VerifiedKeyFrag,
  rng: Rng = systemRng,
): VerifiedCapsuleFrag[] {
  const cfrags: VerifiedCapsuleFrag[] = [];
  for (let at = 0; at < capsules.length; at += TOGETHER)
    cfrags.push(...reencryptTogether(capsules.slice(at, at + TOGETHER), kfrag, rng));
  return cfrags;
}

/**
 * Receiver side: parses and verifies all fragments at once and opens every capsule for which enough of them hold. Neither
 * a bad fragment nor a capsule that stays shut spoils anything else.
 * @returns for each item its key or the error with which `decapsulateReencrypted` refuses the fragments that hold, and
 *   beside it CFRAG_INVALID or SIGNATURE_INVALID for each that does not
 * @throws KEY_INVALID when the receiving key was wiped
 */
export function decapsulateAll({
  receivingKey,
  delegatingKey,
  verifyingKey,
  items,
  cache,
}: ReencryptedBatch): Decapsulated[] {
  scalarOf(receivingKey);
  using own = new ReceiverCache();
  const kept = cache ?? own;
  const opened = items.map(() => ({ held: [] as Placed[], faults: new Map<number, PreError>() }));
  const parsed = items.flatMap(({ capsule, cfrags }, index) =>
    cfrags.flatMap((bytes, at) => {
      const cfrag = attempt(() => CapsuleFrag.fromBytes(bytes));
      if (!(cfrag instanceof PreError)) return [{ index, at, capsule, cfrag }];
      opened[index]?.faults.set(at, cfrag);
      return [];
    }),
  );
  const keys = { verifyingKey, delegatingKey, receivingKey: receivingKey.publicKey() };
  for (const [which, verdict] of CapsuleFrag.verifyAll(parsed, keys, kept).entries()) {
    const { index, at } = parsed[which] as (typeof parsed)[number];
    if (verdict instanceof PreError) opened[index]?.faults.set(at, verdict);
    else opened[index]?.held.push({ at, cfrag: verdict });
  }
  return opened.map(({ held, faults }, index) => {
    const { capsule } = items[index] as CapsuleWithCfrags;
    const open = (cfrags: readonly VerifiedCapsuleFrag[]) =>
      attempt(() => decapsulateReencrypted({ receivingKey, delegatingKey, capsule, cfrags, cache: kept }));
    return { key: openWith(held, faults, open), faults };
  });
}

/** Opens with the first delegation that suffices: a proxy that holds two grants may have used the wrong one. */
function openWith(
  held: readonly Placed[],
  faults: Map<number, PreError>,
  open: (cfrags: readonly VerifiedCapsuleFrag[]) => Uint8Array | PreError,
): Uint8Array | PreError {
  const delegations = byDelegation(held, faults);
  let refusal: PreError | undefined;
  for (const used of delegations) {
    const key = open(used.map(({ cfrag }) => cfrag));
    if (key instanceof PreError) {
      refusal ??= key;
      continue;
    }
    for (const { at } of delegations.filter((other) => other !== used).flat())
      faults.set(at, new PreError('CFRAG_INVALID', 'of another delegation than those that open the capsule'));
    return key;
  }
  return refusal ?? open([]);
}

/** The largest first. A fragment that is there already is a fault. */
function byDelegation(held: readonly Placed[], faults: Map<number, PreError>): Placed[][] {
  const ids = new Set<string>();
  const delegations = new Map<string, Placed[]>();
  for (const placed of held) {
    const { id, precursor } = cfragParts(placed.cfrag);
    if (ids.has(binaryString(id))) {
      faults.set(placed.at, new PreError('CFRAG_INVALID', 'the same fragment twice'));
      continue;
    }
    ids.add(binaryString(id));
    const delegation = binaryString(precursor.bytes);
    delegations.set(delegation, [...(delegations.get(delegation) ?? []), placed]);
  }
  return [...delegations.values()].sort((a, b) => b.length - a.length);
}

/** What `act` returns, or the PreError it throws. */
function attempt<T>(act: () => T): T | PreError {
  try {
    return act();
  } catch (error) {
    if (error instanceof PreError) return error;
    throw error;
  }
}
