import { CFRAG_BYTES } from '@yilian/pre';
import {
  FederationId,
  KeyCertificate,
  MspId,
  OpenedReceipt,
  OutcomeProof,
  Pem,
  Request,
  type SignedBy,
  toBase64url,
} from '@yilian/protocol';
import { type Static, Type } from '@yilian/schema';
import { isProven, type ProvenLeg, type VerifiedAnswer } from './answers.ts';
import type { FederationView } from './federation-view.ts';
import type { Practitioner } from './practitioner.ts';
import type { KeyCertificateReply } from './replies.ts';

export const DOSSIER_VERSION = 'yilian/dossier/v1';

const object = <P extends Parameters<typeof Type.Object>[0]>(properties: P) =>
  Type.Object(properties, { additionalProperties: false });
const CFRAG_CHARACTERS = Math.ceil((CFRAG_BYTES * 4) / 3);

/** One proxy's part in a release, its fragments in the open: they open nothing without the requester's key. */
const DossierShare = object({
  mspId: MspId,
  certificate: Pem,
  /** ES256 (DER, low S, base64url) over `bindingMessage(...)` of pre. */
  signature: Type.String({ pattern: '^[A-Za-z0-9_-]{80,104}$' }),
  /** For each record of the release, in its order. */
  cfrags: Type.Array(Type.String({ pattern: `^[A-Za-z0-9_-]{${CFRAG_CHARACTERS}}$` }), { minItems: 1, maxItems: 200 }),
});

/** What one home region decided, or a page of what it released, and what followed. */
const DossierLeg = object({
  /** Of the `Requests:decide` transaction, or of `Requests:page` for a further page. */
  proof: OutcomeProof,
  /** Key headers of the released records, in the release's order; empty when nothing was released. */
  headers: Type.Array(Type.String({ pattern: '^[A-Za-z0-9_-]{100,1400}$' }), { maxItems: 200 }),
  shares: Type.Array(DossierShare, { maxItems: 64 }),
  receipts: Type.Array(OpenedReceipt.signed, { maxItems: 200 }),
});

/** Everything about one request, so that whoever has the genesis can check it offline (SPEC.md §3). */
export const DossierSchema = object({
  version: Type.Literal(DOSSIER_VERSION),
  federation: FederationId,
  /** Changes of the main chain's trust roots since the genesis, oldest first. */
  main: Type.Optional(Type.Array(OutcomeProof, { minItems: 1, maxItems: 64 })),
  /** Main-chain proofs of the entries of every region concerned. */
  regions: Type.Array(OutcomeProof, { minItems: 1, maxItems: 66 }),
  keyCertificate: KeyCertificate.signed,
  /** Of the transaction that registered the key certificate. */
  registration: OutcomeProof,
  request: Request.signed,
  legs: Type.Array(DossierLeg, { maxItems: 256 }),
  /** Of the main chain's transaction that no region holds the patient. */
  absence: Type.Optional(OutcomeProof),
});

export type DossierLeg = Omit<Static<typeof DossierLeg>, 'receipts'> & {
  readonly receipts: readonly SignedBy<typeof OpenedReceipt>[];
};
export type Dossier = Omit<Static<typeof DossierSchema>, 'keyCertificate' | 'request' | 'legs'> & {
  readonly keyCertificate: SignedBy<typeof KeyCertificate>;
  readonly request: SignedBy<typeof Request>;
  readonly legs: readonly DossierLeg[];
};

export interface DossierContent {
  readonly view: FederationView;
  readonly keyCertificate: KeyCertificateReply;
  readonly request: SignedBy<typeof Request>;
  readonly answer: VerifiedAnswer;
  /** Unseals the shares; without it the dossier proves decisions and receipts, not the proxies' parts. */
  readonly practitioner?: Practitioner;
  readonly receipts?: readonly SignedBy<typeof OpenedReceipt>[];
}

/** Gathers what is proven about a request. Legs without a proven outcome are left out: a dossier holds no hearsay. */
export function dossier(content: DossierContent): Dossier {
  const { view, keyCertificate, request, answer } = content;
  const legs = answer.legs.filter(isProven);
  const regions = new Set([keyCertificate.keyCertificate.document.region, ...legs.map(({ region }) => region)]);
  return {
    version: DOSSIER_VERSION,
    federation: view.federation,
    ...(view.rotations.length > 0 && { main: [...view.rotations] }),
    regions: [...regions].toSorted().map((region) => view.proof(region)),
    keyCertificate: keyCertificate.keyCertificate,
    registration: keyCertificate.proof,
    request,
    legs: legs.map((leg) => legOf(leg, content)),
    ...(answer.absence !== undefined && { absence: answer.absence.proof }),
  };
}

function legOf(leg: ProvenLeg, { practitioner, receipts = [] }: DossierContent): DossierLeg {
  const { answer, outcome, transactionId } = leg;
  if (outcome.release === undefined) return { proof: answer.proof, headers: [], shares: [], receipts: [] };
  const byRecord = new Map(answer.headers.map(({ recordId, header }) => [recordId, header]));
  return {
    proof: answer.proof,
    headers: outcome.release.records.map(({ recordId }) => byRecord.get(recordId) ?? ''),
    shares: (practitioner?.unseal(leg).shares ?? []).map(({ mspId, certificate, signature, cfrags }) => ({
      mspId,
      certificate,
      signature,
      cfrags: cfrags.map(toBase64url),
    })),
    receipts: receipts.filter(({ document }) => document.release === transactionId),
  };
}
