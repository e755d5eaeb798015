import { join } from 'node:path';
import {
  FederationView,
  filePins,
  Hospital,
  Keystore,
  type KeystoreSecrets,
  Patient,
  type Pins,
  Practitioner,
  RelayClient,
} from '@yilian/client';
import { connect, createSigner } from '@yilian/ledger';
import { PatientKeys, SecretKey } from '@yilian/pre';
import { digest, type KeyCertificate, ROLE_ATTRIBUTE, type SignedBy, utf8Bytes } from '@yilian/protocol';
import { RegionalChain } from '@yilian/regional-chain';
import { openRemoteVault, type Vault } from '@yilian/vault';
import { hospitals, type RegionDescription } from './description.ts';
import { DeployError } from './errors.ts';
import { FileLock } from './file-lock.ts';
import { readIfThere, readJsonIfThere } from './files.ts';
import { openHolder } from './holder.ts';
import type { Layout } from './layout.ts';
import { vaultConfig } from './vaults.ts';

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
  /** Opens, once, the vaults of the region's other hospitals, where replicas go. Only who replicates needs them to run. */
  readonly replicas: () => Promise<readonly Vault[]>;
}

/** Asks for the keystores' passphrase, when one is needed; `fresh`: of a keystore that is being made. */
export type Passphrase = (fresh: boolean) => Promise<string>;

const DAY_MS = 86_400_000;
const FIRST_EPOCH = 1;

/** The people and institutions of a running local federation, as its command line plays them. */
export class Actors {
  readonly layout: Layout;
  readonly #passphrase: Passphrase;
  readonly #signal: AbortSignal | undefined;

  constructor(layout: Layout, passphrase: string | Passphrase, signal?: AbortSignal) {
    this.layout = layout;
    this.#passphrase = typeof passphrase === 'string' ? async () => passphrase : passphrase;
    this.#signal = signal;
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
    await using opening = new AsyncDisposableStack();
    const connection = connect({
      ...(await this.layout.client(region.region, mspId)),
      identity: { mspId, certificate },
      privateKey,
    });
    opening.defer(() => connection.close());
    const chain = new RegionalChain(connection, region.region);
    const { holders } = await vaultConfig(this.layout, region);
    const own = holders.find((holder) => holder.mspId === mspId);
    if (own === undefined) throw new DeployError('NAME_UNKNOWN', `no vault of ${mspId}`);
    const vault = opening.use(await openHolder(own));
    const hospital = new Hospital({
      federation: this.federation,
      region: region.region,
      mspId,
      certificate,
      sign: createSigner(privateKey),
      chain,
      relay: this.relay(region.region),
      vault,
      pins: await this.#pins(region.region, mspId),
    });
    const open = opening.move();
    const others = holders.filter((holder) => holder !== own);
    let replicas: Promise<readonly Vault[]> | undefined;
    return {
      hospital,
      chain,
      replicas: () => (replicas ??= Promise.all(others.map(async (other) => open.use(await openHolder(other))))),
      [Symbol.asyncDispose]: () => open[Symbol.asyncDispose](),
    };
  }

  /** Several terminals may pin at one hospital at a time. */
  async #pins(region: string, mspId: string): Promise<Pins> {
    const file = join(await this.layout.folder(region, 'pins'), `${mspId}.json`);
    const pins = filePins(file);
    return {
      get: (pseudonym) => pins.get(pseudonym),
      pin: async (pseudonym, signingKey) => {
        using _ = await FileLock.take(`${file}.lock`, this.#signal);
        await pins.pin(pseudonym, signingKey);
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

  /** Reads bodies from a region's holders; every block is checked. */
  bodies(view: FederationView, region: string): Vault {
    return openRemoteVault({ holders: [...view.region(region).holders] });
  }

  /**
   * A patient's first visit: pseudonym from the authority, keys on the patient's own device, the signing key on the
   * main chain, one key for every scope on the region's chain. The keys are kept before anything is registered, so that
   * an enrolment that was interrupted goes on when it is tried again.
   */
  async enrolPatient(
    name: string,
    mspId: string,
    nationalId: string,
  ): Promise<{ person: Person; patient: Patient; transactionId: string }> {
    using _ = await this.#reserve(name);
    const { region } = this.#home(mspId);
    const { pseudonym, keyEpoch } = await this.#pseudonymise(mspId, nationalId);
    const { master } = await this.#keep(name, (left) => ({
      master: left.master ?? crypto.getRandomValues(new Uint8Array(32)),
    }));
    const patient = this.#patient(master, pseudonym, keyEpoch);
    const transactionId = await this.visit(patient, mspId);
    const person: Person = { name, kind: 'patient', region, mspId, pseudonym, keyEpoch };
    await this.#remember(person);
    return { person, patient, transactionId };
  }

  /** @throws DeployError NAME_TAKEN unless the identity number is this patient's */
  async requireSamePatient({ name, pseudonym }: Person, mspId: string, nationalId: string): Promise<void> {
    if ((await this.#pseudonymise(mspId, nationalId)).pseudonym !== pseudonym)
      throw new DeployError('NAME_TAKEN', `${name} is enrolled already, under another identity number`);
  }

  async #pseudonymise(mspId: string, nationalId: string): Promise<{ pseudonym: string; keyEpoch: number }> {
    const { region } = this.#home(mspId);
    const { certificate, privateKey } = await this.layout.credential(mspId, 'hospital');
    const { pseudonymise } = await import('@yilian/pseudonyms');
    return pseudonymise(this.layout.url('pseudonyms'), {
      federation: this.federation,
      region,
      nationalId,
      evidence: digest(utf8Bytes(`identity document seen by ${mspId}`)),
      signer: { certificate, sign: createSigner(privateKey) },
      ...(this.#signal && { signal: this.#signal }),
    });
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
    using _ = await this.#reserve(name);
    await using open = await this.hospital(mspId);
    const { region } = open.hospital;
    const authority = await this.layout.pki.authority(mspId);
    const credential = authority.issue({
      commonName,
      role: 'client',
      attributes: { [ROLE_ATTRIBUTE]: 'practitioner' },
    });
    const { receivingKey } = await this.#keep(name, () => ({
      receivingKey: SecretKey.random().toBytes(),
      privateKey: credential.privateKey,
    }));
    const secret = SecretKey.fromBytes(receivingKey);
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
    const { certificate } = credential;
    const person: Person = { name, kind: 'doctor', region, mspId, keyCertificateId, certificate, keyCertificate };
    await this.#remember(person);
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
    return ((await readJsonIfThere(this.layout.path('people.json'))) ?? []) as Person[];
  }

  /** Keeps a name from everybody else until disposed. @throws DeployError USAGE NAME_TAKEN */
  async #reserve(name: string): Promise<Disposable> {
    if (!/^[a-z][a-z0-9-]{0,39}$/.test(name))
      throw new DeployError('USAGE', `a name is lower-case letters, digits and dashes, not ${name}`);
    const lock = await FileLock.take(join(await this.layout.folder('keystores'), `${name}.lock`), this.#signal);
    if (!(await this.people()).some((person) => person.name === name)) return lock;
    lock[Symbol.dispose]();
    throw new DeployError('NAME_TAKEN', `${name} is enrolled already`);
  }

  /** Makes a person's keystore; `make` gets what an interrupted enrolment left in it. */
  async #keep<S extends KeystoreSecrets>(name: string, make: (left: KeystoreSecrets) => S): Promise<S> {
    const file = this.#keystore(name);
    const passphrase = await this.#passphrase(true);
    if ((await readIfThere(file)) === undefined) {
      const secrets = make({});
      await Keystore.create(file, passphrase, secrets);
      return secrets;
    }
    const left = await Keystore.open(file, passphrase);
    const secrets = make(left.secrets);
    await left.save(passphrase, secrets);
    return secrets;
  }

  async #remember(person: Person): Promise<void> {
    using _ = await FileLock.take(this.layout.path('people.lock'), this.#signal);
    await this.layout.write('people.json', [...(await this.people()), person]);
  }

  async #secrets(name: string): Promise<KeystoreSecrets> {
    return (await Keystore.open(this.#keystore(name), await this.#passphrase(false))).secrets;
  }

  #keystore(name: string): string {
    return join(this.layout.path('keystores'), `${name}.json`);
  }
}
