import { setTimeout as delay } from 'node:timers/promises';
import {
  FederationView,
  type GrantOptions,
  Hospital,
  isProven,
  Patient,
  Practitioner,
  type ProvenLeg,
  RelayClient,
  type RequestOptions,
} from '@yilian/client';
import { createSigner } from '@yilian/ledger';
import { PatientKeys, SecretKey } from '@yilian/pre';
import { documentId, OpenedReceipt, Request, type SignedBy, utf8Bytes } from '@yilian/protocol';
import { until } from '@yilian/testbed/patience';
import { openBlockVault } from '@yilian/vault';
import { CampaignError } from './errors.ts';
import type { Region } from './region.ts';
import { fresh, SCOPE, type World } from './world.ts';

const HOUR_MS = 3_600_000;
/** Proxies whose shares open a record. */
export const THRESHOLD = 2;
/** A client asks again this soon while its relay is down. */
const AGAIN_MS = 100;
const INDEX_MS = 30_000;
/** A query that has not ended by then is lost. */
export const END_MS = 60_000;
const PLAINTEXT = 'haemoglobin 140 g/L';

/** Somebody with records in the home region. */
export interface Enrolled {
  readonly patient: Patient;
  readonly pseudonym: string;
}

/** Somebody of the away region who asks. */
export interface Doctor {
  readonly practitioner: Practitioner;
  readonly keyCertificateId: string;
}

/** What patients, hospitals and doctors of a world do; each insists as a person does whose relay is down. */
export class People {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  relay(region: Region): RelayClient {
    return new RelayClient(region.relays[0]?.door.url ?? '', { timeoutMs: 15_000 });
  }

  /** A patient of the home region, bound to the one scope; nothing is published yet. */
  async patient(): Promise<Enrolled> {
    const { home, files } = this.#world;
    const pseudonym = fresh();
    const keys = PatientKeys.fromMaster(crypto.getRandomValues(new Uint8Array(32)), files.federation);
    const patient = new Patient({ keys, pseudonym, federation: files.federation });
    await this.#hospital(async (hospital) => {
      await hospital.enrol(patient.patientKey(home.name));
      await hospital.bind(patient.scopeKey(home.name, SCOPE, 1));
    });
    return { patient, pseudonym };
  }

  async publish({ patient, pseudonym }: Enrolled, plaintext = utf8Bytes(PLAINTEXT)): Promise<void> {
    await this.#hospital(async (hospital) => {
      await hospital.enrol(patient.patientKey(this.#world.home.name));
      await hospital.publish({ pseudonym, scope: SCOPE, codes: [CODE], source: inOnePiece(plaintext) });
    });
  }

  async indexed({ pseudonym }: Enrolled): Promise<void> {
    const { home } = this.#world;
    const chain = home.as(home.hospital, 'hospital');
    await until('the main chain’s index knows the patient', INDEX_MS, async () => {
      const found = await this.#world.asAuthority().lookup(pseudonym);
      return found.includes(home.name) && !(await chain.unindexed()).includes(pseudonym);
    });
  }

  async doctor(region = this.#world.away): Promise<Doctor> {
    const { mspId, certificate, privateKey } = region.member(region.hospital, 'practitioner', fresh(6));
    const { federation } = this.#world.files;
    const sign = createSigner(privateKey);
    const practitioner = new Practitioner({
      federation,
      region: region.name,
      mspId,
      certificate,
      sign,
      secret: SecretKey.random(),
    });
    const now = Date.now();
    const keyCertificate = practitioner.keyCertificate({ notBefore: now - 60_000, notAfter: now + 24 * HOUR_MS });
    await region.as(region.hospital, 'hospital').registerPractitioner(keyCertificate);
    return { practitioner, keyCertificateId: documentId('key-certificate', keyCertificate.document) };
  }

  /** Grants, and delivers the fragments until every proxy (or each of those named) has acknowledged. */
  async grant({ patient }: Enrolled, doctor: Doctor, named: Pick<GrantOptions, 'proxies'> = {}): Promise<Granted> {
    const { home, away, genesis } = this.#world;
    const relay = this.relay(home);
    const now = Date.now();
    const granted = await patient.grant({
      view: await FederationView.load(relay, genesis),
      home: home.name,
      relay,
      grantee: await this.relay(away).keyCertificate(doctor.keyCertificateId),
      scopes: [SCOPE],
      purposes: ['TREAT'],
      notBefore: now - 60_000,
      notAfter: now + HOUR_MS,
      threshold: THRESHOLD,
      ...named,
    });
    return { grantId: granted.grantId, acknowledgedBy: granted.acknowledgedBy };
  }

  async revoke({ patient }: Enrolled, { grantId }: Pick<Granted, 'grantId'>): Promise<void> {
    const { home } = this.#world;
    await patient.revoke({ home: home.name, relay: this.relay(home), grantId });
  }

  request(
    doctor: Doctor,
    pseudonym: string,
    asked: Partial<Pick<RequestOptions, 'validForMs' | 'at'>> = {},
  ): SignedBy<typeof Request> {
    const request = doctor.practitioner.request({
      pseudonym,
      scopes: [SCOPE],
      purpose: 'TREAT',
      evidence: utf8Bytes('referral'),
      minMainHeight: 0,
      ...asked,
    });
    this.#world.signed.add(documentId(Request.type, request.document));
    return request;
  }

  /** Hands a request in until it is answered 202. */
  async insist(request: SignedBy<typeof Request>): Promise<string> {
    const { requestId } = await insist(() => this.relay(this.#world.away).submitRequest(request));
    this.#world.accepted.push(requestId);
    return requestId;
  }

  /** Waits until the asking chain has the last word of every leg, and nothing pending. Returns the legs’ outcomes. */
  async ended(requestId: string, pauseMs?: number): Promise<readonly string[]> {
    const { away } = this.#world;
    const chain = away.as(away.commission, 'admin');
    const lastWord = async () => {
      const { legs, homes } = await chain.request(requestId);
      if (legs.length < Math.max(1, homes.length)) return undefined;
      const pending = (await chain.pending()).some((entry) => entry.requestId === requestId);
      return pending ? undefined : legs.map(({ outcome }) => outcome);
    };
    return until(`${requestId} has its last word on its chain`, END_MS, lastWord, pauseMs);
  }

  /** Waits until the home chain has decided. */
  async decided(requestId: string): Promise<void> {
    const { home } = this.#world;
    const chain = home.as(home.commission, 'admin');
    await until(`${requestId} is decided`, END_MS, () => chain.outcome(requestId));
  }

  /** The released leg as the doctor’s software proves it from the pinned genesis. */
  async proven(doctor: Doctor, request: SignedBy<typeof Request>): Promise<ProvenLeg> {
    const { away, home, genesis } = this.#world;
    const requestId = documentId(Request.type, request.document);
    const relay = this.relay(away);
    return until('the doctor has a proven release', END_MS, async () => {
      const view = await FederationView.load(relay, genesis);
      const answer = doctor.practitioner.verify(view, request, await relay.answer(requestId), { homes: [home.name] });
      const leg = answer.legs.find(({ region }) => region === home.name);
      return leg !== undefined && isProven(leg) && leg.state === 'released' ? leg : undefined;
    });
  }

  /** Opens every record of a release; throws unless each is as it was published. */
  async open(doctor: Doctor, leg: ProvenLeg): Promise<void> {
    await using vault = await this.vault();
    for (const record of leg.outcome.release?.records ?? []) {
      const pieces = await Array.fromAsync(doctor.practitioner.open(leg, record, { body: vault as never }));
      if (Buffer.concat(pieces).toString() !== PLAINTEXT)
        throw new CampaignError('WRONG_RESULT', 'a record differs from what was published');
    }
  }

  /** Hands the word that a release was opened in until the home chain has it. */
  async receipt(doctor: Doctor, leg: ProvenLeg): Promise<void> {
    const records = (leg.outcome.release?.records ?? []).map(({ recordId }) => recordId);
    const receipt = doctor.practitioner.receipt(leg, records);
    const { requestId, release } = receipt.document;
    await insist(() => this.relay(this.#world.away).submitReceipt(receipt));
    this.#world.receipts.push([requestId, release, documentId(OpenedReceipt.type, receipt.document)].join('/'));
  }

  async #hospital(act: (hospital: Hospital) => Promise<void>): Promise<void> {
    const { home, files } = this.#world;
    const { mspId, certificate, privateKey } = home.member(home.hospital, 'hospital');
    const sign = createSigner(privateKey);
    await using vault = await this.vault();
    const chain = home.as(mspId, 'hospital');
    const identity = { federation: files.federation, region: home.name, mspId, certificate, sign };
    await act(new Hospital({ ...identity, chain, relay: this.relay(home), vault }));
  }

  /** The home region's vault. */
  vault() {
    return openBlockVault({ folder: this.#world.files.path('vault') });
  }
}

export interface Granted {
  readonly grantId: string;
  readonly acknowledgedBy: readonly string[];
}

const CODE = { system: 'http://loinc.org', code: '718-7' };

async function* inOnePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Repeats what only a relay that is away refuses. */
async function insist<T>(act: () => Promise<T>): Promise<T> {
  const end = Date.now() + END_MS;
  for (;;) {
    try {
      return await act();
    } catch (error) {
      const { status } = error as { status?: number };
      if (Date.now() > end || (status !== undefined && status < 500 && status !== 429)) throw error;
    }
    await delay(AGAIN_MS);
  }
}
