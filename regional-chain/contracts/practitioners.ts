import { ChainContract, type Context, getJson, putJson, refuse } from '@yilian/ledger/contract';
import { verifyOutcome } from '@yilian/ledger/verify';
import { documentId, KeyCertificate, requireKeySignature, type SignedBy } from '@yilian/protocol';
import {
  documentArgument,
  foundation,
  idArgument,
  type Mirror,
  mirrorOf,
  now,
  proofArgument,
  requireRecent,
  requireRole,
  requireSigner,
} from './region.ts';

export type SignedKeyCertificate = SignedBy<typeof KeyCertificate>;

/** A key certificate with the transaction that registered it, on its own region's chain. */
export interface KeyCertificateEntry {
  readonly signed: SignedKeyCertificate;
  readonly transactionId: string;
}

/** Practitioners' key certificates: this region's own, and those of other regions that a grant named. */
export class PractitionerContract extends ChainContract {
  constructor() {
    super('Practitioners');
  }

  async register(ctx: Context, json: string): Promise<string> {
    const mspId = requireRole(ctx, 'hospital');
    const home = await foundation(ctx);
    const at = now(ctx);
    const signed = documentArgument(KeyCertificate, json, home);
    requireRecent(signed.document.signedAt, at);
    if (signed.document.mspId !== mspId) refuse('CUSTODY_MISMATCH', 'a hospital registers its own practitioners');
    const keyCertificateId = checkKeyCertificate(signed, await mirrorOf(ctx, home.region), at);
    if ((await keyCertificateOf(ctx, keyCertificateId)) === undefined) {
      const entry: KeyCertificateEntry = { signed, transactionId: ctx.stub.getTxID() };
      await putJson(ctx, keyCertificateKey(ctx, keyCertificateId), entry);
    }
    return keyCertificateId;
  }

  async get(ctx: Context, keyCertificateId: string): Promise<string> {
    idArgument('hash', keyCertificateId);
    const entry = await getJson<KeyCertificateEntry>(ctx, keyCertificateKey(ctx, keyCertificateId));
    return JSON.stringify(entry ?? refuse('KEY_CERTIFICATE_UNKNOWN', 'no such key certificate'));
  }
}

function keyCertificateKey(ctx: Context, keyCertificateId: string): string {
  return ctx.stub.createCompositeKey('keycert', [keyCertificateId]);
}

/** The key certificate under this id, if the chain has it. */
export async function keyCertificateOf(
  ctx: Context,
  keyCertificateId: string,
): Promise<SignedKeyCertificate | undefined> {
  return (await getJson<KeyCertificateEntry>(ctx, keyCertificateKey(ctx, keyCertificateId)))?.signed;
}

/**
 * Checks who vouches for the binding: an X.509 certificate of a practitioner that the region's trust roots accept,
 * and the re-encryption key itself. Returns the document's id.
 */
export function checkKeyCertificate(signed: SignedKeyCertificate, mirror: Mirror, at: number): string {
  const { document } = signed;
  const identity = requireSigner(signed, { mirror, mspId: document.mspId, role: 'practitioner' }, at);
  if (identity.fingerprint !== document.certificate)
    refuse('CERTIFICATE_MISMATCH', 'signed by another certificate than it names');
  if (document.region !== mirror.entry.region) refuse('REGION_MISMATCH', 'the key certificate is of another region');
  if (document.notAfter <= document.notBefore || document.notAfter > identity.notAfter || document.notAfter < at) {
    refuse('PERIOD_INVALID', 'the key certificate’s period is over, empty or longer than its certificate’s');
  }
  requireKeySignature(signed, document.key);
  return documentId(KeyCertificate.type, document);
}

/**
 * A grantee's key certificate as this chain may rely on it: registered here, or registered on its own region's chain
 * as the proof shows.
 */
export async function adoptKeyCertificate(
  ctx: Context,
  json: string,
  proofJson: string,
): Promise<SignedKeyCertificate> {
  const home = await foundation(ctx);
  const at = now(ctx);
  const signed = documentArgument(KeyCertificate, json, { federation: home.federation });
  const keyCertificateId = documentId(KeyCertificate.type, signed.document);
  const known = await keyCertificateOf(ctx, keyCertificateId);
  const proof = proofJson === '' ? undefined : proofArgument(proofJson);
  if (known !== undefined) return known;
  if (signed.document.region === home.region)
    refuse('KEY_CERTIFICATE_UNKNOWN', 'the key certificate is not registered');
  if (proof === undefined) return refuse('PROOF_MISSING', 'a key certificate of another region comes with its proof');
  const mirror = await mirrorOf(ctx, signed.document.region);
  if (mirror.entry.frozen) refuse('REGION_FROZEN', `region ${signed.document.region} is frozen`);
  checkKeyCertificate(signed, mirror, at);
  const registered = verifyOutcome(proof, mirror.entry.trusts, { function: 'Practitioners:register' }, at);
  if (new TextDecoder().decode(registered.payload) !== keyCertificateId) {
    refuse('PROOF_MISMATCH', 'the proof is of another key certificate');
  }
  await putJson(ctx, keyCertificateKey(ctx, keyCertificateId), {
    signed,
    transactionId: registered.transactionId,
  } satisfies KeyCertificateEntry);
  return signed;
}
