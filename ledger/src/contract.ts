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
