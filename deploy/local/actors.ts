import { join } from 'node:path';
import { Hospital, Keystore, Patient, Practitioner } from '@yilian/client';
import { FederationView, RelayClient } from '@yilian/client/core';
import { connect, createSigner } from '@yilian/ledger';
import { PatientKeys, SecretKey } from '@yilian/pre';
import { digest, fromBase64url, type KeyCertificate, parseGenesis, type SignedBy, toBase64url, utf8Bytes } from '@yilian/protocol';
import { pseudonymise } from '@yilian/pseudonyms';
import { RegionalChain, ROLE_ATTRIBUTE } from '@yilian/regional-chain';
import { openBlockVault, openRemoteVault, type Vault } from '@yilian/vault';
import { hospitals } from './description.ts';
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
  /** Of a doctor. */
  readonly keyCertificateId?: string;
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
    const region = this.layout.description.regions.find((candidate) => hospitals(candidate).some((each) => each.mspId === mspId));
    if (region === undefined) throw new DeployError('NAME_UNKNOWN', `no hospital ${mspId} in this federation`);
    const { certificate, privateKey } = await this.layout.credential(mspId, 'hospital');
    const connection = connect({ client: this.layout.address(`${region.region}/chain`), identity: { mspId, certificate }, privateKey });
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

  async #vaults(region: string): Promise<Map<string, Vault>> {
    const { holders } = await this.layout.vaults(this.layout.region(region));
    const names = hospitals(this.layout.region(region)).map(({ mspId }) => mspId);
    const open = await Promise.all(holders.map(({ folder, others }) => openBlockVault({ folder, holders: [...others] })));
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
  async enrolPatient(name: string, mspId: string, nationalId: string): Promise<{ person: Person; patient: Patient; transactionId: string }> {
    await this.#requireFree(name);
    await using open = await this.hospital(mspId);
    const { region } = open.hospital;
    const { certificate, privateKey } = await this.layout.credential(mspId, 'hospital');
    const { pseudonym, keyEpoch } = await pseudonymise(this.layout.url('pseudonyms'), {
      federation: this.federation,
      region,
      nationalId,
      evidence: digest(utf8Bytes(`identity document seen by ${mspId}`)),
      signer: { certificate, sign: createSigner(privateKey) },
    });
    const master = crypto.getRandomValues(new Uint8Array(32));
    const patient = new Patient({ keys: PatientKeys.fromMaster(master, this.federation), pseudonym, federation: this.federation, keyEpoch });
    const { transactionId } = await open.hospital.enrol(patient.patientKey(region));
    for (const { scope } of this.layout.description.scopes) await open.hospital.bind(patient.scopeKey(region, scope, FIRST_EPOCH));
    const person: Person = { name, kind: 'patient', region, mspId, pseudonym };
    await this.#remember(person, { kind: 'patient', master: toBase64url(master), pseudonym, keyEpoch });
    return { person, patient, transactionId };
  }

  /** A doctor's certificate from the hospital's authority, re-encryption key, and key certificate on the region's chain. */
  async enrolDoctor(name: string, mspId: string, commonName: string): Promise<{ person: Person; practitioner: Practitioner; transactionId: string }> {
    await this.#requireFree(name);
    await using open = await this.hospital(mspId);
    const { region } = open.hospital;
    const authority = await this.layout.pki.authority(mspId);
    const credential = authority.issue({ commonName, role: 'client', attributes: { [ROLE_ATTRIBUTE]: 'practitioner' } });
    const secret = SecretKey.random();
    const practitioner = new Practitioner({ federation: this.federation, region, mspId, certificate: credential.certificate, sign: createSigner(credential.privateKey), secret });
    const now = Date.now();
    const keyCertificate = practitioner.keyCertificate({ notBefore: now - 60_000, notAfter: now + 180 * DAY_MS });
    const { transactionId, keyCertificateId } = await open.hospital.registerPractitioner(keyCertificate);
    const person: Person = { name, kind: 'doctor', region, mspId, keyCertificateId };
    await this.#remember(person, { kind: 'doctor', secret: toBase64url(secret.toBytes()), ...credential, keyCertificate });
    return { person, practitioner, transactionId };
  }

  /** @throws DeployError NAME_UNKNOWN, ClientError KEYSTORE_LOCKED KEYSTORE_CORRUPT */
  async patient(name: string): Promise<{ person: Person; patient: Patient }> {
    const person = await this.person(name, 'patient');
    const secrets = await this.#secrets(name);
    if (secrets.kind !== 'patient') throw new DeployError('NAME_UNKNOWN', `${name} is no patient`);
    const keys = PatientKeys.fromMaster(fromBase64url(secrets.master), this.federation);
    return { person, patient: new Patient({ keys, pseudonym: secrets.pseudonym, federation: this.federation, keyEpoch: secrets.keyEpoch }) };
  }

  /** @throws DeployError NAME_UNKNOWN, ClientError KEYSTORE_LOCKED KEYSTORE_CORRUPT */
  async doctor(name: string): Promise<{ person: Person; practitioner: Practitioner }> {
    const person = await this.person(name, 'doctor');
    const secrets = await this.#secrets(name);
    if (secrets.kind !== 'doctor') throw new DeployError('NAME_UNKNOWN', `${name} is no doctor`);
    const { region, mspId } = person;
    const practitioner = new Practitioner({
      federation: this.federation,
      region,
      mspId,
      certificate: secrets.certificate,
      sign: createSigner(secrets.privateKey),
      secret: SecretKey.fromBytes(fromBase64url(secrets.secret)),
      keyCertificate: secrets.keyCertificate,
    });
    return { person, practitioner };
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
    if (!/^[a-z][a-z0-9-]{0,39}$/.test(name)) throw new DeployError('USAGE', `a name is lower-case letters, digits and dashes, not ${name}`);
    if ((await this.people()).some((person) => person.name === name)) throw new DeployError('NAME_TAKEN', `${name} is enrolled already`);
  }

  async #remember(person: Person, secrets: Secrets): Promise<void> {
    await this.layout.folder('keystores');
    await Keystore.create(this.#keystore(person.name), this.#passphrase, { ...secrets });
    await this.layout.write('people.json', [...(await this.people()), person]);
  }

  async #secrets(name: string): Promise<Secrets> {
    const keystore = await Keystore.open(this.#keystore(name), this.#passphrase);
    return keystore.secrets as unknown as Secrets;
  }

  #keystore(name: string): string {
    return join(this.layout.path('keystores'), `${name}.json`);
  }

  async genesis() {
    return parseGenesis(JSON.parse((await readIfThere(this.layout.path('genesis.json'))) ?? 'null'));
  }
}

type Secrets =
  | { readonly kind: 'patient'; readonly master: string; readonly pseudonym: string; readonly keyEpoch: number }
  | {
      readonly kind: 'doctor';
      readonly secret: string;
      readonly certificate: string;
      readonly privateKey: string;
      readonly keyCertificate: SignedBy<typeof KeyCertificate>;
    };
