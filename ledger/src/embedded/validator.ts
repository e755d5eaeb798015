import { common, peer } from '@hyperledger/fabric-protos';
import type { Identity } from '../msp.ts';
import { satisfies } from '../policy.ts';
import type { Channel } from './config.ts';
import { mayWrite, sha256, transactionId } from './proposal.ts';
import {
  compareKeys,
  decodeReadWriteSet,
  type KeyUpdates,
  type NamespaceSet,
  type RangeRead,
  type Read,
  sameVersion,
  type Updates,
} from './rwset.ts';
import type { Store } from './store.ts';
import { type Action, readAction, type Transaction } from './transaction.ts';

const { TxValidationCode: Code } = peer;
const { ENDORSER_TRANSACTION } = common.HeaderType;

/** A verdict, and for a valid transaction what it writes. */
export interface Verdict {
  readonly code: number;
  readonly sets: readonly NamespaceSet[];
}

/** Judges the transactions of one block in their order, as a committing peer does. */
export class Validator {
  readonly #channel: Channel;
  readonly #store: Store;
  readonly #at: number;
  readonly #seen = new Set<string>();
  /** What the valid transactions so far write. */
  readonly updates: Updates = new Map();

  constructor(channel: Channel, store: Store, at: number) {
    this.#channel = channel;
    this.#store = store;
    this.#at = at;
  }

  /** Judges the next transaction and, when it is valid, adds its writes to `updates`. */
  judge(transaction: Transaction, block: number, position: number): Verdict {
    const refused = (code: number): Verdict => ({ code, sets: [] });
    const code = this.#checkEnvelope(transaction);
    if (code !== Code.VALID) return refused(code);
    let action: Action;
    try {
      action = readAction(transaction);
      const { header } = transaction;
      const hash = sha256(header.getChannelHeader_asU8(), action.signatureHeader, action.proposalPayload);
      if (Buffer.compare(hash, action.proposalHash) !== 0) return refused(Code.INVALID_ENDORSER_TRANSACTION);
    } catch {
      return refused(Code.INVALID_ENDORSER_TRANSACTION);
    }
    if (this.#seen.has(transaction.txId) || this.#store.transaction(transaction.txId))
      return refused(Code.DUPLICATE_TXID);
    let sets: NamespaceSet[];
    try {
      sets = decodeReadWriteSet(action.readWriteSet);
    } catch {
      return refused(Code.BAD_RWSET);
    }
    const endorsed = this.#checkEndorsements(transaction, action, sets);
    if (endorsed !== Code.VALID) return refused(endorsed);
    this.#seen.add(transaction.txId);
    const conflict = this.#checkReads(sets);
    if (conflict !== Code.VALID) return refused(conflict);
    this.#apply(sets, block, position);
    return { code: Code.VALID, sets };
  }

  #checkEnvelope({ channel, creator, nonce, payload, signature, txId, type }: Transaction): number {
    if (type !== ENDORSER_TRANSACTION) return Code.BAD_COMMON_HEADER;
    if (channel !== this.#channel.name) return Code.TARGET_CHAIN_NOT_FOUND;
    const identity = this.#identify(creator);
    if (!identity?.verify(payload, signature) || !mayWrite(identity)) return Code.BAD_CREATOR_SIGNATURE;
    return txId === transactionId(nonce, creator) ? Code.VALID : Code.BAD_PROPOSAL_TXID;
  }

  #checkEndorsements({ chaincode, txId }: Transaction, action: Action, sets: readonly NamespaceSet[]): number {
    if (chaincode === '' || action.chaincode !== chaincode || action.version === '') return Code.INVALID_CHAINCODE;
    const { event } = action;
    if (event && (event.getChaincodeId() !== chaincode || event.getTxId() !== txId)) return Code.INVALID_OTHER_REASON;
    const names = sets.map((set) => set.namespace);
    if (new Set(names).size !== names.length || sets.some((set) => set.unsupported)) return Code.ILLEGAL_WRITESET;
    const written = sets.filter((set) => set.writes.length > 0).map((set) => set.namespace);
    const policies = [...new Set([chaincode, ...written])].map((name) => this.#channel.policyOf(name));
    const signers = this.#endorsers(action);
    for (const policy of policies) {
      if (!policy) return Code.INVALID_CHAINCODE;
      if (!satisfies(policy, signers)) return Code.ENDORSEMENT_POLICY_FAILURE;
    }
    return Code.VALID;
  }

  /** Valid endorsers, each once. A signature that is not good counts for nothing. */
  #endorsers({ endorsements, responsePayload }: Action): Identity[] {
    const signers = new Map<string, Identity>();
    for (const { endorser, signature } of endorsements) {
      const identity = this.#identify(endorser);
      if (identity?.verify(Buffer.concat([responsePayload, endorser]), signature)) {
        signers.set(`${identity.mspId}\n${identity.fingerprint}`, identity);
      }
    }
    return [...signers.values()];
  }

  #checkReads(sets: readonly NamespaceSet[]): number {
    for (const { namespace, reads, ranges } of sets) {
      const updates = this.updates.get(namespace);
      if (!reads.every((read) => !updates?.has(read.key) && this.#current(namespace, read))) {
        return Code.MVCC_READ_CONFLICT;
      }
      if (!ranges.every((range) => this.#sameRange(namespace, range))) return Code.PHANTOM_READ_CONFLICT;
    }
    return Code.VALID;
  }

  #current(namespace: string, { key, version }: Read): boolean {
    return sameVersion(this.#store.get(namespace, key)?.version ?? null, version);
  }

  /** Whether a range still reads the same in the committed state under the writes of this block so far. */
  #sameRange(namespace: string, { start, end, exhausted, reads }: RangeRead): boolean {
    const inside = (key: string) =>
      compareKeys(key, start) >= 0 && (end === '' || compareKeys(key, end) < (exhausted ? 0 : 1));
    const updates = [...(this.updates.get(namespace) ?? [])].filter(([key]) => inside(key));
    const limit = reads.length + updates.length + 1;
    const rows = this.#store.range(namespace, { start, end, inclusive: !exhausted, limit });
    const merged = new Map<string, Read>(rows.map(({ key, version }) => [key, { key, version }]));
    for (const [key, { value, version }] of updates) {
      if (value === null) merged.delete(key);
      else merged.set(key, { key, version });
    }
    const now = [...merged.values()].sort((a, b) => compareKeys(a.key, b.key));
    return (
      now.length === reads.length &&
      now.every((read, i) => read.key === reads[i]?.key && sameVersion(read.version, reads[i].version))
    );
  }

  #apply(sets: readonly NamespaceSet[], block: number, position: number): void {
    for (const { namespace, writes } of sets) {
      if (writes.length === 0) continue;
      const keys = this.updates.get(namespace) ?? (new Map() as KeyUpdates);
      for (const { key, value } of writes) keys.set(key, { value, version: { block, position } });
      this.updates.set(namespace, keys);
    }
  }

  #identify(serialized: Uint8Array): Identity | undefined {
    try {
      return this.#channel.identify(serialized, this.#at);
    } catch {
      return undefined;
    }
  }
}
