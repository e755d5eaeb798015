import { setTimeout as delay } from 'node:timers/promises';
import type { Contract, SubmittedTransaction, Transaction } from '@hyperledger/fabric-gateway';
import { LedgerError, ledgerError, remedy, validationCode } from './ledger-error.ts';

export type Argument = string | Uint8Array;

export interface EvaluateOptions {
  readonly transient?: Readonly<Record<string, Argument>>;
  /** MSP ids of the organisations that must execute. */
  readonly organisations?: readonly string[];
  /** How long peers and orderers that are out of reach are waited for, milliseconds. Default: 3 s. */
  readonly patienceMs?: number;
  /** Checked between the calls; each call ends by its own deadline. */
  readonly signal?: AbortSignal;
}

export interface SubmitOptions extends EvaluateOptions {
  /** How often a transaction is proposed anew after a conflict (`remedy`). Default: 4. */
  readonly retries?: number;
  /** Called when the orderer has accepted the transaction and its commit is still open. */
  readonly onOrdered?: (transaction: { readonly transactionId: string; readonly result: Uint8Array }) => void;
}

/** A transaction committed valid. */
export interface Committed {
  /** What the contract returned. */
  readonly result: Uint8Array;
  readonly transactionId: string;
  readonly blockNumber: number;
}

const RETRIES = 4;
const PATIENCE_MS = 3_000;
/** An orderer may go with what it took: what is not committed by its deadline is handed in again, so long. */
const COMMIT_PATIENCE_MS = 60_000;
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 500;

/**
 * Endorses, submits and waits for the commit. It is proposed anew after a conflict; who is out of reach is waited for;
 * and whatever may be lost between orderer and commit is handed in again, which takes effect once.
 * @throws LedgerError
 */
export async function submit(
  contract: Contract,
  name: string,
  args: readonly Argument[],
  options: SubmitOptions = {},
): Promise<Committed> {
  const { retries = RETRIES, signal, onOrdered } = options;
  const patience = new Patience(options.patienceMs ?? PATIENCE_MS, signal);
  for (let conflicts = 0; ; ) {
    try {
      const endorsed = await contract.newProposal(name, proposalOptions(args, options)).endorse();
      const ordered = await handIn(endorsed, patience);
      const transactionId = endorsed.getTransactionId();
      const result = endorsed.getResult();
      onOrdered?.({ transactionId, result });
      return { result, transactionId, blockNumber: await committedBlock(endorsed, ordered, options) };
    } catch (error) {
      const way = remedy(error);
      if (way === 'anew' && conflicts < retries) conflicts += 1;
      else if (way !== 'later' || patience.isOver) throw ledgerError(error);
      await patience.pause();
    }
  }
}

/**
 * Runs a transaction on one peer and forgets its writes.
 * @throws LedgerError
 */
export async function evaluate(
  contract: Contract,
  name: string,
  args: readonly Argument[],
  options: EvaluateOptions = {},
): Promise<Uint8Array> {
  const patience = new Patience(options.patienceMs ?? PATIENCE_MS, options.signal);
  for (;;) {
    try {
      return await contract.evaluate(name, proposalOptions(args, options));
    } catch (error) {
      if (remedy(error) !== 'later' || patience.isOver) throw ledgerError(error);
      await patience.pause();
    }
  }
}

async function handIn(endorsed: Transaction, patience: Patience): Promise<SubmittedTransaction> {
  for (;;) {
    patience.signal?.throwIfAborted();
    try {
      return await endorsed.submit();
    } catch (error) {
      if (remedy(error) !== 'same' || patience.isOver) throw error;
      await patience.pause();
    }
  }
}

async function committedBlock(
  endorsed: Transaction,
  ordered: SubmittedTransaction,
  { patienceMs = PATIENCE_MS, signal }: SubmitOptions,
): Promise<number> {
  const inTime = new Patience(COMMIT_PATIENCE_MS, signal);
  let inReach: Patience | undefined;
  for (;;) {
    try {
      const { successful, code, blockNumber } = await ordered.getStatus();
      if (successful) return Number(blockNumber);
      const name = validationCode(code);
      const transactionId = endorsed.getTransactionId();
      throw new LedgerError(name, `Transaction is invalid: ${name}`, { stage: 'validate', transactionId });
    } catch (error) {
      if (remedy(error) !== 'same') throw error;
      const isLate = (ledgerError(error) as LedgerError).code === 'DEADLINE';
      inReach = isLate ? undefined : (inReach ?? new Patience(patienceMs, signal));
      const patience = inReach ?? inTime;
      if (patience.isOver) throw error;
      await patience.pause();
      await endorsed.submit().catch((refused: unknown) => {
        if (remedy(refused) !== 'same') throw refused;
      });
    }
  }
}

/** Pauses that grow, until it is over. */
class Patience {
  readonly signal: AbortSignal | undefined;
  readonly #until: number;
  #pauseMs = FIRST_PAUSE_MS;

  constructor(patienceMs: number, signal: AbortSignal | undefined) {
    signal?.throwIfAborted();
    this.signal = signal;
    this.#until = performance.now() + patienceMs;
  }

  get isOver(): boolean {
    return performance.now() >= this.#until;
  }

  async pause(): Promise<void> {
    const { signal } = this;
    await delay(this.#pauseMs * (0.5 + Math.random()), undefined, signal && { signal });
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, this.#pauseMs * 2);
  }
}

function proposalOptions(args: readonly Argument[], options: EvaluateOptions) {
  const { transient, organisations } = options;
  return {
    arguments: [...args],
    ...(transient && { transientData: { ...transient } }),
    ...(organisations && { endorsingOrganizations: [...organisations] }),
  };
}
