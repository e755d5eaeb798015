import { ChainContract, type Context, getJson, putJson, refuse } from '@yilian/ledger/contract';
import { verifyOutcome } from '@yilian/ledger/verify';
import { PublicKey } from '@yilian/pre';
import {
  Epoch,
  fromBase64url,
  PatientKey,
  PointKey,
  Pseudonym,
  parser,
  requireKeySignature,
  ScopeKey,
  type SignedBy,
} from '@yilian/protocol';
import { type Static, Type } from '@yilian/schema';
import { requireScope } from './federation.ts';
import { hasRecords } from './record-index.ts';
import {
  documentArgument,
  type Foundation,
  foundation,
  idArgument,
  now,
  parseArgument,
  payloadOf,
  proofArgument,
  requireRecent,
  requireRole,
} from './region.ts';
import { readAll } from './state.ts';

/** A patient as this region knows them. */
export interface Patient {
  readonly pseudonym: string;
  readonly keyEpoch: number;
  readonly signingKey: string;
  readonly announced: boolean;
}

const MAX_UNINDEXED = 1000;
const Registered = Type.Object(
  { pseudonym: Pseudonym, keyEpoch: Epoch, signingKey: PointKey },
  { additionalProperties: false },
);
const parseRegistered = parser('registered patient', Registered);
const parsePseudonyms = parser('pseudonyms', Type.Array(Pseudonym, { minItems: 1, maxItems: 64 }));

/** Patients by pseudonym, their signing key and the scope keys it signed. */
export class PatientContract extends ChainContract {
  constructor() {
    super('Patients');
  }

  /** Enrols a patient whose signing key the main chain registered, as the proof shows. */
  async enrol(ctx: Context, json: string, proofJson: string): Promise<void> {
    requireRole(ctx, 'hospital');
    const home = await foundation(ctx);
    const at = now(ctx);
    const signed = documentArgument(PatientKey, json, home);
    const { pseudonym, signingKey, keyEpoch, signedAt } = signed.document;
    requireRecent(signedAt, at);
    requireKeySignature(signed, signingKey);
    const entry = registeredKey(home, proofJson, at);
    if (entry.pseudonym !== pseudonym || entry.signingKey !== signingKey || entry.keyEpoch !== keyEpoch) {
      refuse('PROOF_MISMATCH', 'the main chain registered another key');
    }
    const known = await getJson<Patient>(ctx, patientKey(ctx, pseudonym));
    if (known !== undefined) {
      if (known.signingKey !== signingKey || known.keyEpoch !== keyEpoch)
        refuse('PSEUDONYM_TAKEN', 'the patient is enrolled with another key');
      return;
    }
    await putJson(ctx, patientKey(ctx, pseudonym), {
      pseudonym,
      keyEpoch,
      signingKey,
      announced: false,
    } satisfies Patient);
  }

  /** Binds a scope's public key, signed by the patient. A later epoch replaces the current one, an earlier never. */
  async bind(ctx: Context, json: string): Promise<void> {
    requireRole(ctx, 'hospital');
    const at = now(ctx);
    const signed = documentArgument(ScopeKey, json, await foundation(ctx));
    const { pseudonym, scope, epoch, key, signedAt } = signed.document;
    requireRecent(signedAt, at);
    await requireScope(ctx, scope);
    PublicKey.fromBytes(fromBase64url(key));
    const patient = await patientOf(ctx, pseudonym);
    requireKeySignature(signed, patient.signingKey);
    if (key === patient.signingKey) refuse('KEY_REUSED', 'a scope key must differ from the signing key');
    const current = await scopeKeyOf(ctx, pseudonym, scope);
    if (current !== undefined && current.document.epoch === epoch && current.document.key === key) return;
    if (current !== undefined && epoch !== current.document.epoch + 1)
      refuse('EPOCH', 'the epoch must follow the current one');
    if (current === undefined && epoch !== 1) refuse('EPOCH', 'the first epoch is 1');
    const usedKey = ctx.stub.createCompositeKey('scope-key-used', [pseudonym, key]);
    if ((await getJson(ctx, usedKey)) !== undefined)
      refuse('KEY_REUSED', 'the key was bound before, to another scope or epoch');
    await putJson(ctx, usedKey, { scope, epoch });
    await putJson(ctx, scopeKeyKey(ctx, pseudonym, scope), signed);
  }

  /** States, for the main chain's index, that this region holds records of a patient. */
  async announce(ctx: Context, pseudonym: string): Promise<string> {
    requireRole(ctx, 'relay');
    now(ctx);
    const { federation, region } = await foundation(ctx);
    idArgument('pseudonym', pseudonym);
    const patient = await patientOf(ctx, pseudonym);
    if (!(await hasRecords(ctx, pseudonym))) refuse('NO_RECORDS', 'the region holds no record of this patient');
    if (!patient.announced)
      await putJson(ctx, patientKey(ctx, pseudonym), { ...patient, announced: true } satisfies Patient);
    return JSON.stringify({ federation, region, pseudonym });
  }

  /** Patients with records here that the main chain's index may not know yet, at most 1000. */
  async unindexed(ctx: Context): Promise<string> {
    const pseudonyms: string[] = [];
    for await (const { pseudonym } of readAll<{ pseudonym: string }>(ctx, 'unindexed', [])) {
      pseudonyms.push(pseudonym);
      if (pseudonyms.length === MAX_UNINDEXED) break;
    }
    return JSON.stringify(pseudonyms);
  }

  /** A relay's word that the main chain's index knows these patients: they leave the list of {@link unindexed}. */
  async indexed(ctx: Context, json: string): Promise<void> {
    requireRole(ctx, 'relay');
    now(ctx);
    for (const pseudonym of parsePseudonyms(parseArgument(json, 'list'))) {
      if (!(await patientOf(ctx, pseudonym)).announced) refuse('NOT_ANNOUNCED', 'the patient was not announced');
      await ctx.stub.deleteState(unindexedKey(ctx, pseudonym));
    }
  }

  async get(ctx: Context, pseudonym: string): Promise<string> {
    return JSON.stringify(await patientOf(ctx, idArgument('pseudonym', pseudonym)));
  }

  /** The current scope keys of a patient, as signed. */
  async scopes(ctx: Context, pseudonym: string): Promise<string> {
    idArgument('pseudonym', pseudonym);
    const keys: SignedBy<typeof ScopeKey>[] = [];
    for await (const key of readAll<SignedBy<typeof ScopeKey>>(ctx, 'scope-key', [pseudonym])) keys.push(key);
    return JSON.stringify(keys);
  }
}

export function unindexedKey(ctx: Context, pseudonym: string): string {
  return ctx.stub.createCompositeKey('unindexed', [pseudonym]);
}

/** What the main chain registered about a patient, by the proof of its transaction. */
export function registeredKey(home: Foundation, proofJson: string, at: number): Static<typeof Registered> {
  const registered = verifyOutcome(proofArgument(proofJson), home.main, { function: 'Patients:register' }, at);
  return parseRegistered(payloadOf(registered));
}

export function patientKey(ctx: Context, pseudonym: string): string {
  return ctx.stub.createCompositeKey('patient', [pseudonym]);
}

export async function patientOf(ctx: Context, pseudonym: string): Promise<Patient> {
  return (
    (await getJson<Patient>(ctx, patientKey(ctx, pseudonym))) ??
    refuse('PATIENT_UNKNOWN', 'no such patient in this region')
  );
}

function scopeKeyKey(ctx: Context, pseudonym: string, scope: string): string {
  return ctx.stub.createCompositeKey('scope-key', [pseudonym, scope]);
}

/** The current key of one scope. */
export function scopeKeyOf(
  ctx: Context,
  pseudonym: string,
  scope: string,
): Promise<SignedBy<typeof ScopeKey> | undefined> {
  return getJson(ctx, scopeKeyKey(ctx, pseudonym, scope));
}
