import { setTimeout as delay } from 'node:timers/promises';
import type { BlockTransaction, OwnView } from '@yilian/ledger';
import {
  assembleProof,
  attestationBytes,
  type Identity,
  type Policy,
  parsePolicy,
  type Role,
  type Statement,
  satisfies,
} from '@yilian/ledger/verify';
import {
  type Attestation,
  digest,
  fromBase64url,
  identify,
  type OutcomeProof,
  parser,
  type Trust,
  trustsAt,
} from '@yilian/protocol';
import { type AttestOrder, AttestReply } from '@yilian/proxy/api';
import type { Static } from '@yilian/schema';
import QuickLRU from 'quick-lru';
import type { Envelopes } from './envelopes.ts';
import { RelayError } from './errors.ts';
import { postJson, under } from './wire.ts';

export type SignedStatement = Static<typeof Attestation>;

/** A proxy of the own region, or an attester of the main chain. */
export interface Witness {
  readonly mspId: string;
  readonly url: string;
}

export interface WitnessesOptions {
  /** The network they witness: the own region, or `main`. */
  readonly network: string;
  readonly own: OwnView;
  readonly envelopes: Envelopes;
  readonly witnesses: () => Promise<readonly Witness[]>;
  /** The network's trust roots, newest first. */
  readonly trusts: () => Promise<readonly Trust[]>;
  readonly fetch: typeof globalThis.fetch;
}

const parseAttest = parser('attestation reply', AttestReply);
const WITNESS_TIMEOUT_MS = 5000;
/** Re-encrypting a page of 200 records takes a proxy seconds. */
const RELEASE_TIMEOUT_MS = 15_000;
const MAX_REPLY_BYTES = 256 * 1024;
const MAX_CACHED_CHARACTERS = 65_536;
/** After this long without enough answers everybody is asked, milliseconds: several times what a witness in its region takes. */
const LATE_MS = 150;
/** How long a witness that was late, or answered wrong, is asked after the others. */
const SHUNNED_MS = 30_000;
const ALL_ROLES: ReadonlySet<Role> = new Set(['member', 'peer', 'client', 'admin', 'orderer']);
/** A proof holds as long as the certificates of those who attest it; they are renewed days before. */
const CACHED_MS = 3_600_000;

/** The witnesses of one network: whoever signs what its organisations' peers have committed. */
export class Witnesses {
  readonly #options: WitnessesOptions;
  readonly #proofs = new QuickLRU<string, OutcomeProof>({ maxSize: 512, maxAge: CACHED_MS });
  readonly #shunned = new QuickLRU<string, true>({ maxSize: 64, maxAge: SHUNNED_MS });
  /** Whose turn it is to be asked first. */
  #turn = 0;

  constructor(options: WitnessesOptions) {
    this.#options = options;
  }

  get network(): string {
    return this.#options.network;
  }

  list(): Promise<readonly Witness[]> {
    return this.#options.witnesses();
  }

  /** The roots in force, newest first. */
  async trusts(): Promise<readonly Trust[]> {
    return trustsAt(await this.#options.trusts(), Date.now());
  }

  /** The committed transaction as the own peer has it. */
  transaction(transactionId: string): Promise<BlockTransaction> {
    return this.#options.own.transaction(transactionId);
  }

  /** Sends one witness an order in an envelope. @throws REMOTE_UNREACHABLE REMOTE_REFUSED */
  async order(witness: Witness, path: string, kind: string, body: unknown, signal: AbortSignal): Promise<unknown> {
    const { envelopes, network, fetch } = this.#options;
    const envelope = await envelopes.seal(`${network}/${witness.mspId}`, kind, body);
    return postJson(under(witness.url, path), envelope, {
      fetch,
      timeoutMs: kind === 'release' ? RELEASE_TIMEOUT_MS : WITNESS_TIMEOUT_MS,
      maxBytes: MAX_REPLY_BYTES,
      signal,
    });
  }

  /**
   * Proof that a transaction is committed, under the newest trust roots in force or an older version that is.
   * @throws ATTESTATIONS_MISSING
   */
  async prove(transactionId: string, trustRootVersion?: number): Promise<OutcomeProof> {
    const version = trustRootVersion ?? (await this.trusts())[0]?.version ?? 0;
    const key = `${version} ${transactionId}`;
    const known = this.#proofs.get(key);
    if (known !== undefined) return known;
    const ballot = await this.ballot(transactionId);
    const order: AttestOrder = { transactionId, ...(trustRootVersion !== undefined && { trustRootVersion }) };
    await this.gather(await this.list(), async (witness, signal) => {
      const reply = parseAttest(await this.order(witness, '/v1/attestations', 'attest', order, signal));
      ballot.add(witness, reply.attestation);
      return ballot.complete;
    });
    const proof = ballot.proof();
    if (proof.envelope.length <= MAX_CACHED_CHARACTERS) this.#proofs.set(key, proof);
    return proof;
  }

  /**
   * Asks as many of these witnesses as the attestation policy needs, in turn, and lets those go who are still at it when
   * what has come suffices. `ask` says whether it does, and throws when this witness has given nothing.
   * @param least ask so many even where the policy needs fewer
   * @param since from when on it is the witnesses who are waited for
   */
  async gather(
    among: readonly Witness[],
    ask: (witness: Witness, signal: AbortSignal) => Promise<boolean>,
    { least = 1, since }: { readonly least?: number; readonly since?: Promise<unknown> } = {},
  ): Promise<void> {
    const turned = among.map((_, index) => among[(index + this.#turn) % among.length] as Witness);
    this.#turn += 1;
    const isShunned = ({ mspId }: Witness) => this.#shunned.has(mspId);
    const sources = [...turned.filter((witness) => !isShunned(witness)), ...turned.filter(isShunned)];
    const first = Math.max(least, quorumOf(sources, await this.trusts()));
    const late = await gather(sources, ask, { first, ...(since !== undefined && { since }) });
    for (const { mspId } of late) this.#shunned.set(mspId, true);
  }

  async ballot(transactionId: string): Promise<Ballot> {
    return new Ballot(this.network, transactionId, await this.transaction(transactionId), await this.trusts());
  }
}

/** Attestations of one transaction, each checked before it counts. */
export class Ballot {
  readonly #network: string;
  readonly #transactionId: string;
  readonly #transaction: BlockTransaction;
  readonly #trusts: readonly Trust[];
  readonly #policies: ReadonlyMap<number, Policy>;
  readonly #votes = new Map<string, { readonly attestation: SignedStatement; readonly identity: Identity }>();

  constructor(network: string, transactionId: string, transaction: BlockTransaction, trusts: readonly Trust[]) {
    this.#network = network;
    this.#transactionId = transactionId;
    this.#transaction = transaction;
    this.#trusts = trusts;
    this.#policies = new Map(trusts.map(({ version, attestation }) => [version, parsePolicy(attestation)]));
  }

  /** @throws ATTESTATION_INVALID (as REMOTE_REFUSED) when it states something else than the own peer has */
  add(witness: Witness, attestation: SignedStatement): void {
    const { trustRootVersion } = attestation.statement;
    const trust = this.#trusts.find(({ version }) => version === trustRootVersion);
    const refused = (why: string) => new RelayError('REMOTE_REFUSED', why, { remoteCode: 'ATTESTATION_INVALID' });
    if (trust === undefined || attestation.mspId !== witness.mspId) throw refused('of another version or organisation');
    const expected: Statement = {
      network: this.#network,
      channel: trust.channel,
      transaction: this.#transactionId,
      block: this.#transaction.block,
      envelopeHash: digest(this.#transaction.envelope),
      validationCode: 0,
      trustRootVersion,
    };
    const identity = identify([trust], attestation.mspId, attestation.certificate, Date.now());
    const entitled = Object.entries(trust.attesters ?? {}).every(
      ([name, value]) => identity.attributes[name] === value,
    );
    if (!entitled || !identity.verify(attestationBytes(expected), fromBase64url(attestation.signature)))
      throw refused('not what the own peer has');
    this.#votes.set(`${trustRootVersion} ${attestation.mspId}`, {
      attestation: { ...attestation, statement: expected },
      identity,
    });
  }

  get complete(): boolean {
    return this.#winners() !== undefined;
  }

  /** @throws ATTESTATIONS_MISSING */
  proof(): OutcomeProof {
    const winners = this.#winners();
    if (winners === undefined) throw new RelayError('ATTESTATIONS_MISSING', 'too few organisations attest');
    return assembleProof(this.#transaction.envelope, winners) as OutcomeProof;
  }

  /** All attestations that name one trust version must satisfy its policy together. */
  #winners(): readonly SignedStatement[] | undefined {
    for (const [version, policy] of this.#policies) {
      const votes = [...this.#votes.values()].filter(
        ({ attestation }) => attestation.statement.trustRootVersion === version,
      );
      if (
        satisfies(
          policy,
          votes.map(({ identity }) => identity),
        )
      )
        return votes.map(({ attestation }) => attestation);
    }
    return undefined;
  }
}

/** How many of these, from the first on, satisfy the newest attestation policy if each of them attests. */
function quorumOf(witnesses: readonly Witness[], [newest]: readonly Trust[]): number {
  if (newest === undefined) return witnesses.length;
  const policy = parsePolicy(newest.attestation);
  const principals = witnesses.map(({ mspId }) => ({ mspId, roles: ALL_ROLES }));
  const needed = principals.findIndex((_, index) => satisfies(policy, principals.slice(0, index + 1)));
  return needed < 0 ? witnesses.length : needed + 1;
}

/**
 * Asks the first so many at once, another for each that fails or when all that were asked did not suffice, and everybody once
 * they are late. Returns as soon as one of the answers was enough; those still at it are let go.
 * @returns those who failed, and those who were late and are still at it
 */
export async function gather<T>(
  sources: readonly T[],
  ask: (source: T, signal: AbortSignal) => Promise<boolean>,
  { first, since = Promise.resolve() }: { readonly first: number; readonly since?: Promise<unknown> },
): Promise<readonly T[]> {
  const over = new AbortController();
  const { promise, resolve } = Promise.withResolvers<void>();
  const waiting = [...sources];
  const asked = new Set<T>();
  const failed: T[] = [];
  let isLate = false;
  const next = (count: number): void => {
    for (const source of waiting.splice(0, count)) {
      asked.add(source);
      void hear(source);
    }
    if (asked.size === 0) resolve();
  };
  const hear = async (source: T): Promise<void> => {
    const heard = await ask(source, over.signal).catch(() => undefined);
    if (over.signal.aborted) return;
    asked.delete(source);
    if (heard === undefined) failed.push(source);
    if (heard === true) resolve();
    else next(heard === undefined || asked.size === 0 ? 1 : 0);
  };
  const everybody = (): void => {
    isLate = true;
    next(waiting.length);
  };
  since.then(() => delay(LATE_MS, undefined, { signal: over.signal })).then(everybody, () => undefined);
  next(first);
  await promise;
  over.abort();
  return isLate ? [...failed, ...asked] : failed;
}
