import canonicalize from 'canonicalize';
import { readCertificate } from './certificate.ts';
import { decodeUtf8, encodeUtf8 } from './encoding.ts';
import { Context, Contract } from './fabric.ts';
import { type Identity, identityOf } from './msp.ts';

export { Context, Contract };

/** Who sent a transaction. The peer has judged the certificate before the contract runs. */
export type Submitter = Pick<Identity, 'mspId' | 'roles' | 'attributes' | 'fingerprint' | 'certificate'>;

type Stub = Pick<Context['stub'], 'getCreator' | 'getTxTimestamp' | 'getState' | 'putState'>;
/** The part of a transaction context the functions here use. */
export interface Transaction {
  readonly stub: Stub;
}

/** How far an endorser's clock may be from the transaction's timestamp. */
export const CLOCK_WINDOW_MS = 60_000;
const MAX_CACHED = 1024;
const submitters = new Map<string, Submitter>();

/** The identity that signed the proposal. */
export function submitter({ stub }: Pick<Transaction, 'stub'>): Submitter {
  const { mspid, idBytes } = stub.getCreator();
  const pem = decodeUtf8(idBytes);
  const key = `${mspid}\n${pem}`;
  const known = submitters.get(key);
  if (known) return known;
  const { mspId, roles, attributes, fingerprint, certificate } = identityOf(mspid, readCertificate(pem));
  const found = { mspId, roles, attributes, fingerprint, certificate };
  if (submitters.size >= MAX_CACHED) submitters.clear();
  submitters.set(key, found);
  return found;
}

/**
 * The transaction's timestamp in epoch milliseconds, the only time a rule may use. The endorser's clock can refuse it and
 * never shapes a result, so honest endorsers agree.
 * @throws Error CLOCK_SKEW when the two are more than `CLOCK_WINDOW_MS` apart
 */
export function transactionTime({ stub }: Pick<Transaction, 'stub'>, clock: () => number = Date.now): number {
  const { seconds, nanos } = stub.getTxTimestamp();
  const time = Number(seconds) * 1000 + Math.floor(nanos / 1_000_000);
  if (!(Math.abs(clock() - time) <= CLOCK_WINDOW_MS))
    refuse('CLOCK_SKEW', 'transaction time is too far from the endorser');
  return time;
}

/** Refuses a transaction. `ledgerError` finds the code again at the client: `CODE: message`. */
export function refuse(code: Uppercase<string>, message: string): never {
  throw new Error(`${code}: ${message}`);
}

/** The JSON value under a key, or `undefined`. */
export async function getJson<T>({ stub }: Transaction, key: string): Promise<T | undefined> {
  const bytes = await stub.getState(key);
  return bytes.length === 0 ? undefined : (JSON.parse(decodeUtf8(bytes)) as T);
}

/** Writes a value as RFC 8785 JSON, the same bytes on every endorser. */
export async function putJson({ stub }: Transaction, key: string, value: unknown): Promise<void> {
  await stub.putState(key, encodeUtf8(canonicalize(value) as string));
}

/** A contract with one name for each function and a code for each refusal. */
export abstract class ChainContract extends Contract {
  /** The router takes other spellings of a name too, which no verifier of an outcome proof would accept. */
  override async beforeTransaction(ctx: Context): Promise<void> {
    const [called] = ctx.stub.getArgs();
    if (!new RegExp(`^${this.getName()}:[A-Za-z]+$`).test(called ?? ''))
      refuse('FUNCTION_UNKNOWN', 'a function is called as Contract:function');
  }

  override async aroundTransaction(
    ctx: Context,
    fn: (...args: unknown[]) => unknown,
    parameters: unknown,
  ): Promise<void> {
    try {
      // Declared without a result, which it has.
      return (await (super.aroundTransaction(ctx, fn, parameters) as Promise<unknown>)) as undefined;
    } catch (error) {
      throw coded(error);
    }
  }

  override async unknownTransaction(_ctx: Context): Promise<void> {
    refuse('FUNCTION_UNKNOWN', 'no such function');
  }
}

/** Puts the code of an error before its message, where clients look for it. */
function coded(error: unknown): unknown {
  if (!(error instanceof Error && 'code' in error && typeof error.code === 'string')) return error;
  return error.message.startsWith(`${error.code}: `)
    ? error
    : new Error(`${error.code}: ${error.message}`, { cause: error });
}
