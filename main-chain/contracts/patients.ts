import { ChainContract, type Context, getJson, putJson, refuse, transactionTime } from '@yilian/ledger/contract';
import {
  identifyAny,
  PatientKey,
  Pseudonym,
  parser,
  parseSigned,
  ROLE_ATTRIBUTE,
  requireCertificateSignatures,
  requireKeySignature,
} from '@yilian/protocol';
import { foundation, parseArgument, regionOf, requireRecent, requireRole } from './chain.ts';

const parsePseudonym = parser('pseudonym', Pseudonym);

/** A patient's signing key. */
export interface PatientEntry {
  readonly pseudonym: string;
  readonly keyEpoch: number;
  readonly signingKey: string;
}

/** A signing key with the transaction that registered it, whose proof other regions' chains take. */
export interface PatientState extends PatientEntry {
  readonly transactionId: string;
}

/** Pseudonym to signing key, once in the whole federation. */
export class PatientContract extends ChainContract {
  constructor() {
    super('Patients');
  }

  /**
   * Registers a patient's signing key, or confirms the one registered. The document is signed by the key and vouched
   * for by a hospital of its region.
   */
  async register(ctx: Context, json: string): Promise<string> {
    requireRole(ctx, 'relay');
    const { federation } = await foundation(ctx);
    const at = transactionTime(ctx);
    const signed = parseSigned(PatientKey, parseArgument(json, 'document'));
    const { pseudonym, keyEpoch, signingKey, region, signedAt } = signed.document;
    if (signed.document.federation !== federation)
      refuse('FEDERATION_MISMATCH', 'the patient key is of another federation');
    requireRecent(signedAt, at);
    requireKeySignature(signed, signingKey);
    const { trusts } = await regionOf(ctx, region);
    const [hospital, ...others] = requireCertificateSignatures(signed, (certificate) =>
      identifyAny(trusts, certificate, at),
    );
    if (others.length > 0) refuse('SIGNATURES_TOO_MANY', 'one hospital vouches for a patient');
    if (hospital.attributes[ROLE_ATTRIBUTE] !== 'hospital') refuse('ROLE_REQUIRED', 'a hospital vouches for a patient');
    const key = patientKey(ctx, pseudonym);
    const known = await getJson<PatientEntry>(ctx, key);
    const entry: PatientEntry = { pseudonym, keyEpoch, signingKey };
    if (known === undefined)
      await putJson(ctx, key, { ...entry, transactionId: ctx.stub.getTxID() } satisfies PatientState);
    else if (known.signingKey !== signingKey || known.keyEpoch !== keyEpoch)
      refuse('PSEUDONYM_TAKEN', 'the patient has another signing key');
    return JSON.stringify(entry);
  }

  async get(ctx: Context, pseudonym: string): Promise<string> {
    parsePseudonym(pseudonym);
    return JSON.stringify(
      (await getJson(ctx, patientKey(ctx, pseudonym))) ?? refuse('PATIENT_UNKNOWN', 'no such patient'),
    );
  }
}

function patientKey(ctx: Context, pseudonym: string): string {
  return ctx.stub.createCompositeKey('patient', [pseudonym]);
}
