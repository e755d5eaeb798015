import { type SecretKey, Signer, SUITE, sha256 } from '@yilian/pre';
import {
  type CertificateSigner,
  digest,
  documentId,
  KeyCertificate,
  OpenedReceipt,
  type ReleasedRecord,
  Request,
  type SignedBy,
  toBase64url,
} from '@yilian/protocol';
import type { AnswerReply, RequestAccepted } from '@yilian/relay/api';
import {
  isProven,
  type ProvenLeg,
  type VerifiedAnswer,
  type VerifiedLeg,
  verifyAnswer,
  verifyPage,
} from './answers.ts';
import { ClientError, codeOf } from './client-error.ts';
import type { FederationView } from './federation-view.ts';
import { mayPassWatching, pause, retried } from './http.ts';
import { type OpenOptions, openRecordBody, openRecordHeader, type UnsealedRelease, unsealRelease } from './opening.ts';
import type { RelayClient, WatchOptions } from './relay-client.ts';
import { certificateBytes, signOwn } from './signing.ts';

export interface PractitionerOptions {
  readonly federation: string;
  readonly region: string;
  readonly mspId: string;
  /** PEM. */
  readonly certificate: string;
  /** ECDSA P-256 over SHA-256, DER with low S. */
  readonly sign: (message: Uint8Array) => Uint8Array;
  /** The re-encryption key. */
  readonly secret: SecretKey;
  /** The registered key certificate that requests name; the last one made when left out. */
  readonly keyCertificate?: SignedBy<typeof KeyCertificate>;
}

export interface RequestOptions {
  readonly pseudonym: string;
  readonly scopes: readonly string[];
  /** HL7 PurposeOfUse. */
  readonly purpose: string;
  /** Evidence of treatment, which stays here; or its SHA-256 as base64url. */
  readonly evidence: Uint8Array | string;
  /** The oldest main-chain block an answer may rest on. */
  readonly minMainHeight: number;
  readonly priority?: 'routine' | 'urgent';
  /** Wait while the patient has not answered, instead of being denied. */
  readonly waitForConsent?: boolean;
  /** Milliseconds; ten minutes, or a day when waiting for consent. */
  readonly validForMs?: number;
  readonly at?: number;
}

export interface VerifyOptions {
  /** As in {@link RequestAccepted}: regions that must be among the legs. */
  readonly homes?: readonly string[];
  readonly at?: number;
}

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** A request starts this much earlier than its signer's clock, which may be ahead of the chain's. */
const CLOCK_WINDOW_MS = MINUTE_MS;
const ATTEMPTS = 4;
/** Where nobody answers: a relay that is started anew, as with a new certificate, is away for some seconds. */
const AWAY_ATTEMPTS = 6;
const WAIT_MS = 250;
/** A relay may hold its answer back so long while a leg is not final. */
const HELD_BACK_SECONDS = 20;
/** A page is made when it is first asked for, which may take more than one call. */
const PAGE_ATTEMPTS = 6;
/** After this many looks a word without its proof is taken for what it is. */
const PROOF_ATTEMPTS = 20;

/** What a practitioner's software does. */
export class Practitioner {
  readonly federation: string;
  readonly region: string;
  readonly mspId: string;
  /** Re-encryption key, base64url point. */
  readonly receivingKey: string;
  readonly #signer: CertificateSigner;
  readonly #secret: SecretKey;
  readonly #unsealed = new WeakMap<ProvenLeg, UnsealedRelease>();
  #keyCertificate: SignedBy<typeof KeyCertificate> | undefined;

  constructor(options: PractitionerOptions) {
    const { federation, region, mspId, certificate, sign, secret, keyCertificate } = options;
    this.federation = federation;
    this.region = region;
    this.mspId = mspId;
    this.receivingKey = secret.publicKey().toBase64url();
    this.#signer = { certificate, sign: (message) => sign(message) };
    this.#secret = secret;
    this.#keyCertificate = keyCertificate;
  }

  /** Signed by the X.509 key and, as proof of possession, by the re-encryption key. Requests name it from now on. */
  keyCertificate(
    { notBefore, notAfter }: { readonly notBefore: number; readonly notAfter: number },
    at: number = Date.now(),
  ): SignedBy<typeof KeyCertificate> {
    const { federation, region, mspId, receivingKey: key } = this;
    const certificate = [...sha256(certificateBytes(this.#signer))].map(hexByte).join('');
    const period = { notBefore, notAfter, signedAt: at };
    const document = { federation, region, mspId, certificate, suite: SUITE, key, ...period } as const;
    this.#keyCertificate = signOwn(KeyCertificate, document, [this.#signer, new Signer(this.#secret)]);
    return this.#keyCertificate;
  }

  /** A signed question; its id is `documentId('request', request.document)`. @throws ARGUMENT_INVALID without a key certificate */
  request(options: RequestOptions): SignedBy<typeof Request> {
    const { pseudonym, purpose, evidence, minMainHeight, priority = 'routine', at = Date.now() } = options;
    const { waitForConsent = false, validForMs = waitForConsent ? DAY_MS : 10 * MINUTE_MS } = options;
    if (this.#keyCertificate === undefined)
      throw new ClientError('ARGUMENT_INVALID', 'a request names a key certificate, and none is known');
    const document = {
      federation: this.federation,
      region: this.region,
      pseudonym,
      scopes: [...options.scopes],
      purpose,
      evidence: typeof evidence === 'string' ? evidence : digest(evidence),
      keyCertificate: documentId(KeyCertificate.type, this.#keyCertificate.document),
      minMainHeight,
      priority,
      waitForConsent,
      notBefore: at - CLOCK_WINDOW_MS,
      notAfter: at + validForMs,
      nonce: toBase64url(crypto.getRandomValues(new Uint8Array(16))),
    };
    return signOwn(Request, document, [this.#signer]);
  }

  /** Hands the request in; again while the relay cannot be reached, which changes nothing. */
  async ask(relay: RelayClient, request: SignedBy<typeof Request>): Promise<RequestAccepted> {
    const attempts = (error: unknown): number => (codeOf(error) === 'UNREACHABLE' ? AWAY_ATTEMPTS : ATTEMPTS);
    const accepted = await retried(attempts, WAIT_MS, () => relay.submitRequest(request));
    if (accepted.requestId !== documentId(Request.type, request.document))
      throw new ClientError('REPLY_MALFORMED', 'the relay took another request');
    return accepted;
  }

  /**
   * Waits until every leg has its final word and the relay has each proof at hand, which may follow its word.
   * @throws the relay's codes, UNREACHABLE or TIMEOUT out of patience, the reason of an aborted signal
   */
  async await(
    relay: RelayClient,
    requestId: string,
    { signal, patienceMs = MINUTE_MS, pollMs = WAIT_MS }: WatchOptions = {},
  ): Promise<AnswerReply> {
    let heardAt = Date.now();
    let unproven = 0;
    for (;;) {
      try {
        const reply = await relay.answer(requestId, { signal, waitSeconds: HELD_BACK_SECONDS });
        heardAt = Date.now();
        if (reply.status.final && (!lacksProof(reply) || unproven === PROOF_ATTEMPTS)) return reply;
        if (reply.status.final) unproven += 1;
      } catch (error) {
        signal?.throwIfAborted();
        if (!mayPassWatching(error) || Date.now() - heardAt > patienceMs) throw error;
      }
      await pause(pollMs, signal);
    }
  }

  /** Judges an answer against main-chain roots; only what it returns as proven can be opened. @throws as {@link verifyAnswer} */
  verify(
    view: FederationView,
    request: SignedBy<typeof Request>,
    reply: AnswerReply,
    { homes = [], at = Date.now() }: VerifyOptions = {},
  ): VerifiedAnswer {
    return verifyAnswer(view, reply, { request, receivingKey: this.receivingKey, homes, at });
  }

  /**
   * The pages that go on from a released leg, each proven to follow the one before; ends with the last, or with one
   * that the home region denied. Its time is the caller's: every page can be opened for five minutes from its making.
   * @throws OUTCOME_INVALID OUTCOME_MISMATCH, the relay's codes, the reason of an aborted signal
   */
  async *pages(
    relay: RelayClient,
    view: FederationView,
    request: SignedBy<typeof Request>,
    leg: VerifiedLeg,
    { signal, at }: { readonly signal?: AbortSignal | undefined; readonly at?: number } = {},
  ): AsyncGenerator<ProvenLeg, void, undefined> {
    if (!isProven(leg)) throw new ClientError('NOT_RELEASED', `the leg to ${leg.region} is ${leg.state}`);
    const requestId = documentId(Request.type, request.document);
    let before = leg;
    while (before.outcome.release?.next !== undefined) {
      const { region, outcome } = before;
      const number = (outcome.page?.number ?? 0) + 1;
      const fetch = () => relay.page(requestId, region, number, signal);
      const answer = await retried(PAGE_ATTEMPTS, WAIT_MS, fetch, signal);
      const check = { request, receivingKey: this.receivingKey, homes: [], at: at ?? Date.now() };
      before = verifyPage(view, before, answer, check);
      yield before;
    }
  }

  /**
   * Opens one record of a released leg, piece by piece. Nothing may be shown or kept as the record before the iteration
   * has ended without an error: write to a temporary place and move it then, as {@link openToSink} does.
   * @throws NOT_RELEASED HEADER_MISMATCH HEADER_INVALID SHARE_INVALID CFRAG_INVALID TOO_FEW_SHARES BODY_INVALID
   *   BODY_UNAVAILABLE COMMITMENT_MISMATCH
   */
  async *open(
    leg: VerifiedLeg,
    record: ReleasedRecord,
    options: OpenOptions = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const unsealed = this.unseal(leg);
    const released = unsealed.release.records.find(({ recordId }) => recordId === record.recordId);
    if (released === undefined || !isProven(leg))
      throw new ClientError('NOT_RELEASED', 'the record is not in this release');
    const secret = openRecordHeader(unsealed, released, this.#secret, options.onFault);
    try {
      yield* openRecordBody(leg, released, secret, options);
    } finally {
      secret.key.fill(0);
      secret.salt.fill(0);
    }
  }

  /** The shares of a released leg, unsealed and their bindings checked, once. @throws NOT_RELEASED HEADER_MISMATCH HEADER_INVALID */
  unseal(leg: VerifiedLeg): UnsealedRelease {
    if (!isProven(leg)) throw new ClientError('NOT_RELEASED', `the leg to ${leg.region} is ${leg.state}`);
    const known = this.#unsealed.get(leg) ?? unsealRelease(leg, this.#secret);
    this.#unsealed.set(leg, known);
    return known;
  }

  /** The word that these records of a release were opened and verified; for the relay and the dossier. */
  receipt(leg: VerifiedLeg, records: readonly string[], at: number = Date.now()): SignedBy<typeof OpenedReceipt> {
    if (!isProven(leg) || leg.state !== 'released')
      throw new ClientError('NOT_RELEASED', `the leg to ${leg.region} is ${leg.state}`);
    const { federation, requestId } = leg.outcome;
    const { region, transactionId: release } = leg;
    const document = { federation, region, requestId, release, records: [...records], openedAt: at };
    return signOwn(OpenedReceipt, document, [this.#signer]);
  }
}

/** Whether a leg is final and its proof is not here yet. */
function lacksProof({ status, answers, absence }: AnswerReply): boolean {
  const proven = new Set(answers.map(({ region }) => region));
  if (status.legs.length === 1 && status.legs[0]?.region === 'main') return absence === undefined;
  return status.legs.some(({ region, state }) => state !== 'failed' && !proven.has(region));
}

function hexByte(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}
