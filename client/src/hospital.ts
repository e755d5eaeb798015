import type { Committed } from '@yilian/ledger';
import {
  type CertificateSigner,
  documentId,
  KeyCertificate,
  PatientKey,
  parseSigned,
  requireKeySignature,
  ScopeKey,
  type SignedBy,
} from '@yilian/protocol';
import type { RegionalChain } from '@yilian/regional-chain';
import type { Vault } from '@yilian/vault';
import { ClientError, checked } from './core/client-error.ts';
import type { FederationView } from './core/federation-view.ts';
import { pause, retried } from './core/http.ts';
import { prove } from './core/proofs.ts';
import type { RelayClient } from './core/relay-client.ts';
import { countersign } from './core/signing.ts';
import { memoryPins, type Pins } from './pins.ts';
import { type Published, type PublishOptions, publishRecord } from './publishing.ts';

export interface HospitalOptions {
  readonly federation: string;
  readonly region: string;
  readonly mspId: string;
  /** PEM, role `hospital`. */
  readonly certificate: string;
  /** ECDSA P-256 over SHA-256, DER with low S. */
  readonly sign: (message: Uint8Array) => Uint8Array;
  /** Through the hospital's own client identity. */
  readonly chain: RegionalChain;
  readonly relay: RelayClient;
  readonly vault: Vault;
  /** Where patients' signing keys are pinned; only for the life of the process when left out. */
  readonly pins?: Pins;
  /** With it, a registration's proof is checked here before the chain checks it. */
  readonly view?: FederationView;
}

export interface Registered {
  readonly transactionId: string;
}

const POLL_MS = 250;
/** How many pseudonyms the chain lists at most as not yet indexed: a full list may hide some. */
const FULL_LIST = 1000;
const ATTEMPTS = 4;
const WAIT_MS = 250;

/** What a hospital's own systems do. */
export class Hospital {
  readonly mspId: string;
  readonly region: string;
  readonly #options: HospitalOptions;
  readonly #pins: Pins;
  readonly #signer: CertificateSigner;

  constructor(options: HospitalOptions) {
    this.mspId = options.mspId;
    this.region = options.region;
    this.#options = options;
    this.#pins = options.pins ?? memoryPins();
    this.#signer = { certificate: options.certificate, sign: (message) => options.sign(message) };
  }

  /**
   * Enrols a patient who is present: vouches for the signing key, registers it on the main chain through the relay,
   * enrols here with the proof, and pins the key. Again for a known patient it changes nothing.
   * @throws REGISTRATION_INVALID PATIENT_KEY_CHANGED, the relay's codes, LedgerError
   */
  async enrol(patientKey: SignedBy<typeof PatientKey>): Promise<Registered> {
    const { chain, relay, view } = this.#options;
    const signed = checked('ARGUMENT_INVALID', 'not a patient key of this region', () => {
      const parsed = parseSigned(PatientKey, patientKey);
      this.#requireHere(parsed.document);
      requireKeySignature(parsed, parsed.document.signingKey);
      return parsed;
    });
    const { pseudonym, signingKey } = signed.document;
    const pinned = await this.#pins.get(pseudonym);
    if (pinned !== undefined && pinned !== signingKey)
      throw new ClientError('PATIENT_KEY_CHANGED', 'another signing key is pinned for this patient');
    const vouched = countersign(signed, PatientKey, this.#signer);
    const { proof } = await retried(ATTEMPTS, WAIT_MS, () => relay.registerPatient(vouched));
    if (view !== undefined)
      checked('REGISTRATION_INVALID', 'the main chain’s registration is not proven', () =>
        prove(proof, view.trusts(proof.network), { function: 'Patients:register' }, [Date.now(), 'own']),
      );
    const committed = await chain.enrol(vouched, proof);
    await this.#pins.pin(pseudonym, signingKey);
    return registered(committed);
  }

  /** Binds a scope key that the pinned signing key signed. @throws PATIENT_NOT_PINNED SCOPE_KEY_UNSIGNED, LedgerError */
  async bind(scopeKey: SignedBy<typeof ScopeKey>): Promise<Registered> {
    const signed = await this.#requirePinned(scopeKey);
    return registered(await this.#options.chain.bind(signed));
  }

  /** @throws LedgerError */
  async registerPractitioner(
    keyCertificate: SignedBy<typeof KeyCertificate>,
  ): Promise<Registered & { readonly keyCertificateId: string }> {
    const signed = checked('ARGUMENT_INVALID', 'not a key certificate of this hospital', () => {
      const parsed = parseSigned(KeyCertificate, keyCertificate);
      this.#requireHere(parsed.document);
      if (parsed.document.mspId !== this.mspId) throw new ClientError('ARGUMENT_INVALID', 'of another organisation');
      return parsed;
    });
    const committed = await this.#options.chain.registerPractitioner(signed);
    return { ...registered(committed), keyCertificateId: documentId(KeyCertificate.type, signed.document) };
  }

  /**
   * Seals a record to the patient, stores it and registers it.
   * @throws SCOPE_UNBOUND PATIENT_NOT_PINNED SCOPE_KEY_UNSIGNED, and as {@link publishRecord}
   */
  async publish({ pseudonym, scope, ...rest }: PublishOptions): Promise<Published> {
    const { chain, vault } = this.#options;
    const keys = await chain.scopeKeys(pseudonym);
    const found = keys.find(({ document }) => document.scope === scope && document.pseudonym === pseudonym);
    if (found === undefined) throw new ClientError('SCOPE_UNBOUND', `the patient has no key for scope ${scope}`);
    const { document } = await this.#requirePinned(found);
    return publishRecord({ mspId: this.mspId, signer: this.#signer, chain, vault }, document, rest);
  }

  /** Waits until the main chain's index leads to this region's records of a patient, as the region's chain says. */
  async findable(pseudonym: string, signal?: AbortSignal): Promise<void> {
    const { chain } = this.#options;
    for (;;) {
      signal?.throwIfAborted();
      const [{ announced }, unindexed] = await Promise.all([chain.patient(pseudonym), chain.unindexed()]);
      if (announced && unindexed.length < FULL_LIST && !unindexed.includes(pseudonym)) return;
      await pause(POLL_MS, signal);
    }
  }

  /** Whatever the chain says, a scope key counts only under the signature of the key the patient showed here. */
  async #requirePinned(scopeKey: SignedBy<typeof ScopeKey>): Promise<SignedBy<typeof ScopeKey>> {
    const pinned = await this.#pins.get(scopeKey.document.pseudonym);
    if (pinned === undefined)
      throw new ClientError('PATIENT_NOT_PINNED', 'the patient was not enrolled at this hospital');
    return checked('SCOPE_KEY_UNSIGNED', 'the patient’s pinned key did not sign the scope key', () => {
      const signed = parseSigned(ScopeKey, scopeKey);
      this.#requireHere(signed.document);
      if (signed.document.key === pinned) throw new ClientError('SCOPE_KEY_UNSIGNED', 'a signing key is no scope key');
      requireKeySignature(signed, pinned);
      return signed;
    });
  }

  #requireHere({ federation, region }: { readonly federation: string; readonly region: string }): void {
    if (federation !== this.#options.federation || region !== this.region)
      throw new TypeError('the document is for another region');
  }
}

function registered({ transactionId }: Committed): Registered {
  return { transactionId };
}
