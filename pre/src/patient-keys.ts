import { exactly } from './bytes.ts';
import { tagged } from './context.ts';
import { WIDE_SCALAR_BYTES } from './curve.ts';
import { PreError } from './pre-error.ts';
import { SecretKey } from './secret-key.ts';
import { Signer } from './signer.ts';
import type { Suite } from './suite.ts';
import { SECP256K1_SUITE } from './suite-secp256k1.ts';
import { LABEL, YILIAN } from './tags.ts';

const MASTER_BYTES = 32;

/** Which of a patient's keys: one per home region, class of records and generation. */
export interface ScopeKeyLabel {
  readonly region: string;
  readonly scope: string;
  readonly epoch: number;
}

/** A patient's keys in one federation and suite, all derived from one master key; none leads back to it or to another. */
export class PatientKeys {
  readonly suite: Suite;
  readonly #master: Uint8Array;
  readonly #federation: string;

  private constructor(master: Uint8Array, federation: string, suite: Suite) {
    this.suite = suite;
    this.#master = master;
    this.#federation = federation;
  }

  /** @param master 32 uniformly random bytes. @throws KEY_INVALID, CONTEXT_INVALID on an empty federation */
  static fromMaster(master: Uint8Array, federation: string, suite: Suite = SECP256K1_SUITE): PatientKeys {
    const own = exactly(master, MASTER_BYTES, 'KEY_INVALID', 'a master key');
    if (own.every((byte) => byte === 0)) throw new PreError('KEY_INVALID', 'an all-zero master key');
    return new PatientKeys(own, nonEmpty(federation, 'federation'), suite);
  }

  /** Signs the patient's documents and key fragments. */
  signer(): Signer {
    return new Signer(this.#derive('signing'));
  }

  /** The delegating key of one scope. @throws CONTEXT_INVALID */
  scopeKey({ region, scope, epoch }: ScopeKeyLabel): SecretKey {
    return this.#derive(nonEmpty(region, 'region'), nonEmpty(scope, 'scope'), epoch);
  }

  /** Overwrites the master key; later derivations throw KEY_INVALID. */
  wipe(): void {
    this.#master.fill(0);
  }

  #derive(...parts: readonly (string | number)[]): SecretKey {
    if (this.#master.every((byte) => byte === 0)) throw new PreError('KEY_INVALID', 'the keys were wiped');
    const { suite } = this;
    const info = tagged(YILIAN.key, LABEL, this.#federation, suite.name, ...parts);
    const wide = suite.derive(this.#master, info, WIDE_SCALAR_BYTES);
    const scalar = suite.group.nonZero(wide);
    wide.fill(0);
    const key = SecretKey.fromBytes(scalar, suite);
    scalar.fill(0);
    return key;
  }
}

function nonEmpty(text: string, what: string): string {
  if (typeof text !== 'string' || text === '') throw new PreError('CONTEXT_INVALID', `${what} must not be empty`);
  return text;
}
