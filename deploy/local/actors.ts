import { join } from 'node:path';
import {
  FederationView,
  filePins,
  Hospital,
  Keystore,
  type KeystoreSecrets,
  Patient,
  Practitioner,
  RelayClient,
} from '@yilian/client';
import { connect, createSigner } from '@yilian/ledger';
import { PatientKeys, SecretKey } from '@yilian/pre';
import { digest, type KeyCertificate, ROLE_ATTRIBUTE, type SignedBy, utf8Bytes } from '@yilian/protocol';
import { pseudonymise } from '@yilian/pseudonyms';
import { RegionalChain } from '@yilian/regional-chain';
import { openBlockVault, openRemoteVault, type Vault } from '@yilian/vault';
import { hospitals, type RegionDescription } from './description.ts';
import { DeployError } from './errors.ts';
import type { Layout } from './layout.ts';
import { readIfThere } from './pki.ts';

/** What everybody may know of a person of the local federation; their secrets lie in their keystore. */
export interface Person {
  readonly name: string;
  readonly kind: 'patient' | 'doctor';
  readonly region: string;
  readonly mspId: string;
  /** Of a patient. */
  readonly pseudonym?: string;
  readonly keyEpoch?: number;
  /** Of a doctor. */
  readonly keyCertificateId?: string;
  readonly certificate?: string;
  readonly keyCertificate?: SignedBy<typeof KeyCertificate>;
}

/** A hospital's client with what it holds open. */
export interface OpenHospital extends AsyncDisposable {
  readonly hospital: Hospital;
  readonly chain: RegionalChain;
  /** The vaults of the region's other hospitals, where replicas go. */
  readonly replicas: readonly Vault[];
}

const DAY_MS = 86_400_000;
const FIRST_EPOCH = 1;

/** The people and institutions of a running local federation, as its command line plays them. */
export class Actors {
  readonly layout: Layout;
  readonly #passphrase: string;

  constructor(layout: Layout, passphrase: string) {
    this.layout = layout;
    this.#passphrase = passphrase;
  }

  get federation(): string {
    return this.layout.description.federation;
  }

  relay(region: string): RelayClient {
    return new RelayClient(this.layout.url(`${region}/relay`));
  }

  /** The federation as a region's relay shows it, proven from the pinned genesis. */
  async view(region: string): Promise<FederationView> {
    return FederationView.load(this.relay(region), await this.layout.genesis());
  }

  /** Opens a hospital's client: its chain identity, its vault and its region's relay. */
  async hospital(mspId: string): Promise<OpenHospital> {
    const region = this.#home(mspId);
    const { certificate, privateKey } = await this.layout.credential(mspId, 'hospital');
    const connection = connect({
      client: this.layout.address(`${region.region}/chain`),
      identity: { mspId, certificate },
      privateKey,
    });
    const chain = new RegionalChain(connection, region.region);
    const vaults = await this.#vaults(region.region);
    const vault = vaults.get(mspId);
    if (vault === undefined) throw new DeployError('NAME_UNKNOWN', `no vault of ${mspId}`);
    const hospital = new Hospital({
      federation: this.federation,
      region: region.region,
      mspId,
      certificate,
      sign: createSigner(privateKey),
      chain,
      relay: this.relay(region.region),
      vault,
      pins: filePins(join(await this.layout.folder(region.region, 'pins'), `${mspId}.json`)),
    });
    return {
      hospital,
      chain,
      replicas: [...vaults].filter(([holder]) => holder !== mspId).map(([, replica]) => replica),
      async [Symbol.asyncDispose]() {
        connection.close();
        for (const open of vaults.values()) await open[Symbol.asyncDispose]();
      },
    };
  }

  #home(mspId: string): RegionDescription {
    const region = this.layout.description.regions.find((candidate) =>
      hospitals(candidate).some((each) => each.mspId === mspId),
    );
    if (region === undefined) throw new DeployError('NAME_UNKNOWN', `no hospital ${mspId} in this federation`);
    return region;
  }

  async #vaults(region: string): Promise<Map<string, Vault>> {
    const { holders } = await this.layout.vaults(this.layout.region(region));
    const names = hospitals(this.layout.region(region)).map(({ mspId }) => mspId);
    const open = await Promise.all(
      holders.map(({ folder, others }) => openBlockVault({ folder, holders: [...others] })),
    );
    return new Map(open.map((vault, index) => [names[index] ?? '', vault]));
  }

  /** Reads bodies from a region's holders; every block is checked. */
  bodies(view: FederationView, region: string): Vault {
    return openRemoteVault({ holders: [...view.region(region).holders] });
  }

  /**
   * A patient's first visit: pseudonym from the authority, keys on the patient's own device, the signing key on the
   * main chain, one key for every scope on the region's chain.
   */
  async enrolPatient(
    name: string,
    mspId: string,
    nationalId: string,
  ): Promise<{ person: Person; patient: Patient; transactionId: string }> {
    await this.#requireFree(name);
    const { region } = this.#home(mspId);
    const { certificate, privateKey } = await this.layout.credential(mspId, 'hospital');
    const { pseudonym, keyEpoch } = await pseudonymise(this.layout.url('pseudonyms'), {
      federation: this.federation,
      region,
      nationalId,
      evidence: digest(utf8Bytes(`identity document seen by ${mspId}`)),
      signer: { certificate, sign: createSigner(privateKey) },
    });
    const master = crypto.getRandomValues(new Uint8Array(32));
    const patient = this.#patient(master, pseudonym, keyEpoch);
    const transactionId = await this.visit(patient, mspId);
    const person: Person = { name, kind: 'patient', region, mspId, pseudonym, keyEpoch };
    await this.#remember(person, { master });
    return { person, patient, transactionId };
  }

  /** An enrolled patient is seen by another hospital, of whatever region: it pins the signing key and binds the scopes. */
  async visit(patient: Patient, mspId: string): Promise<string> {
    await using open = await this.hospital(mspId);
    const { region } = open.hospital;
    const { transactionId } = await open.hospital.enrol(patient.patientKey(region));
    for (const { scope } of this.layout.description.scopes)
      await open.hospital.bind(patient.scopeKey(region, scope, FIRST_EPOCH));
    return transactionId;
  }

  /** A doctor's certificate from the hospital's authority, re-encryption key, and key certificate on the region's chain. */
  async enrolDoctor(
    name: string,
    mspId: string,
    commonName: string,
  ): Promise<{ person: Person; practitioner: Practitioner; transactionId: string }> {
    await this.#requireFree(name);
    await using open = await this.hospital(mspId);
    const { region } = open.hospital;
    const authority = await this.layout.pki.authority(mspId);
    const credential = authority.issue({
      commonName,
      role: 'client',
      attributes: { [ROLE_ATTRIBUTE]: 'practitioner' },
    });
    const secret = SecretKey.random();
    const practitioner = new Practitioner({
      federation: this.federation,
      region,
      mspId,
      certificate: credential.certificate,
      sign: createSigner(credential.privateKey),
      secret,
    });
    const now = Date.now();
    const keyCertificate = practitioner.keyCertificate({ notBefore: now - 60_000, notAfter: now + 180 * DAY_MS });
    const { transactionId, keyCertificateId } = await open.hospital.registerPractitioner(keyCertificate);
    const { certificate, privateKey } = credential;
    const person: Person = { name, kind: 'doctor', region, mspId, keyCertificateId, certificate, keyCertificate };
    await this.#remember(person, { receivingKey: secret.toBytes(), privateKey });
    return { person, practitioner, transactionId };
  }

  /** @throws DeployError NAME_UNKNOWN, ClientError KEYSTORE_LOCKED KEYSTORE_CORRUPT */
  async patient(name: string): Promise<{ person: Person; patient: Patient }> {
    const person = await this.person(name, 'patient');
    const { master } = await this.#secrets(name);
    if (master === undefined || person.pseudonym === undefined)
      throw new DeployError('NAME_UNKNOWN', `the keystore of ${name} is not a patient’s`);
    return { person, patient: this.#patient(master, person.pseudonym, person.keyEpoch ?? FIRST_EPOCH) };
  }

  /** @throws DeployError NAME_UNKNOWN, ClientError KEYSTORE_LOCKED KEYSTORE_CORRUPT */
  async doctor(name: string): Promise<{ person: Person; practitioner: Practitioner }> {
    const person = await this.person(name, 'doctor');
    const { region, mspId, certificate, keyCertificate } = person;
    const { receivingKey, privateKey } = await this.#secrets(name);
    if (
      receivingKey === undefined ||
      privateKey === undefined ||
      certificate === undefined ||
      keyCertificate === undefined
    ) {
      throw new DeployError('NAME_UNKNOWN', `the keystore of ${name} is not a doctor’s`);
    }
    const practitioner = new Practitioner({
      federation: this.federation,
      region,
      mspId,
      certificate,
      sign: createSigner(privateKey),
      secret: SecretKey.fromBytes(receivingKey),
      keyCertificate,
    });
    return { person, practitioner };
  }

  #patient(master: Uint8Array, pseudonym: string, keyEpoch: number): Patient {
    return new Patient({
      keys: PatientKeys.fromMaster(master, this.federation),
      pseudonym,
      federation: this.federation,
      keyEpoch,
    });
  }

  async person(name: string, kind: Person['kind']): Promise<Person> {
    const person = (await this.people()).find((each) => each.name === name && each.kind === kind);
    if (person === undefined) throw new DeployError('NAME_UNKNOWN', `no ${kind} named ${name} is enrolled here`);
    return person;
  }

  async people(): Promise<Person[]> {
    return JSON.parse((await readIfThere(this.layout.path('people.json'))) ?? '[]') as Person[];
  }

  async #requireFree(name: string): Promise<void> {
    if (!/^[a-z][a-z0-9-]{0,39}$/.test(name))
      throw new DeployError('USAGE', `a name is lower-case letters, digits and dashes, not ${name}`);
    if ((await this.people()).some((person) => person.name === name))
      throw new DeployError('NAME_TAKEN', `${name} is enrolled already`);
  }

  async #remember(person: Person, secrets: KeystoreSecrets): Promise<void> {
    await this.layout.folder('keystores');
    await Keystore.create(this.#keystore(person.name), this.#passphrase, secrets);
    await this.layout.write('people.json', [...(await this.people()), person]);
  }

  async #secrets(name: string): Promise<KeystoreSecrets> {
    return (await Keystore.open(this.#keystore(name), this.#passphrase)).secrets;
  }

  #keystore(name: string): string {
    return join(this.layout.path('keystores'), `${name}.json`);
  }
}
