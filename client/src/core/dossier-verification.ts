import type { Identity } from '@yilian/ledger/verify';
import { ReceiverCache } from '@yilian/pre';
import {
  documentId,
  fromBase64url,
  type Genesis,
  KeyCertificate,
  type OpenedReceipt,
  type Outcome,
  Request,
  type SignedBy,
} from '@yilian/protocol';
import { Compile } from '@yilian/schema';
import { ClientError, codeOf, type OwnErrorCode } from './client-error.ts';
import { type Dossier, type DossierLeg, DossierSchema } from './dossier.ts';
import { FederationView } from './federation-view.ts';
import { type Holder, requireSigner } from './identity.ts';
import { checkKeyCertificate, checkRegistration, type Grantee } from './key-certificates.ts';
import { type ProvenAbsence, type ProvenOutcome, proveAbsence, proveDecision, requireAnswerTo } from './outcomes.ts';
import { prove } from './proofs.ts';
import { capsulesOf, checkBinding, checkCfrags, checkHeaders } from './shares.ts';
import { hasSignatures } from './signing.ts';

/** What a dossier proves. Times in epoch milliseconds. */
export interface DossierReport {
  readonly federation: string;
  readonly requestId: string;
  readonly requester: Holder & { readonly region: string };
  readonly request: Request;
  readonly legs: readonly DossierLegReport[];
  readonly absence?: ProvenAbsence;
}

export interface DossierLegReport extends ProvenOutcome {
  readonly region: string;
  readonly state: Outcome['outcome'];
  /** MSP ids of the proxies whose fragments were checked. */
  readonly reencryptedBy: readonly string[];
  readonly opened: readonly { readonly at: number; readonly records: readonly string[] }[];
}

const validator = Compile(DossierSchema);
/** The part of a dossier, by JSON pointer, and the code of whatever is wrong with it. */
const CODES: readonly (readonly [RegExp, OwnErrorCode])[] = [
  [/^\/federation$/, 'FEDERATION_MISMATCH'],
  [/^\/main\b/, 'ROTATION_INVALID'],
  [/^\/regions\//, 'REGION_ENTRY_INVALID'],
  [/^\/keyCertificate\b/, 'KEY_CERTIFICATE_INVALID'],
  [/^\/registration\b/, 'REGISTRATION_INVALID'],
  [/^\/request\b/, 'REQUEST_INVALID'],
  [/^\/legs\/\d+\/proof\b/, 'OUTCOME_INVALID'],
  [/^\/legs\/\d+\/headers\b/, 'HEADER_MISMATCH'],
  [/^\/legs\/\d+\/shares\b/, 'SHARE_INVALID'],
  [/^\/legs\/\d+\/receipts\b/, 'RECEIPT_INVALID'],
  [/^\/absence\b/, 'ABSENCE_INVALID'],
];

/**
 * Checks everything in a dossier, offline, from the pinned genesis alone; each fact at the time its own chain states.
 * @throws ClientError with the code of the first part that fails (SPEC.md §3), naming the party that signed what is wrong
 */
export async function verifyDossier(dossier: unknown, genesis: Genesis): Promise<DossierReport> {
  const checkedDossier = parseDossier(dossier);
  const { federation, main, regions, request } = checkedDossier;
  if (federation !== genesis.federation)
    throw new ClientError('FEDERATION_MISMATCH', 'the dossier is of another federation');
  const { rotations } = part('ROTATION_INVALID', () => FederationView.fromProofs([], genesis, main));
  const view = part('REGION_ENTRY_INVALID', () => FederationView.fromProofs(regions, genesis, rotations));
  const decided = checkedDossier.legs.map(({ proof }) =>
    part('OUTCOME_INVALID', () => proveDecision(view, proof, ['own'])),
  );
  const askedAt = earliest(decided, checkedDossier, view);
  const grantee = part('KEY_CERTIFICATE_INVALID', () =>
    checkKeyCertificate(view, checkedDossier.keyCertificate, askedAt),
  );
  part('REGISTRATION_INVALID', () => checkRegistration(view, grantee, checkedDossier.registration, ['own', askedAt]));
  part('REQUEST_INVALID', () => checkRequest(view, checkedDossier, grantee, askedAt));
  const requester = { keyCertificate: checkedDossier.keyCertificate, grantee };
  const legs = checkedDossier.legs.map((leg, index) => {
    const proven = decided[index] as ProvenOutcome;
    requireAnswerTo({ request, receivingKey: grantee.key }, view.federation, leg.proof.network, proven.outcome);
    return checkLeg(view, leg, proven, requester);
  });
  const places = new Set(legs.map(({ region, outcome }) => `${region}/${outcome.page?.number ?? 0}`));
  if (places.size !== legs.length) throw new ClientError('DOSSIER_MALFORMED', 'a leg is there twice');
  const { name, hospital, fingerprint, region } = grantee;
  return Promise.resolve({
    federation,
    requestId: documentId(Request.type, request.document),
    requester: { name, hospital, fingerprint, region },
    request: request.document,
    legs,
    ...(checkedDossier.absence !== undefined && {
      absence: proveAbsence(view, checkedDossier.absence, request, ['own']),
    }),
  });
}

function parseDossier(value: unknown): Dossier {
  if (validator.Check(value)) return value as Dossier;
  const [, [first]] = validator.Errors(value);
  const path = first?.instancePath ?? '';
  const code = CODES.find(([pattern]) => pattern.test(path))?.[1] ?? 'DOSSIER_MALFORMED';
  throw new ClientError(code, `the dossier is malformed at ${path === '' ? '/' : path}`);
}

/** Like `checked`, but with the code of the dossier's part whatever the inner check called it. */
function part<T>(code: OwnErrorCode, check: () => T): T {
  try {
    return check();
  } catch (cause) {
    const party = cause instanceof ClientError ? cause.party : undefined;
    throw new ClientError(code, `a part of the dossier does not hold (${codeOf(cause) ?? 'unknown'})`, {
      cause,
      party,
    });
  }
}

/** When the first chain dealt with the request: the time at which its signer's certificate must have been in force. */
function earliest(decided: readonly ProvenOutcome[], { absence }: Dossier, view: FederationView): number {
  const times = decided.map(({ timestamp }) => timestamp);
  if (absence !== undefined) {
    const proven = part('ABSENCE_INVALID', () =>
      prove(absence, view.trusts(view.genesis.main.network), { function: 'Index:absent' }, ['own']),
    );
    times.push(proven.timestamp);
  }
  if (times.length === 0) throw new ClientError('DOSSIER_MALFORMED', 'a dossier without a leg proves nothing');
  return Math.min(...times);
}

function checkRequest(view: FederationView, { request, keyCertificate }: Dossier, grantee: Grantee, at: number): void {
  const { document } = request;
  const refused = (why: string) => new ClientError('REQUEST_INVALID', why);
  if (document.federation !== view.federation || document.region !== grantee.region)
    throw refused('the request is of another region than its signer');
  if (document.keyCertificate !== documentId(KeyCertificate.type, keyCertificate.document))
    throw refused('the request names another key certificate');
  requireRequester('REQUEST_INVALID', view, request, keyCertificate, at);
}

/** Exactly the certificate that the key certificate names, and no other, signed. */
function requireRequester(
  code: OwnErrorCode,
  view: FederationView,
  signed: SignedBy<typeof Request> | SignedBy<typeof OpenedReceipt>,
  { document: { region, mspId, certificate } }: SignedBy<typeof KeyCertificate>,
  at: number,
): Identity {
  const identity = requireSigner(code, signed, { trusts: view.trusts(region), mspId, role: 'practitioner' }, at);
  if (identity.fingerprint !== certificate || !hasSignatures(signed, 'ES256'))
    throw new ClientError(code, `${signed.type} is signed by another certificate`);
  return identity;
}

function checkLeg(
  view: FederationView,
  { headers, shares, receipts, proof }: DossierLeg,
  proven: ProvenOutcome,
  requester: { readonly keyCertificate: SignedBy<typeof KeyCertificate>; readonly grantee: Grantee },
): DossierLegReport {
  const { outcome, transactionId, timestamp } = proven;
  const { release } = outcome;
  const report = { ...proven, region: proof.network, state: outcome.outcome };
  if (release === undefined) {
    if (headers.length > 0 || shares.length > 0 || receipts.length > 0)
      throw new ClientError('DOSSIER_MALFORMED', 'a leg without a release has no headers, shares or receipts');
    return { ...report, reencryptedBy: [], opened: [] };
  }
  if (headers.length !== release.records.length)
    throw new ClientError('HEADER_MISMATCH', 'not one key header for each record');
  const checkedHeaders = part('HEADER_MISMATCH', () => checkHeaders(release, headers.map(fromBase64url)));
  const capsules = capsulesOf(release, checkedHeaders);
  const context = { outcome, release, transactionId, trusts: view.trusts(proof.network), at: timestamp };
  using cache = new ReceiverCache();
  for (const { mspId, certificate, signature, cfrags } of shares) {
    const share = { mspId, certificate, signature, cfrags: part('SHARE_INVALID', () => cfrags.map(fromBase64url)) };
    checkBinding(context, capsules, share);
    checkCfrags(context, capsules, share, cache);
  }
  const reencryptedBy = shares.map(({ mspId }) => mspId);
  if (new Set(reencryptedBy).size !== shares.length) throw new ClientError('SHARE_INVALID', 'a proxy has two shares');
  for (const receipt of receipts) {
    part('RECEIPT_INVALID', () => {
      const { federation, region, requestId, release: of, records } = receipt.document;
      const released = new Set(release.records.map(({ recordId }) => recordId));
      const about = federation === outcome.federation && region === outcome.region && requestId === outcome.requestId;
      if (!about || of !== transactionId || !records.every((recordId) => released.has(recordId)))
        throw new ClientError('RECEIPT_INVALID', 'the receipt is about something else');
      requireRequester('RECEIPT_INVALID', view, receipt, requester.keyCertificate, timestamp);
    });
  }
  const opened = receipts.map(({ document: { openedAt: at, records } }) => ({ at, records }));
  return { ...report, reencryptedBy, opened };
}
