import { createHash, randomUUID, X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  commitment,
  generateKfrags,
  newContentSecret,
  PatientKeys,
  PublicKey,
  SecretKey,
  Signer,
  sealHeader,
  sealTo,
} from '@yilian/pre';
import {
  digest,
  documentId,
  Envelope,
  Grant,
  headerContext,
  KeyCertificate,
  kfragContext,
  type Outcome,
  PatientKey,
  type ProxyKey,
  RecordEntry,
  Request,
  Revocation,
  ScopeKey,
  type SignedBy,
  signDocument,
  toBase64url,
} from '@yilian/protocol';
import { type Member, Testbed } from '@yilian/testbed';
import { pino } from 'pino';
import { type BuiltProxy, buildProxy, type ProxyConfig, type ProxyDependencies } from '../src/index.ts';

export const HOME = 'region-a';
export const ELSEWHERE = 'region-b';
export const PROXIES = ['CommissionA', 'HospitalA1', 'HospitalA2'] as const;
const SUITE = 'umbral-secp256k1-v1';
const CID = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy';
const text = new TextDecoder();

export const random = (length: number): string => toBase64url(crypto.getRandomValues(new Uint8Array(length)));

export interface Reply {
  readonly status: number;
  readonly body: { readonly code?: string; readonly [member: string]: unknown };
}

/** A patient with keys, enrolled in the home region. */
export interface TestPatient {
  readonly pseudonym: string;
  readonly keys: PatientKeys;
  readonly signer: Signer;
}

/** A practitioner of the other region. */
export interface TestDoctor {
  readonly member: Member;
  readonly secret: SecretKey;
  readonly keyCertificate: SignedBy<typeof KeyCertificate>;
  readonly keyCertificateId: string;
  readonly registration: Awaited<ReturnType<Testbed['prove']>>;
}

export interface TestGrant {
  readonly grantId: string;
  readonly patient: TestPatient;
  readonly doctor: TestDoctor;
  /** Base64url, by MSP id. */
  readonly sealed: ReadonlyMap<string, string>;
  /** What is inside, by MSP id. */
  readonly kfrags: ReadonlyMap<string, Uint8Array>;
}

/** A home region with proxies, in this process: real contracts, real certificates, HTTP without a port. */
export class TestFederation implements AsyncDisposable {
  readonly testbed: Testbed;
  readonly folder: string;
  readonly #proxies = new Set<BuiltProxy>();
  #sequence = Date.now() * 1000;

  private constructor(testbed: Testbed, folder: string) {
    this.testbed = testbed;
    this.folder = folder;
  }

  static async open(): Promise<TestFederation> {
    return new TestFederation(await Testbed.open([HOME, ELSEWHERE]), await mkdtemp(join(tmpdir(), 'proxy-test-')));
  }

  get chain() {
    return this.testbed.region(HOME, 'CommissionA', 'relay');
  }

  async config(network: string, mspId: string, folder = join(network, mspId)): Promise<ProxyConfig> {
    const member = this.testbed.member(mspId, 'proxy');
    const [certificateFile, privateKeyFile] = [join(this.folder, `${mspId}.pem`), join(this.folder, `${mspId}.key`)];
    await writeFile(certificateFile, member.certificate);
    await writeFile(privateKeyFile, member.privateKey, { mode: 0o600 });
    return {
      federation: this.testbed.federation,
      network,
      channel: network,
      mspId,
      certificateFile,
      privateKeyFile,
      ledger: { address: '127.0.0.1:1' },
      folder: join(this.folder, folder),
      host: '127.0.0.1',
      port: 0,
      publicUrl: `http://${mspId.toLowerCase()}.example`,
    };
  }

  /** A proxy of the home region, or an attester of `main`, that takes orders. */
  async proxy(
    mspId: string,
    dependencies: ProxyDependencies = {},
    { network = HOME, folder, ...changes }: Partial<ProxyConfig> = {},
  ): Promise<BuiltProxy> {
    const proxy = await this.build(mspId, dependencies, {
      network,
      ...(folder !== undefined && { folder }),
      ...changes,
    });
    await proxy.begin(`http://${mspId.toLowerCase()}.example`);
    return proxy;
  }

  /** The same, not begun. */
  async build(
    mspId: string,
    dependencies: ProxyDependencies = {},
    { network = HOME, ...changes }: Partial<ProxyConfig> = {},
  ): Promise<BuiltProxy> {
    const connection = this.testbed.connection(network, this.testbed.member(mspId, 'proxy'));
    const config = { ...(await this.config(network, mspId)), ...changes };
    const proxy = await buildProxy(config, { connection, log: pino({ level: 'silent' }), ...dependencies });
    this.#proxies.add(proxy);
    return proxy;
  }

  async close(proxy: BuiltProxy): Promise<void> {
    this.#proxies.delete(proxy);
    await proxy.close();
  }

  async post(proxy: BuiltProxy, path: string, payload: unknown): Promise<Reply> {
    const response = await proxy.app.inject({
      method: 'POST',
      url: path,
      headers: { 'content-type': 'application/json' },
      payload: JSON.stringify(payload),
    });
    return { status: response.statusCode, body: response.json() };
  }

  /** What a relay of the home region sends to a proxy; `changes` for a relay that does it wrongly. */
  envelope(
    to: string,
    kind: string,
    body: unknown,
    changes: Partial<Envelope> = {},
    relay: Member = this.relay(HOME),
  ): SignedBy<typeof Envelope> {
    this.#sequence += 1;
    const issuedAt = Date.now();
    const document: Envelope = {
      federation: this.testbed.federation,
      from: HOME,
      to,
      sequence: this.#sequence,
      issuedAt,
      expiresAt: issuedAt + 30_000,
      kind,
      body,
      ...changes,
    };
    return signDocument(Envelope, document, [relay]);
  }

  relay(region: string): Member {
    return this.testbed.member(this.testbed.members(region).commission, 'relay');
  }

  order(proxy: BuiltProxy, mspId: string, path: string, kind: string, body: unknown): Promise<Reply> {
    return this.post(proxy, path, this.envelope(`${HOME}/${mspId}`, kind, body));
  }

  async patient(scopes: readonly string[] = ['laboratory']): Promise<TestPatient> {
    const { testbed } = this;
    const { federation } = testbed;
    const pseudonym = random(32);
    const keys = PatientKeys.fromMaster(crypto.getRandomValues(new Uint8Array(32)), federation);
    const signer = keys.signer();
    const patient = { pseudonym, keys, signer };
    const hospital = testbed.member('HospitalA1', 'hospital');
    const signingKey = signer.verifyingKey().toBase64url();
    const document = {
      federation,
      region: HOME,
      pseudonym,
      keyEpoch: 1,
      suite: SUITE,
      signingKey,
      signedAt: Date.now(),
    } as const;
    const patientKey = signDocument(PatientKey, document, [signer, hospital]);
    const registered = await testbed.main().registerPatient(patientKey);
    await testbed.region(HOME, 'HospitalA1', 'hospital').enrol(patientKey, await testbed.prove('main', registered));
    for (const scope of scopes) await this.bind(patient, scope, 1);
    return patient;
  }

  async bind({ pseudonym, keys, signer }: TestPatient, scope: string, epoch: number): Promise<void> {
    const key = keys.scopeKey({ region: HOME, scope, epoch }).publicKey().toBase64url();
    const { federation } = this.testbed;
    const document = {
      federation,
      region: HOME,
      pseudonym,
      scope,
      epoch,
      suite: SUITE,
      key,
      signedAt: Date.now(),
    } as const;
    await this.testbed.region(HOME, 'HospitalA1', 'hospital').bind(signDocument(ScopeKey, document, [signer]));
  }

  /** Publishes a record. Returns its id and content key. */
  async publish({ pseudonym, keys }: TestPatient, scope = 'laboratory') {
    const { federation } = this.testbed;
    const recordId = random(16);
    const secret = newContentSecret();
    const record = { federation, region: HOME, recordId, pseudonym, scope, epoch: 1 };
    const scopeKey = keys.scopeKey({ region: HOME, scope, epoch: 1 }).publicKey();
    const document: RecordEntry = {
      ...record,
      suite: SUITE,
      codes: [{ system: 'http://hl7.org/fhir/resource-types', code: 'Observation' }],
      cid: CID,
      sizeBytes: 100,
      header: toBase64url(sealHeader(scopeKey, secret, headerContext(record))),
      commitment: toBase64url(commitment(secret.salt, new Uint8Array(32))),
      custodian: 'HospitalA1',
      signedAt: Date.now(),
    };
    const signed = signDocument(RecordEntry, document, [this.testbed.member('HospitalA1', 'hospital')]);
    await this.testbed.region(HOME, 'HospitalA1', 'hospital').publish(signed);
    return { recordId, secret, header: document.header, context: headerContext(record) };
  }

  async doctor(): Promise<TestDoctor> {
    const { testbed } = this;
    const member = testbed.member('HospitalB1', 'practitioner', randomUUID());
    const secret = SecretKey.random();
    const signedAt = Date.now();
    const document = {
      federation: testbed.federation,
      region: ELSEWHERE,
      mspId: 'HospitalB1',
      certificate: createHash('sha256').update(new X509Certificate(member.certificate).raw).digest('hex'),
      suite: SUITE,
      key: secret.publicKey().toBase64url(),
      notBefore: signedAt - 1_000,
      notAfter: signedAt + 86_400_000,
      signedAt,
    } as const;
    const keyCertificate = signDocument(KeyCertificate, document, [member, new Signer(secret)]);
    const committed = await testbed.region(ELSEWHERE, 'HospitalB1', 'hospital').registerPractitioner(keyCertificate);
    const keyCertificateId = documentId('key-certificate', document);
    return {
      member,
      secret,
      keyCertificate,
      keyCertificateId,
      registration: await testbed.prove(ELSEWHERE, committed),
    };
  }

  /** A grant on the chain, with fragments sealed to the proxies registered there. `changes` to what is signed. */
  async grant(
    patient: TestPatient,
    doctor: TestDoctor,
    changes: Partial<Grant> & { readonly receivingKey?: PublicKey; readonly signer?: Signer } = {},
  ): Promise<TestGrant> {
    const { receivingKey = doctor.secret.publicKey(), signer = patient.signer, ...rest } = changes;
    const { federation } = this.testbed;
    const scopes = rest.scopes ?? [{ scope: 'laboratory', epoch: 1 }];
    const registered = (await this.chain.proxies()).map(({ document }) => document);
    const threshold = Math.min(2, registered.length);
    const kfrags = scopes.map(({ scope, epoch }) => {
      const delegatingKey = patient.keys.scopeKey({ region: HOME, scope, epoch });
      return generateKfrags({ delegatingKey, receivingKey, signer, threshold, shares: registered.length });
    });
    const plaintexts = new Map(
      registered.map(({ mspId }, index) => [mspId, Buffer.concat(kfrags.map((ofScope) => ofScope[index]!.toBytes()))]),
    );
    const sealed = new Map(
      registered.map(({ mspId, key }: ProxyKey) => {
        const plaintext = plaintexts.get(mspId)!;
        const context = kfragContext(federation, HOME, patient.pseudonym, mspId);
        return [mspId, sealTo(PublicKey.fromBase64url(key), plaintext, context)] as const;
      }),
    );
    const at = Date.now();
    const document: Grant = {
      federation,
      region: HOME,
      pseudonym: patient.pseudonym,
      grantee: doctor.keyCertificateId,
      purposes: ['TREAT'],
      scopes,
      notBefore: at - 1_000,
      notAfter: at + 3_600_000,
      threshold,
      proxies: [...sealed].map(([mspId, bytes]) => ({ mspId, commitment: digest(bytes) })),
      signedAt: at,
      nonce: random(16),
      ...rest,
    };
    const grant = signDocument(Grant, document, [patient.signer]);
    await this.chain.grant(grant, doctor.keyCertificate, doctor.registration);
    const spelled = new Map([...sealed].map(([mspId, bytes]) => [mspId, toBase64url(bytes)]));
    return { grantId: documentId('grant', document), patient, doctor, sealed: spelled, kfrags: plaintexts };
  }

  deliver(proxy: BuiltProxy, mspId: string, { grantId, sealed }: TestGrant): Promise<Reply> {
    return this.post(proxy, '/v1/kfrags', { grantId, sealed: sealed.get(mspId) });
  }

  revocation({ grantId, patient }: TestGrant, signer = patient.signer): SignedBy<typeof Revocation> {
    const { federation } = this.testbed;
    const document = { federation, region: HOME, pseudonym: patient.pseudonym, grantId, signedAt: Date.now() };
    return signDocument(Revocation, document, [signer]);
  }

  /** Has the home chain decide about a new request. Returns the order for its proxies. */
  async decide({ patient, doctor }: TestGrant, changes: Partial<Request> = {}) {
    const document: Request = {
      federation: this.testbed.federation,
      region: ELSEWHERE,
      pseudonym: patient.pseudonym,
      scopes: ['laboratory'],
      purpose: 'TREAT',
      evidence: random(32),
      keyCertificate: doctor.keyCertificateId,
      minMainHeight: 0,
      priority: 'routine',
      waitForConsent: false,
      notBefore: Date.now() - 1_000,
      notAfter: Date.now() + 60_000,
      nonce: random(16),
      ...changes,
    };
    const request = signDocument(Request, document, [doctor.member]);
    const { transactionId, result } = await this.chain.decide(request, doctor.keyCertificate, undefined);
    const outcome = JSON.parse(text.decode(result)) as Outcome;
    return { order: { requestId: documentId('request', document), transactionId }, outcome };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const proxy of this.#proxies) await proxy.close();
    await this.testbed[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }
}
