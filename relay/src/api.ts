import {
  AccessQuery,
  ConsentDenial,
  Envelope,
  Grant,
  Hash,
  KeyCertificate,
  MspId,
  OpenedReceipt,
  Outcome,
  OutcomeProof,
  PatientKey,
  ProxyKey,
  Pseudonym,
  RecordId,
  RegionEntry,
  RegionId,
  Request,
  Revocation,
  ScopeEntry,
  Time,
  TransactionId,
  Url,
} from '@yilian/protocol';
import { Share } from '@yilian/proxy/api';
import { type Static, Type } from '@yilian/schema';

/** HTTP interface of a relay: schemas only, for servers, clients and the OpenAPI description. */
const object = <P extends Parameters<typeof Type.Object>[0]>(properties: P) =>
  Type.Object(properties, { additionalProperties: false });
const Base64url = (maxLength: number) => Type.String({ pattern: '^[A-Za-z0-9_-]+$', maxLength });

/** GET /v1/federation */
export const FederationReply = object({
  federation: RegionId,
  region: RegionId,
  mainHeight: Type.Integer(),
  scopes: Type.Array(ScopeEntry),
  /** Every change of the main chain's trust roots since the genesis, oldest first, each attested under those before. */
  main: Type.Array(OutcomeProof, { maxItems: 64 }),
  /** Every region's entry as a main-chain outcome proof of the change that put it there. */
  regions: Type.Array(object({ region: RegionId, entry: RegionEntry, proof: OutcomeProof })),
});
export type FederationReply = Static<typeof FederationReply>;

/** POST /v1/patients: registers a signing key on the main chain; the hospital enrols with the proof. */
export const PatientRegistration = object({ patientKey: PatientKey.signed });
export const PatientRegistered = object({ proof: OutcomeProof });
export type PatientRegistered = Static<typeof PatientRegistered>;

/** GET /v1/key-certificates/:id */
export const KeyCertificateReply = object({ keyCertificate: KeyCertificate.signed, proof: OutcomeProof });
export type KeyCertificateReply = Static<typeof KeyCertificateReply>;

/** GET /v1/proxies */
export const ProxiesReply = Type.Array(ProxyKey.signed);

/** POST /v1/grants */
export const GrantSubmission = object({
  grant: Grant.signed,
  keyCertificate: KeyCertificate.signed,
  registration: Type.Optional(OutcomeProof),
});
export const GrantReply = object({ grantId: Hash, transactionId: TransactionId });
export type GrantReply = Static<typeof GrantReply>;

/** GET /v1/grants/:id */
export const GrantStatus = object({
  grantId: Hash,
  threshold: Type.Integer(),
  proxies: Type.Array(Type.String()),
  acknowledgedBy: Type.Array(Type.String()),
  destroyedBy: Type.Array(Type.String()),
  revokedAt: Type.Optional(Type.Integer()),
});
export type GrantStatus = Static<typeof GrantStatus>;

/** POST /v1/revocations */
export const RevocationSubmission = Revocation.signed;
/** POST /v1/denials: a patient's no to a request that waits for consent in this region. */
export const DenialSubmission = ConsentDenial.signed;
export const Submitted = object({ transactionId: TransactionId });
export type Submitted = Static<typeof Submitted>;

/** POST /v1/requests → 202 once the request is committed on the requesting chain. */
export const RequestSubmission = object({ request: Request.signed });
export const RequestAccepted = object({ requestId: Hash, transactionId: TransactionId, homes: Type.Array(RegionId) });
export type RequestAccepted = Static<typeof RequestAccepted>;

/** Where one leg stands. The first four are states, the others final words. */
export const LegState = Type.Enum([
  'pending',
  'unreachable',
  'waiting',
  'refused',
  'released',
  'denied',
  'absent',
  'expired',
  'failed',
]);
export type LegState = Static<typeof LegState>;
export const LegStatus = object({
  region: RegionId,
  state: LegState,
  /** The home chain's transaction, or the main chain's for region `main`. */
  transactionId: Type.Optional(TransactionId),
  /** Why a home refused to decide, what its answer lacks, or why it cannot be reached. */
  code: Type.Optional(Type.String({ maxLength: 64 })),
});
export type LegStatus = Static<typeof LegStatus>;

/** GET /v1/requests/:id, and each event of GET /v1/requests/:id/events (server-sent events named `status`). */
export const RequestStatus = object({ requestId: Hash, final: Type.Boolean(), legs: Type.Array(LegStatus) });
export type RequestStatus = Static<typeof RequestStatus>;

/** A home region's answer. Everything in it is public or sealed to the requester. */
export const Answer = object({
  region: RegionId,
  /** Proof of the `Requests:decide` transaction; its payload is the outcome. */
  proof: OutcomeProof,
  /** Key headers of the released records, in the release's order. */
  headers: Type.Array(object({ recordId: RecordId, header: Base64url(1400) }), { maxItems: 200 }),
  shares: Type.Array(Share, { maxItems: 64 }),
  /** In place of shares: proofs of `Grants:revoke` transactions that overtook the release. */
  revocations: Type.Optional(Type.Array(OutcomeProof, { minItems: 1, maxItems: 16 })),
  /** Trustless gateways that hold the bodies. */
  holders: Type.Array(Url, { maxItems: 16 }),
  /** Small sealed bodies that ride along, in any order. */
  bodies: Type.Array(object({ recordId: RecordId, sealed: Base64url(349_526) }), { maxItems: 200 }),
});
export type Answer = Static<typeof Answer>;

/** GET /v1/requests/:id/answer: with `without`, an answer made anew without shares of these organisations' proxies. */
export const AnswerQuery = object({ without: Type.Optional(Type.Union([MspId, Type.Array(MspId, { maxItems: 64 })])) });
/** `Prefer: wait=SECONDS` (RFC 7240): answers when every leg has its final word, or after so long. */
export const AnswerHeaders = Type.Object({ prefer: Type.Optional(Type.String({ maxLength: 256 })) });
export const AnswerReply = object({
  status: RequestStatus,
  answers: Type.Array(Answer),
  /** Main-chain proof that no region holds the patient. */
  absence: Type.Optional(OutcomeProof),
});
export type AnswerReply = Static<typeof AnswerReply>;

/** GET /v1/requests/:id/pages/:page?region=…: an {@link Answer} whose proof is of `Requests:page`. */
export const PageParameters = object({ id: Hash, page: Type.String({ pattern: '^[1-9][0-9]{0,5}$' }) });
export const PageQuery = object({ region: RegionId });

/** POST /v1/receipts: forwarded to the home region. */
export const ReceiptSubmission = object({ receipt: OpenedReceipt.signed });
/** `queued`: the home region has not confirmed yet; the relay goes on trying. Kind `accepted` has the same body. */
export const ReceiptReply = object({ state: Type.Union([Type.Literal('committed'), Type.Literal('queued')]) });
export type ReceiptReply = Static<typeof ReceiptReply>;

const Bookmark = Type.String({ minLength: 1, maxLength: 512 });
/** POST /v1/accesses: one page, from `next` of the page before. */
export const AccessSubmission = object({ query: AccessQuery.signed, next: Type.Optional(Bookmark) });
export const AccessesReply = object({
  accesses: Type.Array(
    object({
      requestId: Hash,
      request: Request.signed,
      /** When it was asked or decided there. */
      at: Time,
      outcome: Type.Optional(Outcome),
      transactionId: Type.Optional(TransactionId),
      openedAt: Type.Optional(Time),
      legs: Type.Array(object({ region: RegionId, outcome: Type.String(), at: Time, transactionId: TransactionId })),
    }),
    { maxItems: 200 },
  ),
  next: Type.Optional(Bookmark),
});
export type AccessesReply = Static<typeof AccessesReply>;

/** POST /v1/waiting: requests that wait for this patient's consent in this region, one page after `next`. */
export const WaitingSubmission = object({ query: AccessQuery.signed, next: Type.Optional(Hash) });
export const WaitingReply = object({
  waiting: Type.Array(object({ requestId: Hash, request: Request.signed }), { maxItems: 200 }),
  next: Type.Optional(Hash),
});
export type WaitingReply = Static<typeof WaitingReply>;

/** POST /v1/relay: one relay to another; the answer is an envelope too. */
export const EnvelopeBody = Envelope.signed;
/** Organisations whose proxies' shares did not hold: an answer is made without them. */
const Without = Type.Array(MspId, { maxItems: 64, uniqueItems: true });
/** Kind `ask`. */
export const AskBody = object({
  request: Request.signed,
  keyCertificate: KeyCertificate.signed,
  without: Type.Optional(Without),
});
export type AskBody = Static<typeof AskBody>;
/** Kind `page`: a further page of a release, from 1. */
export const PageBody = object({ requestId: Hash, page: Type.Integer({ minimum: 1, maximum: 999_999 }) });
/** Kind `answer`, in reply to `ask` and `page`. */
export const AskReply = Type.Union([
  object({ state: Type.Literal('decided'), answer: Answer }),
  object({ state: Type.Literal('waiting') }),
  /** `code`: what an answer lacks although the request is decided. */
  object({ state: Type.Literal('pending'), code: Type.Optional(Type.String({ maxLength: 64 })) }),
  object({
    state: Type.Literal('refused'),
    code: Type.String({ maxLength: 64 }),
    message: Type.String({ maxLength: 512 }),
  }),
]);
export type AskReply = Static<typeof AskReply>;
/** Kind `receipt`, answered by kind `accepted`. */
export const ReceiptBody = object({ receipt: OpenedReceipt.signed });

/** GET /v1/dead-letters, for operators: jobs the relay gave up on. */
export const DeadLetter = object({
  id: Type.String(),
  name: Type.String(),
  reason: Type.String(),
  failedAt: Time,
  attempts: Type.Integer(),
});
export type DeadLetter = Static<typeof DeadLetter>;
export const DeadLettersReply = Type.Array(DeadLetter);
export const DeadLetterParameter = object({ id: Type.String({ pattern: '^(legs|decide|mirror)\\.[0-9]{1,16}$' }) });
export const Replayed = object({ replayed: Type.Literal(true) });

/** GET /ready: 200 when all hold, else 503. */
export const ReadyReply = object({
  ready: Type.Boolean(),
  redis: Type.Boolean(),
  regional: Type.Boolean(),
  main: Type.Boolean(),
  /** Age of the view of the main chain, milliseconds. */
  viewAgeMs: Type.Integer(),
});
export type ReadyReply = Static<typeof ReadyReply>;
export const HealthReply = object({ healthy: Type.Literal(true) });

export const PseudonymParameter = object({ pseudonym: Pseudonym });
export const HashParameter = object({ id: Hash });
/** Every error is `{ code, message }`. */
export const ErrorReply = object({ code: Type.String(), message: Type.String() });
export type ErrorReply = Static<typeof ErrorReply>;
