import { type Committed, type Connection, evaluate, submit } from '@yilian/ledger';
import {
  type Checkpoint,
  canonicalJson,
  type Genesis,
  type OutcomeProof,
  type PatientKey,
  type ScopeEntry,
  type SignedBy,
} from '@yilian/protocol';
import type { Foundation, RegionState, ScopeState } from '../contracts/chain.ts';
import type { Fork } from '../contracts/checkpoints.ts';
import type { PatientState } from '../contracts/patients.ts';
import type { Change } from '../contracts/registry.ts';

/** Name of the chaincode on the main channel. */
export const CHAINCODE = 'main';

const text = new TextDecoder();

/** The main chain as one authority's client sees it. Every write waits for its commit; errors are `LedgerError`. */
export class MainChain {
  readonly #connection: Connection;
  readonly #channel: string;

  constructor(connection: Connection, channel: string) {
    this.#connection = connection;
    this.#channel = channel;
  }

  found(genesis: Genesis): Promise<Committed> {
    return this.#submit('Registry:found', [genesis]);
  }

  /** One authority's approval; the result says whether it completed the majority. */
  approve(change: Change): Promise<Committed> {
    return this.#submit('Registry:approve', [change]);
  }

  foundation(): Promise<Foundation> {
    return this.#evaluate('Registry:get', []);
  }

  regions(): Promise<RegionState[]> {
    return this.#evaluate('Registry:regions', []);
  }

  scopes(): Promise<ScopeEntry[]> {
    return this.#evaluate('Registry:scopes', []);
  }

  /** The list of scopes with the transaction whose proof regions mirror; version 0 and '' while there is none. */
  scopeState(): Promise<ScopeState> {
    return this.#evaluate('Registry:scopeState', []);
  }

  /** Its outcome proof is what a regional chain needs to enrol the patient. */
  registerPatient(patientKey: SignedBy<typeof PatientKey>): Promise<Committed> {
    return this.#submit('Patients:register', [patientKey]);
  }

  addToIndex(announcement: OutcomeProof): Promise<Committed> {
    return this.#submit('Index:add', [announcement]);
  }

  /** Commits that no region holds the patient. Refused with `INDEXED` when one does. */
  declareAbsent(pseudonym: string, requestId: string): Promise<Committed> {
    return this.#submit('Index:absent', [pseudonym, requestId]);
  }

  /** The regions that hold records of a patient. */
  lookup(pseudonym: string): Promise<string[]> {
    return this.#evaluate('Index:lookup', [pseudonym]);
  }

  /** `consistency`: RFC 9162 proof from the last accepted size, base64url hashes. */
  anchor(checkpoint: SignedBy<typeof Checkpoint>, consistency: readonly string[]): Promise<Committed> {
    return this.#submit('Checkpoints:anchor', [checkpoint, consistency]);
  }

  checkpoint(region: string): Promise<SignedBy<typeof Checkpoint> | null> {
    return this.#evaluate('Checkpoints:get', [region]);
  }

  /** The two checkpoints of one size that froze a region, if that happened. */
  fork(region: string): Promise<Fork | null> {
    return this.#evaluate('Checkpoints:fork', [region]);
  }

  /** A patient's registered signing key. Refused with `PATIENT_UNKNOWN`. */
  patient(pseudonym: string): Promise<PatientState> {
    return this.#evaluate('Patients:get', [pseudonym]);
  }

  #submit(name: string, args: readonly unknown[]): Promise<Committed> {
    return submit(this.#connection.contract(this.#channel, CHAINCODE), name, args.map(argument));
  }

  async #evaluate<T>(name: string, args: readonly unknown[]): Promise<T> {
    const bytes = await evaluate(this.#connection.contract(this.#channel, CHAINCODE), name, args.map(argument));
    return JSON.parse(text.decode(bytes)) as T;
  }
}

function argument(value: unknown): string {
  return typeof value === 'string' ? value : canonicalJson(value);
}
