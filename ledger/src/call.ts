import { setTimeout as delay } from 'node:timers/promises';
import type { Contract, SubmittedTransaction } from '@hyperledger/fabric-gateway';
import { LedgerError, ledgerError, shouldRetry, validationCode } from './ledger-error.ts';

export type Argument = string | Uint8Array;

export interface EvaluateOptions {
  readonly transient?: Readonly<Record<string, Argument>>;
  /** MSP ids of the organisations that must execute. */
  readonly organisations?: readonly string[];
  /** Checked between the calls; each call ends by its own deadline. */
  readonly signal?: AbortSignal;
}

export interface SubmitOptions extends EvaluateOptions {
  /** How often a transaction without effect is tried anew (`shouldRetry`). Default: 4. */
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
const BACKOFF_MS = 20;

/**
 * Endorses, submits and waits for the commit, anew when the transaction had no effect for a passing reason.
 * @throws LedgerError
 */
export async function submit(
  contract: Contract,
  name: string,
  args: readonly Argument[],
  options: SubmitOptions = {},
): Promise<Committed> {
  for (let attempt = 0; ; attempt += 1) {
    options.signal?.throwIfAborted();
    try {
      return await submitOnce(contract, name, args, options);
    } catch (error) {
      if (attempt >= (options.retries ?? RETRIES) || !shouldRetry(error)) throw ledgerError(error);
      const { signal } = options;
      await delay(BACKOFF_MS * 2 ** attempt * (0.5 + Math.random()), undefined, signal && { signal });
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
  options.signal?.throwIfAborted();
  try {
    return await contract.evaluate(name, proposalOptions(args, options));
  } catch (error) {
    throw ledgerError(error);
  }
}

async function submitOnce(contract: Contract, name: string, args: readonly Argument[], options: SubmitOptions) {
  const endorsed = await contract.newProposal(name, proposalOptions(args, options)).endorse();
  options.signal?.throwIfAborted();
  const ordered = await endorsed.submit();
  const transactionId = ordered.getTransactionId();
  const result = ordered.getResult();
  options.onOrdered?.({ transactionId, result });
  return { result, transactionId, blockNumber: await committedBlock(ordered, transactionId) };
}

async function committedBlock(ordered: SubmittedTransaction, transactionId: string): Promise<number> {
  const { successful, code, blockNumber } = await ordered.getStatus();
  if (successful) return Number(blockNumber);
  const name = validationCode(code);
  throw new LedgerError(name, `Transaction is invalid: ${name}`, { stage: 'validate', transactionId });
}

function proposalOptions(args: readonly Argument[], options: EvaluateOptions) {
  const { transient, organisations } = options;
  return {
    arguments: [...args],
    ...(transient && { transientData: { ...transient } }),
    ...(organisations && { endorsingOrganizations: [...organisations] }),
  };
}
