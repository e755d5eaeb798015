import {
  type AccessQuery,
  type ConsentDenial,
  documentId,
  type Grant,
  KeyCertificate,
  type OpenedReceipt,
  type OutcomeProof,
  type PatientKey,
  type ProxyKey,
  type Request,
  type Revocation,
  type SignedBy,
} from '@yilian/protocol';
import {
  AccessesReply,
  Answer,
  AnswerReply,
  FederationReply,
  GrantReply,
  GrantStatus,
  KeyCertificateReply as KeyCertificateSchema,
  PatientRegistered,
  ProxiesReply,
  ReceiptReply,
  RequestAccepted,
  RequestStatus,
  Submitted,
  WaitingReply,
} from '@yilian/relay/api';
import { ClientError } from './client-error.ts';
import { readEvents } from './events.ts';
import { type Call, type HttpOptions, HttpService, mayPassWatching, pause } from './http.ts';
import {
  type AccessEntry,
  type KeyCertificateReply,
  type ReplyParser,
  replyParser,
  type WaitingEntry,
} from './replies.ts';

/** What {@link RelayClient.submitGrant} sends. `registration` proves a grantee of another region. */
export interface GrantSubmission {
  readonly grant: SignedBy<typeof Grant>;
  readonly keyCertificate: SignedBy<typeof KeyCertificate>;
  readonly registration?: OutcomeProof;
}

export interface AnswerOptions {
  readonly signal?: AbortSignal | undefined;
  /** The relay answers when every leg has its final word, or after so long. */
  readonly waitSeconds?: number;
  /** An answer made anew that has no share of these organisations' proxies, because theirs did not hold. */
  readonly without?: readonly string[];
}

export interface WatchOptions {
  readonly signal?: AbortSignal | undefined;
  /** How long the relay may be out of reach before watching fails, in milliseconds; a minute when left out. */
  readonly patienceMs?: number | undefined;
  /** Between two questions while the relay does not say by itself what is new, in milliseconds. */
  readonly pollMs?: number | undefined;
}

const MAX_LIST_PAGES = 200;
const ANSWER_BYTES = 128 * 1024 * 1024;
const IDLE_MS = 20_000;
const POLL_MS = 500;
const PATIENCE_MS = 60_000;

const parseFederation = replyParser('federation', FederationReply);
const parseRegistered = replyParser('registration', PatientRegistered);
const parseKeyCertificate = replyParser<typeof KeyCertificateSchema, KeyCertificateReply>(
  'key certificate',
  KeyCertificateSchema,
);
const parseProxies = replyParser<typeof ProxiesReply, SignedBy<typeof ProxyKey>[]>('list of proxies', ProxiesReply);
const parseGrant = replyParser('grant', GrantReply);
const parseGrantStatus = replyParser('grant status', GrantStatus);
const parseSubmitted = replyParser('submission', Submitted);
const parseAccepted = replyParser('acceptance', RequestAccepted);
const parseStatus = replyParser('request status', RequestStatus);
const parseAnswer = replyParser('answer', AnswerReply);
const parsePage = replyParser('page', Answer);
const parseReceipt = replyParser('acceptance of a receipt', ReceiptReply);
const parseAccesses = replyParser<typeof AccessesReply, { accesses: AccessEntry[]; next?: string }>(
  'list of accesses',
  AccessesReply,
);
const parseWaiting = replyParser<typeof WaitingReply, { waiting: WaitingEntry[]; next?: string }>(
  'list of waiting requests',
  WaitingReply,
);

/**
 * A region's relay. What it answers has the right shape and is otherwise hearsay: {@link FederationView} and
 * {@link Practitioner} check what is believed. Every method throws UNREACHABLE, TIMEOUT, REPLY_TOO_LARGE,
 * REPLY_MALFORMED, or the relay's own code with its HTTP status.
 */
export class RelayClient {
  readonly url: string;
  readonly #service: HttpService;

  constructor(url: string, options: HttpOptions = {}) {
    this.#service = new HttpService(url, options);
    this.url = this.#service.url;
  }

  federation(): Promise<FederationReply> {
    return this.#get('/v1/federation', parseFederation);
  }

  /** `patientKey` carries the patient's and the hospital's signature. */
  registerPatient(patientKey: SignedBy<typeof PatientKey>): Promise<PatientRegistered> {
    return this.#post('/v1/patients', { patientKey }, parseRegistered);
  }

  /** @throws KEY_CERTIFICATE_INVALID when the relay shows another one, be it as valid as it may */
  async keyCertificate(keyCertificateId: string): Promise<KeyCertificateReply> {
    const path = `/v1/key-certificates/${encodeURIComponent(keyCertificateId)}`;
    const reply = await this.#get(path, parseKeyCertificate);
    if (documentId(KeyCertificate.type, reply.keyCertificate.document) !== keyCertificateId)
      throw new ClientError('KEY_CERTIFICATE_INVALID', 'the relay shows another key certificate than it was asked for');
    return reply;
  }

  proxies(): Promise<SignedBy<typeof ProxyKey>[]> {
    return this.#get('/v1/proxies', parseProxies);
  }

  submitGrant(submission: GrantSubmission): Promise<GrantReply> {
    return this.#post('/v1/grants', submission, parseGrant);
  }

  grant(grantId: string): Promise<GrantStatus> {
    return this.#get(`/v1/grants/${encodeURIComponent(grantId)}`, parseGrantStatus);
  }

  revoke(revocation: SignedBy<typeof Revocation>): Promise<Submitted> {
    return this.#post('/v1/revocations', revocation, parseSubmitted);
  }

  submitRequest(request: SignedBy<typeof Request>): Promise<RequestAccepted> {
    return this.#post('/v1/requests', { request }, parseAccepted);
  }

  status(requestId: string, signal?: AbortSignal): Promise<RequestStatus> {
    return this.#get(`/v1/requests/${encodeURIComponent(requestId)}`, parseStatus, { signal });
  }

  /** What has come so far, or at its end where there is time to wait. */
  answer(requestId: string, { signal, waitSeconds, without = [] }: AnswerOptions = {}): Promise<AnswerReply> {
    const query = without
      .map((mspId, index) => `${index === 0 ? '?' : '&'}without=${encodeURIComponent(mspId)}`)
      .join('');
    return this.#get(`/v1/requests/${encodeURIComponent(requestId)}/answer${query}`, parseAnswer, {
      signal,
      limitBytes: ANSWER_BYTES,
      ...(waitSeconds !== undefined && { waitSeconds }),
    });
  }

  /** A further page of what `region` released, from 1; it is made when it is first asked for. */
  page(requestId: string, region: string, page: number, signal?: AbortSignal): Promise<Answer> {
    const path = `/v1/requests/${encodeURIComponent(requestId)}/pages/${page}?region=${encodeURIComponent(region)}`;
    return this.#get(path, parsePage, { signal });
  }

  /** `queued`: the home region has not confirmed yet, and the relay goes on trying. */
  submitReceipt(receipt: SignedBy<typeof OpenedReceipt>): Promise<ReceiptReply> {
    return this.#post('/v1/receipts', { receipt }, parseReceipt);
  }

  /** Every page, newest first. @throws REPLY_TOO_LARGE for more pages than any patient has */
  accesses(query: SignedBy<typeof AccessQuery>): Promise<AccessEntry[]> {
    return this.#list('/v1/accesses', query, (reply) => {
      const { accesses: entries, next } = parseAccesses(reply);
      return { entries, next };
    });
  }

  /** Requests that wait for the consent of the patient who signed the query. @throws REPLY_TOO_LARGE */
  waiting(query: SignedBy<typeof AccessQuery>): Promise<WaitingEntry[]> {
    return this.#list('/v1/waiting', query, (reply) => {
      const { waiting: entries, next } = parseWaiting(reply);
      return { entries, next };
    });
  }

  decline(denial: SignedBy<typeof ConsentDenial>): Promise<Submitted> {
    return this.#post('/v1/denials', denial, parseSubmitted);
  }

  /**
   * Every change of a request's status, the last one final: by server-sent events, else by asking again and again.
   * @throws the reason of an aborted signal
   */
  async *watch(
    requestId: string,
    { signal, patienceMs = PATIENCE_MS, pollMs = POLL_MS }: WatchOptions = {},
  ): AsyncGenerator<RequestStatus, void, undefined> {
    let heardAt = Date.now();
    let failure: Error | undefined;
    let last = '';
    for (let poll = false; ; poll = true) {
      try {
        for await (const status of this.#statuses(requestId, poll, signal)) {
          heardAt = Date.now();
          const text = JSON.stringify(status);
          if (text !== last) yield status;
          last = text;
          if (status.final) return;
        }
      } catch (error) {
        signal?.throwIfAborted();
        if (!mayPassWatching(error)) throw error;
        failure = error;
      }
      if (Date.now() - heardAt > patienceMs && failure !== undefined) throw failure;
      await pause(pollMs, signal);
    }
  }

  /** One event stream, which begins with where the request stands; one poll before it where streams may not come through. */
  async *#statuses(requestId: string, poll: boolean, signal: AbortSignal | undefined): AsyncGenerator<RequestStatus> {
    if (poll) {
      const status = await this.status(requestId, signal);
      yield status;
      if (status.final) return;
    }
    const stream = await this.#service.events(`/v1/requests/${encodeURIComponent(requestId)}/events`, signal);
    if (stream === undefined && !poll) yield await this.status(requestId, signal);
    if (stream === undefined) return;
    for await (const data of readEvents(stream, 'status', IDLE_MS)) {
      const next = parseStatus(JSON.parse(data));
      if (next.requestId === requestId) yield next;
    }
  }

  async #list<T>(
    path: string,
    query: SignedBy<typeof AccessQuery>,
    parse: ReplyParser<{ readonly entries: readonly T[]; readonly next: string | undefined }>,
  ): Promise<T[]> {
    const all: T[] = [];
    let next: string | undefined;
    for (let page = 0; page < MAX_LIST_PAGES; page += 1) {
      const reply = await this.#post(path, { query, ...(next !== undefined && { next }) }, parse);
      all.push(...reply.entries);
      next = reply.next;
      if (next === undefined) return all;
    }
    throw new ClientError('REPLY_TOO_LARGE', 'the relay’s list has no end');
  }

  async #get<T>(path: string, parse: ReplyParser<T>, call: Call = {}): Promise<T> {
    return parse(await this.#service.json(path, call));
  }

  async #post<T>(path: string, body: unknown, parse: ReplyParser<T>): Promise<T> {
    return parse(await this.#service.json(path, { method: 'POST', body }));
  }
}
