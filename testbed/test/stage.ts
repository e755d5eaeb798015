import { createHash, X509Certificate } from 'node:crypto';
import { type Committed, LedgerError } from '@yilian/ledger';
import { CHAINCODE as MAIN } from '@yilian/main-chain';
import { commitment, newContentSecret, PatientKeys, SecretKey, Signer, SUITE, sealHeader } from '@yilian/pre';
import {
  AccessQuery,
  canonicalJson,
  documentId,
  Grant,
  headerContext,
  KeyCertificate,
  MainHeight,
  OpenedReceipt,
  type Outcome,
  type OutcomeProof,
  PatientKey,
  ProxyKey,
  RecordEntry,
  RecordRewrap,
  type RegionEntry,
  Request,
  Revocation,
  ScopeKey,
  type SignedBy,
  signDocument,
  toBase64url,
} from '@yilian/protocol';
import { CHAINCODE as REGIONAL, type RegionalChain } from '@yilian/regional-chain';
import { type Member, Testbed } from '@yilian/testbed';
import { expect, vi } from 'vitest';

export const HOME = 'region-a';
export const ELSEWHERE = 'region-b';
export const HOUR_MS = 3_600_000;
const CID = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy';

export interface StagePatient {
  readonly pseudonym: string;
  readonly keys: PatientKeys;
  readonly signer: Signer;
  readonly signingKey: string;
  readonly patientKey: SignedBy<typeof PatientKey>;
}

export interface StageDoctor {
  readonly region: string;
  readonly member: Member;
  readonly secret: SecretKey;
  readonly keyCertificate: SignedBy<typeof KeyCertificate>;
  readonly id: string;
  /** Proof of the registration, for grants elsewhere. */
  readonly registration: OutcomeProof;
}

export const random = (length: number): string => toBase64url(crypto.getRandomValues(new Uint8Array(length)));
const fingerprint = (certificate: string): string =>
  createHash('sha256').update(new X509Certificate(certificate).raw).digest('hex');
export const payload = <T = Outcome>({ result }: Pick<Committed, 'result'>): T =>
  JSON.parse(new TextDecoder().decode(result)) as T;

/** The contract's code of an error, if it is a refusal. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof LedgerError && error.code === 'CONTRACT' ? error.contractCode : undefined;
}

/** The contract's code of a refused call; anything else fails the test. */
export async function refusal(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    const code = codeOf(error);
    if (code === undefined) throw error;
    return code;
  }
  return expect.fail('the contract accepted it');
}

/** Fabric's TxValidationCode. */
export const VALID = 0;
export const MVCC_READ_CONFLICT = 11;
export const PHANTOM_READ_CONFLICT = 12;

type Endorsed = Awaited<ReturnType<Stage['endorsed']>>;

/** Orders endorsed transactions one after the other, and then waits for their verdicts: Fabric's TxValidationCode. */
export async function ordered(transactions: readonly Endorsed[]): Promise<number[]> {
  const submitted = [];
  for (const transaction of transactions) submitted.push(await transaction.submit());
  const statuses = await Promise.all(submitted.map((transaction) => transaction.getStatus()));
  return statuses.map(({ code }) => code);
}

/** Does something while everybody's clock is this far off. */
export async function shifted<T>(ms: number, run: () => Promise<T>): Promise<T> {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms });
  try {
    return await run();
  } finally {
    vi.useRealTimers();
  }
}

/** A federation with people: every step of a record's life by one call, each part of a document open to change. */
export class Stage implements AsyncDisposable {
  readonly testbed: Testbed;
  #names = 0;

  constructor(testbed: Testbed) {
    this.testbed = testbed;
  }

  static async open(): Promise<Stage> {
    return new Stage(await Testbed.open([HOME, ELSEWHERE]));
  }

  get federation(): string {
    return this.testbed.federation;
  }

  hospital(region = HOME): RegionalChain {
    return this.testbed.region(region, this.testbed.members(region).hospitals[0], 'hospital');
  }

  relay(region = HOME): RegionalChain {
    return this.testbed.region(region, this.testbed.members(region).commission, 'relay');
  }

  /** The organisations with proxies: commission and both hospitals. */
  proxyMembers(region = HOME): Member[] {
    const { commission, hospitals } = this.testbed.members(region);
    return [commission, ...hospitals].map((mspId) => this.testbed.member(mspId, 'proxy'));
  }

  async registerProxies(region = HOME): Promise<void> {
    for (const member of this.proxyMembers(region))
      await this.testbed.region(region, member.mspId, 'proxy').registerProxy(this.proxyKey(member, region));
  }

  proxyKey(member: Member, region = HOME, change: Partial<ProxyKey> = {}): SignedBy<typeof ProxyKey> {
    const key = SecretKey.random().publicKey().toBase64url();
    const { federation } = this;
    const document = { federation, region, mspId: member.mspId, url: 'http://127.0.0.1:1', key, signedAt: Date.now() };
    return signDocument(ProxyKey, { ...document, ...change }, [member]);
  }

  patientKey(
    keys: PatientKeys,
    change: Partial<PatientKey> = {},
    signers: { readonly vouching?: Member } = {},
  ): SignedBy<typeof PatientKey> {
    const signer = keys.signer();
    const region = change.region ?? HOME;
    const vouching = signers.vouching ?? this.testbed.member(this.testbed.members(region).hospitals[0], 'hospital');
    const document: PatientKey = {
      federation: this.federation,
      region: HOME,
      pseudonym: random(32),
      keyEpoch: 1,
      suite: SUITE,
      signingKey: signer.verifyingKey().toBase64url(),
      signedAt: Date.now(),
      ...change,
    };
    return signDocument(PatientKey, document, [signer, vouching]);
  }

  newKeys(): PatientKeys {
    return PatientKeys.fromMaster(crypto.getRandomValues(new Uint8Array(32)), this.federation);
  }

  /** A patient enrolled in a region, with these scopes bound. */
  async patient(scopes: readonly string[] = ['laboratory'], region = HOME): Promise<StagePatient> {
    const keys = this.newKeys();
    const patientKey = this.patientKey(keys, { region });
    const { pseudonym, signingKey } = patientKey.document;
    const registered = await this.testbed.main().registerPatient(patientKey);
    await this.hospital(region).enrol(patientKey, await this.testbed.prove('main', registered));
    const patient = { pseudonym, keys, signer: keys.signer(), signingKey, patientKey };
    for (const scope of scopes) await this.hospital(region).bind(this.scopeKey(patient, { scope, region }));
    return patient;
  }

  scopeKey(patient: StagePatient, change: Partial<ScopeKey> = {}): SignedBy<typeof ScopeKey> {
    const { scope = 'laboratory', epoch = 1, region = HOME } = change;
    const document: ScopeKey = {
      federation: this.federation,
      region,
      pseudonym: patient.pseudonym,
      scope,
      epoch,
      suite: SUITE,
      key: patient.keys.scopeKey({ region, scope, epoch }).publicKey().toBase64url(),
      signedAt: Date.now(),
      ...change,
    };
    return signDocument(ScopeKey, document, [patient.signer]);
  }

  header(patient: StagePatient, record: { recordId: string; scope: string; epoch: number; region: string }): string {
    const { scope, epoch, region } = record;
    const key = patient.keys.scopeKey({ region, scope, epoch }).publicKey();
    const context = headerContext({ federation: this.federation, pseudonym: patient.pseudonym, ...record });
    return toBase64url(sealHeader(key, newContentSecret(), context));
  }

  record(
    patient: StagePatient,
    change: Partial<RecordEntry> = {},
    signer: Member = this.testbed.member('HospitalA1', 'hospital'),
  ): SignedBy<typeof RecordEntry> {
    const place = { recordId: random(16), scope: 'laboratory', epoch: 1, region: HOME, ...change };
    const document: RecordEntry = {
      federation: this.federation,
      region: HOME,
      recordId: place.recordId,
      pseudonym: patient.pseudonym,
      scope: 'laboratory',
      epoch: 1,
      codes: [{ system: 'http://hl7.org/fhir/resource-types', code: 'Observation' }],
      cid: CID,
      sizeBytes: 100,
      suite: SUITE,
      header: change.header ?? this.header(patient, place),
      commitment: toBase64url(commitment(newContentSecret().salt, new Uint8Array(32))),
      custodian: 'HospitalA1',
      signedAt: Date.now(),
      ...change,
    };
    return signDocument(RecordEntry, document, [signer]);
  }

  /** Publishes one record; returns its id. */
  async publish(patient: StagePatient, change: Partial<RecordEntry> = {}): Promise<string> {
    const signed = this.record(patient, change);
    await this.hospital().publish(signed);
    return signed.document.recordId;
  }

  rewrap(patient: StagePatient, recordId: string, change: Partial<RecordRewrap> = {}): SignedBy<typeof RecordRewrap> {
    const { epoch = 2 } = change;
    const header = this.header(patient, { recordId, scope: 'laboratory', epoch, region: HOME });
    const document = { federation: this.federation, region: HOME, recordId, epoch, header, signedAt: Date.now() };
    return signDocument(RecordRewrap, { ...document, ...change }, [this.testbed.member('HospitalA1', 'hospital')]);
  }

  keyCertificate(
    member: Member,
    secret: SecretKey,
    change: Partial<KeyCertificate> = {},
    signers: { readonly key?: SecretKey; readonly member?: Member } = {},
  ): SignedBy<typeof KeyCertificate> {
    const at = Date.now();
    const document: KeyCertificate = {
      federation: this.federation,
      region: ELSEWHERE,
      mspId: member.mspId,
      certificate: fingerprint(member.certificate),
      suite: SUITE,
      key: secret.publicKey().toBase64url(),
      notBefore: at - HOUR_MS,
      notAfter: at + 24 * HOUR_MS,
      signedAt: at,
      ...change,
    };
    return signDocument(KeyCertificate, document, [signers.member ?? member, new Signer(signers.key ?? secret)]);
  }

  async doctor(region = ELSEWHERE, change: Partial<KeyCertificate> = {}): Promise<StageDoctor> {
    this.#names += 1;
    const [mspId] = this.testbed.members(region).hospitals;
    const member = this.testbed.member(mspId, 'practitioner', `practitioner ${this.#names}`);
    const secret = SecretKey.random();
    const keyCertificate = this.keyCertificate(member, secret, { region, ...change });
    const registered = await this.hospital(region).registerPractitioner(keyCertificate);
    const id = documentId(KeyCertificate.type, keyCertificate.document);
    return { region, member, secret, keyCertificate, id, registration: await this.testbed.prove(region, registered) };
  }

  grantDocument(patient: StagePatient, doctor: StageDoctor, change: Partial<Grant> = {}): SignedBy<typeof Grant> {
    const at = Date.now();
    const document: Grant = {
      federation: this.federation,
      region: HOME,
      pseudonym: patient.pseudonym,
      grantee: doctor.id,
      purposes: ['TREAT'],
      scopes: [{ scope: 'laboratory', epoch: 1 }],
      notBefore: at - HOUR_MS,
      notAfter: at + HOUR_MS,
      threshold: 2,
      proxies: this.proxyMembers().map(({ mspId }) => ({ mspId, commitment: random(32) })),
      signedAt: at,
      nonce: random(16),
      ...change,
    };
    return signDocument(Grant, document, [patient.signer]);
  }

  /** Grants, and has this many proxies acknowledge. Returns the grant's id. */
  async grant(
    patient: StagePatient,
    doctor: StageDoctor,
    change: Partial<Grant> = {},
    acknowledging = 2,
  ): Promise<string> {
    const grant = this.grantDocument(patient, doctor, change);
    await this.relay().grant(grant, doctor.keyCertificate, doctor.registration);
    const grantId = documentId(Grant.type, grant.document);
    for (const { mspId } of this.proxyMembers().slice(0, acknowledging))
      await this.testbed.region(HOME, mspId, 'proxy').acknowledge(grantId);
    return grantId;
  }

  revocation(patient: StagePatient, grantId: string, change: Partial<Revocation> = {}): SignedBy<typeof Revocation> {
    const { federation } = this;
    const document = { federation, region: HOME, pseudonym: patient.pseudonym, grantId, signedAt: Date.now() };
    return signDocument(Revocation, { ...document, ...change }, [patient.signer]);
  }

  request(
    doctor: StageDoctor,
    patient: Pick<StagePatient, 'pseudonym'>,
    change: Partial<Request> = {},
    signer: Member = doctor.member,
  ): SignedBy<typeof Request> {
    const at = Date.now();
    const document: Request = {
      federation: this.federation,
      region: doctor.region,
      pseudonym: patient.pseudonym,
      scopes: ['laboratory'],
      purpose: 'TREAT',
      evidence: random(32),
      keyCertificate: doctor.id,
      minMainHeight: 0,
      priority: 'routine',
      waitForConsent: false,
      notBefore: at - 1000,
      notAfter: at + HOUR_MS,
      nonce: random(16),
      ...change,
    };
    return signDocument(Request, document, [signer]);
  }

  /** Endorsed now, to be ordered when a race says so. */
  async endorsed(network: string, mspId: string, role: string, name: string, args: readonly unknown[]) {
    const connection = this.testbed.connection(network, this.testbed.member(mspId, role));
    const texts = args.map((value) => (typeof value === 'string' ? value : canonicalJson(value)));
    const chaincode = network === 'main' ? MAIN : REGIONAL;
    return connection.contract(network, chaincode).newProposal(name, { arguments: texts }).endorse();
  }

  /** A region's entry as the main chain has it. */
  async entry(region: string): Promise<RegionEntry> {
    const found = (await this.testbed.main().regions()).find(({ entry }) => entry.region === region);
    return found?.entry ?? expect.fail(`no region ${region}`);
  }

  async nextEntry(region: string, change: Partial<RegionEntry> = {}): Promise<RegionEntry> {
    const entry = await this.entry(region);
    return { ...entry, ...change, version: entry.version + 1 };
  }

  /** Changes a region's entry, on the main chain and in every mirror. */
  async register(region: string, change: Partial<RegionEntry>): Promise<void> {
    await this.testbed.register(await this.nextEntry(region, change));
  }

  /** Where each valid transaction of a network stands, all in one order: by its block, and by its place in the block. */
  async places(network: string): Promise<ReadonlyMap<string, number>> {
    const places = new Map<string, number>();
    const height = this.testbed.node(network).height();
    const auditor = this.testbed.connection(
      network,
      this.testbed.member(network === 'main' ? 'Authority4' : 'AuditorA', 'relay'),
    );
    using blocks = await auditor.network(network).getFilteredBlockEvents({ startBlock: 0n });
    for await (const block of blocks) {
      for (const transaction of block.getFilteredTransactionsList())
        if (transaction.getTxValidationCode() === VALID) places.set(transaction.getTxid(), places.size);
      if (block.getNumber() === height - 1) break;
    }
    return places;
  }

  /** Decides at home, and returns the outcome with its transaction. */
  async decide(
    doctor: StageDoctor,
    request: SignedBy<typeof Request>,
  ): Promise<{ outcome: Outcome; committed: Committed; proof: () => Promise<OutcomeProof> }> {
    const committed = await this.relay().decide(request, doctor.keyCertificate, await this.mainHeight());
    return { outcome: payload(committed), committed, proof: () => this.testbed.prove(HOME, committed) };
  }

  /** The main chain as it stands, signed by three authorities' attesters. */
  async mainHeight(
    change: Partial<MainHeight> = {},
    signers?: readonly Member[],
  ): Promise<SignedBy<typeof MainHeight>> {
    const regions = await this.testbed.main().regions();
    const document: MainHeight = {
      federation: this.federation,
      height: this.testbed.node('main').height(),
      regions: regions.map(({ entry: { region, version } }) => ({ region, version })),
      at: Date.now(),
      ...change,
    };
    const attesters = this.testbed.mainAuthorities.slice(0, 3).map((mspId) => this.testbed.member(mspId, 'proxy'));
    return signDocument(MainHeight, document, signers ?? attesters);
  }

  receipt(
    doctor: StageDoctor,
    outcome: Outcome,
    { transactionId }: Pick<Committed, 'transactionId'>,
    change: Partial<OpenedReceipt> = {},
  ): SignedBy<typeof OpenedReceipt> {
    const records = outcome.release?.records.map(({ recordId }) => recordId) ?? [random(16)];
    const { federation } = this;
    const { requestId, region } = outcome;
    const document = { federation, region, requestId, release: transactionId, records, openedAt: Date.now() };
    return signDocument(OpenedReceipt, { ...document, ...change }, [doctor.member]);
  }

  accessQuery(patient: StagePatient, region = HOME): SignedBy<typeof AccessQuery> {
    const document = { federation: this.federation, region, pseudonym: patient.pseudonym, signedAt: Date.now() };
    return signDocument(AccessQuery, document, [patient.signer]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.testbed[Symbol.asyncDispose]();
  }
}
