import type { CapsuleWithCfrags, Decapsulated, ReencryptedBatch } from './batch.ts';
import { decapsulateAll, reencryptAll } from './batch.ts';
import { concat, wipe } from './bytes.ts';
import type { CapsuleParts } from './capsule.ts';
import { Capsule, capsuleParts } from './capsule.ts';
import type { VerifiedParts } from './cfrag.ts';
import { cfragParts, VerifiedCapsuleFrag } from './cfrag.ts';
import { decodeScalar } from './curve.ts';
import { Point } from './group.ts';
import { INSIDE } from './guard.ts';
import type { KeyFragParts } from './kfrag.ts';
import { kfragParts, VerifiedKeyFrag } from './kfrag.ts';
import type { PreErrorCode } from './pre-error.ts';
import { PreError } from './pre-error.ts';
import { pointOf, publicKeyOf } from './public-key.ts';
import { SecretKey } from './secret-key.ts';
import { requireSuite } from './suite.ts';
import { SECP256K1_SUITE } from './suite-secp256k1.ts';

/**
 * What goes to a thread and comes back. It was checked where it came into the package and is not checked again, for none
 * but the pool and its own threads has the other end. Points go with both forms. Secrets are moved, not copied.
 */
export type Task =
  | {
      readonly operation: 'reencrypt';
      readonly kfrag: Omit<KeyFragParts, 'suite'>;
      readonly capsules: readonly CapsuleParts[];
    }
  | {
      readonly operation: 'decapsulate';
      readonly receivingKey: Uint8Array;
      readonly delegatingKey: Point;
      readonly verifyingKey: Point;
      readonly items: readonly { readonly capsule: CapsuleParts; readonly cfrags: readonly Uint8Array[] }[];
    };

/** What is posted, and which of its bytes nobody else shall keep. */
export interface Posted<T> {
  readonly message: T;
  readonly secrets: readonly Uint8Array<ArrayBuffer>[];
}

export type SentCfrag = Pick<VerifiedParts, 'bytes' | 'e1' | 'v1'>;

export interface SentDecapsulated {
  readonly key: Uint8Array | Refusal;
  readonly faults: ReadonlyMap<number, Refusal>;
}

/** A PreError, whose class would be lost on the way. */
interface Refusal {
  readonly code: PreErrorCode;
  readonly message: string;
}

/** @throws KFRAG_INVALID when the fragment was wiped, CAPSULE_INVALID, SUITE_UNSUPPORTED: threads know the first suite alone */
export function reencryptTask(capsules: readonly Capsule[], kfrag: VerifiedKeyFrag): Posted<Task> {
  const { rk, suite, ...parts } = kfragParts(kfrag);
  requireSuite(SECP256K1_SUITE, { suite }, ...capsules);
  const moved = new Uint8Array(decodeScalar(suite, rk, 'KFRAG_INVALID'));
  const message: Task = {
    operation: 'reencrypt',
    kfrag: { ...parts, rk: moved },
    capsules: capsules.map(capsuleParts),
  };
  return { message, secrets: [moved] };
}

/** @throws KEY_INVALID when the receiving key was wiped, CAPSULE_INVALID, SUITE_UNSUPPORTED */
export function decapsulateTask(
  items: readonly CapsuleWithCfrags[],
  { receivingKey, delegatingKey, verifyingKey }: Omit<ReencryptedBatch, 'items'>,
): Posted<Task> {
  requireSuite(SECP256K1_SUITE, receivingKey, delegatingKey, verifyingKey, ...items.map(({ capsule }) => capsule));
  const moved = new Uint8Array(receivingKey.toBytes());
  const message: Task = {
    operation: 'decapsulate',
    receivingKey: moved,
    delegatingKey: pointOf(delegatingKey),
    verifyingKey: pointOf(verifyingKey),
    items: items.map(({ capsule, cfrags }) => ({ capsule: capsuleParts(capsule), cfrags: cfrags.map(alone) })),
  };
  return { message, secrets: [moved] };
}

/** In the thread. Consumes the task's secrets. */
export function perform(task: Task): Posted<readonly SentCfrag[] | readonly SentDecapsulated[]> {
  return task.operation === 'reencrypt' ? performReencrypt(task) : performDecapsulate(task);
}

/** The pool's side of `reencrypt`. */
export function cfragsFrom(
  sent: readonly SentCfrag[],
  capsules: readonly Capsule[],
  kfrag: VerifiedKeyFrag,
): VerifiedCapsuleFrag[] {
  const { suite, id, precursor } = kfragParts(kfrag);
  return sent.map(({ bytes, e1, v1 }, at) => {
    const capsule = capsules[at] as Capsule;
    return new VerifiedCapsuleFrag(INSIDE, { suite, bytes, id, precursor, e1: revived(e1), v1: revived(v1), capsule });
  });
}

/** The pool's side of `decapsulate`. */
export function decapsulatedFrom(sent: readonly SentDecapsulated[]): Decapsulated[] {
  return sent.map(({ key, faults }) => ({
    key: key instanceof Uint8Array ? key : errorOf(key),
    faults: new Map(Array.from(faults, ([at, refusal]) => [at, errorOf(refusal)])),
  }));
}

function performReencrypt({ kfrag, capsules }: Extract<Task, { operation: 'reencrypt' }>): Posted<SentCfrag[]> {
  const { precursor, commitment } = kfrag;
  const verified = new VerifiedKeyFrag(INSIDE, {
    ...kfrag,
    suite: SECP256K1_SUITE,
    precursor: revived(precursor),
    commitment: revived(commitment),
  });
  try {
    const cfrags = reencryptAll(capsules.map(capsuleOf), verified).map(cfragParts);
    return { message: cfrags.map(({ bytes, e1, v1 }) => ({ bytes, e1, v1 })), secrets: [] };
  } finally {
    verified.wipe();
  }
}

function performDecapsulate({
  receivingKey: bytes,
  delegatingKey,
  verifyingKey,
  items,
}: Extract<Task, { operation: 'decapsulate' }>): Posted<SentDecapsulated[]> {
  const receivingKey = SecretKey.fromBytes(bytes);
  wipe(bytes);
  try {
    const secrets: Uint8Array<ArrayBuffer>[] = [];
    const message = decapsulateAll({
      receivingKey,
      delegatingKey: publicKeyOf(SECP256K1_SUITE, revived(delegatingKey)),
      verifyingKey: publicKeyOf(SECP256K1_SUITE, revived(verifyingKey)),
      items: items.map(({ capsule, cfrags }) => ({ capsule: capsuleOf(capsule), cfrags })),
    }).map(({ key, faults }) => {
      const refusals = new Map(Array.from(faults, ([at, error]) => [at, refusalOf(error)]));
      if (key instanceof PreError) return { key: refusalOf(key), faults: refusals };
      const moved = new Uint8Array(key);
      wipe(key);
      secrets.push(moved);
      return { key: moved, faults: refusals };
    });
    return { message, secrets };
  } finally {
    receivingKey.wipe();
  }
}

/** A copy in memory of its own: a view would take along all the memory that it is a view of. */
function alone(bytes: Uint8Array): Uint8Array {
  return bytes instanceof Uint8Array ? new Uint8Array(bytes) : new Uint8Array();
}

function revived({ bytes, affine }: Point): Point {
  return new Point(bytes, affine);
}

function capsuleOf({ e, v, s }: CapsuleParts): Capsule {
  const parts = { e: revived(e), v: revived(v), s };
  return new Capsule(INSIDE, SECP256K1_SUITE, parts, concat(e.bytes, v.bytes, s));
}

function refusalOf({ code, message }: PreError): Refusal {
  return { code, message };
}

function errorOf({ code, message }: Refusal): PreError {
  return new PreError(code, message);
}
