import {
  Attestation,
  Checkpoint,
  Envelope,
  Hash,
  MainHeight,
  Pem,
  ProxyKey,
  Revocation,
  Signature,
  TransactionId,
} from '@yilian/protocol';
import { type Static, Type } from '@yilian/schema';

/**
 * HTTP interface of a proxy. `POST /v1/kfrags` and `/v1/revocations` are for patients; the others take an envelope
 * signed by a relay, addressed to `<network>/<mspId>`, whose body is named here.
 */
const object = <P extends Parameters<typeof Type.Object>[0]>(properties: P) =>
  Type.Object(properties, { additionalProperties: false });
const Base64url = (maxLength: number) => Type.String({ pattern: '^[A-Za-z0-9_-]+$', maxLength });

/** POST /v1/kfrags: key fragments of a grant that is on the chain, sealed to this proxy. */
export const KfragDelivery = object({ grantId: Hash, sealed: Base64url(16_384) });
export type KfragDelivery = Static<typeof KfragDelivery>;
export const KfragReply = object({ acknowledged: Type.Literal(true), transactionId: Type.Optional(TransactionId) });
export type KfragReply = Static<typeof KfragReply>;

/** POST /v1/revocations: a patient's revocation; the proxy stops at once and destroys. */
export const RevocationDelivery = Revocation.signed;
export const RevocationReply = object({ stopped: Type.Boolean(), destroyed: Type.Boolean() });
export type RevocationReply = Static<typeof RevocationReply>;

/** POST /v1/releases, kind `release`. */
export const ReleaseOrder = object({ requestId: Hash, transactionId: TransactionId });
export type ReleaseOrder = Static<typeof ReleaseOrder>;

/** One proxy's part in a release: its cfrags sealed to the requester, bound to request, transaction and recipient. */
export const Share = object({
  mspId: Type.String({ maxLength: 64 }),
  /** base64url of `sealTo(receivingKey, cfrags, cfragContext(...))`. */
  sealed: Base64url(131_072),
  certificate: Pem,
  /** ES256 (DER, low S, base64url) over `bindingMessage(...)` of pre. */
  signature: Base64url(104),
});
export type Share = Static<typeof Share>;
export const ReleaseReply = object({ share: Share, attestation: Attestation });
export type ReleaseReply = Static<typeof ReleaseReply>;

/** POST /v1/attestations, kind `attest`: the proxy's word on a committed transaction, from its own view. */
export const AttestOrder = object({
  transactionId: TransactionId,
  /** Of the trust roots to attest under, among those in force. Default: the newest. */
  trustRootVersion: Type.Optional(Type.Integer({ minimum: 1 })),
});
export type AttestOrder = Static<typeof AttestOrder>;
export const AttestReply = object({ attestation: Attestation });
export type AttestReply = Static<typeof AttestReply>;

/** POST /v1/heights, kind `height` (attesters of the main chain): co-signs a main height it can confirm. */
export const HeightOrder = object({ document: MainHeight.schema });
export type HeightOrder = Static<typeof HeightOrder>;

/** POST /v1/checkpoints, kind `checkpoint`: recomputes and co-signs. */
export const CheckpointOrder = object({ document: Checkpoint.schema });
export type CheckpointOrder = Static<typeof CheckpointOrder>;

/** Answer to both: one certificate signature over the document. */
export const SignatureReply = object({ signature: Signature });
export type SignatureReply = Static<typeof SignatureReply>;

/** GET /v1/key: the proxy's registered key. */
export const KeyReply = ProxyKey.signed;
export const EnvelopeBody = Envelope.signed;

/** Every error is `{ code, message }`. */
export const ErrorReply = object({ code: Type.String(), message: Type.String() });
