import { randomBytes } from 'node:crypto';
import { Hospital, Patient, Practitioner, type RelayClient } from '@yilian/client';
import { type Committed, createSigner } from '@yilian/ledger';
import { PatientKeys, SecretKey } from '@yilian/pre';
import { toBase64url } from '@yilian/protocol';
import type { Vault } from '@yilian/vault';
import { EvaluationError } from '../errors.ts';
import { fillIndex, fillRecords } from './ballast.ts';
import type { HomePlan } from './topology.ts';
import { FEDERATION, SCOPE, THRESHOLD, type World } from './world.ts';

const HOUR_MS = 3_600_000;
export const PURPOSE = 'TREAT';
/** Of the record that ballast is like. */
const LIKE_BYTES = 1000;
const CODE = { system: 'urn:ietf:bcp:13', code: 'application/octet-stream' };

/** Bytes from a seed: as many as are asked for, the same ones every time. */
export type Bytes = (count: number) => Uint8Array;

/** Somebody with records at a place. */
export interface Enrolled {
  readonly patient: Patient;
  readonly place: string;
  readonly home: HomePlan;
  readonly hospital: Hospital;
  /** What the patient's keys, pseudonym and records are made of. */
  readonly bytes: Bytes;
  /** Of what was published, SHA-256 in hexadecimal by record. */
  readonly published: Map<string, string>;
}

/** Somebody at a place who asks about one home's patients. */
export interface Doctor {
  readonly practitioner: Practitioner;
  readonly relay: RelayClient;
  /** Reads sealed bodies from the home's holders. */
  readonly bodies: Vault;
  readonly grantee: Parameters<Patient['grant']>[0]['grantee'];
}

/** What patients, hospitals and doctors of a world do. All of it but publishing happens before anything is measured. */
export class People {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** A patient with one record, whom the index knows. */
  async enrol(place: string, sizeBytes: number, bytes: Bytes): Promise<Enrolled> {
    const home = this.#world.topology.home(place);
    const keys = PatientKeys.fromMaster(bytes(32), FEDERATION);
    const patient = new Patient({ keys, pseudonym: toBase64url(bytes(32)), federation: FEDERATION });
    const hospital = this.#hospital(place, home);
    const enrolled: Enrolled = { patient, place, home, hospital, bytes, published: new Map() };
    const chain = this.#world.chain(home.chain);
    await chain.everywhere(await hospital.enrol(patient.patientKey(home.chain)));
    await chain.everywhere(await hospital.bind(patient.scopeKey(home.chain, SCOPE, 1)));
    await chain.everywhere(await this.publish(enrolled, sizeBytes));
    await this.#index(enrolled);
    return enrolled;
  }

  /** One more record, sealed, stored and registered from the patient's place. */
  async publish(
    { patient: { pseudonym }, place, hospital, bytes, published }: Enrolled,
    sizeBytes: number,
  ): Promise<Pick<Committed, 'transactionId'>> {
    const plaintext = bytes(sizeBytes);
    const { recordId, cid, sha256, transactionId } = await hospital.publish({
      pseudonym,
      scope: SCOPE,
      codes: [CODE],
      source: (async function* () {
        yield plaintext;
      })(),
    });
    this.#world.ways.putBody(cid, this.#world.holder(place).url);
    published.set(recordId, sha256);
    return { transactionId };
  }

  /** So many records more on the chains, shared evenly among the places, each of another patient whom the index knows. */
  async fill(records: number, bytes: Bytes): Promise<void> {
    const { chains, places } = this.#world.topology;
    const ofPlace = Math.ceil(records / places.length);
    for (const { name } of chains) {
      const chain = this.#world.chain(name);
      const place = places.find((each) => this.#world.topology.home(each).chain === name) ?? '';
      const { home, published } = await this.enrol(place, LIKE_BYTES, bytes);
      const [recordId = ''] = published.keys();
      const count = (ofPlace * places.length) / chains.length;
      await fillRecords(chain, await chain.as(home.hospital, 'hospital').record(recordId), count);
      await fillIndex(this.#world.main, name, count);
    }
  }

  /** Somebody at a place whose key certificate is registered where the home's patients are asked for. */
  async doctor(place: string, home: string): Promise<Doctor> {
    const { relay, hospital } = this.#world.topology.door(place, home);
    const chain = this.#world.chain(relay.chain);
    const { mspId, certificate, privateKey } = chain.network.member(
      hospital,
      'practitioner',
      toBase64url(randomBytes(9)),
    );
    const practitioner = new Practitioner({
      federation: FEDERATION,
      region: relay.chain,
      mspId,
      certificate,
      sign: createSigner(privateKey),
      secret: SecretKey.random(),
    });
    const now = Date.now();
    const keyCertificate = practitioner.keyCertificate({ notBefore: now - 60_000, notAfter: now + 24 * HOUR_MS });
    const { transactionId } = await chain.as(hospital, 'hospital').registerPractitioner(keyCertificate);
    const proof = await chain.prove(transactionId);
    const { chain: records } = this.#world.topology.home(home);
    return {
      practitioner,
      relay: this.#world.relay(relay, place),
      bodies: await this.#world.bodies(place, records),
      grantee: { keyCertificate, proof },
    };
  }

  /** A grant of which every proxy holds its fragments. */
  async grant({ patient, home }: Enrolled, { grantee }: Doctor): Promise<void> {
    const now = Date.now();
    const { acknowledgedBy } = await patient.grant({
      view: await this.#world.view(),
      home: home.chain,
      relay: this.#world.relay(home.relay),
      grantee,
      scopes: [SCOPE],
      purposes: [PURPOSE],
      notBefore: now - 60_000,
      notAfter: now + 24 * HOUR_MS,
      threshold: THRESHOLD,
      proxies: home.proxies,
    });
    if (acknowledgedBy.length < home.proxies.length)
      throw new EvaluationError('IMPOSSIBLE', `only ${acknowledgedBy.join()} took the fragments`);
  }

  #hospital(place: string, { chain: name, hospital: mspId, relay }: HomePlan): Hospital {
    const chain = this.#world.chain(name);
    const { certificate, privateKey } = chain.network.member(mspId, 'hospital');
    return new Hospital({
      federation: FEDERATION,
      region: name,
      mspId,
      certificate,
      sign: createSigner(privateKey),
      chain: chain.as(mspId, 'hospital', place),
      relay: this.#world.relay(relay),
      vault: this.#world.holder(place).vault,
    });
  }

  /** What a relay does at its next scan: nobody waits for that here. */
  async #index({ patient: { pseudonym }, home }: Enrolled): Promise<void> {
    const chain = this.#world.chain(home.chain);
    const announcer = chain.as(chain.network.mspIds[0] ?? '', 'relay');
    const { transactionId } = await announcer.announce(pseudonym);
    await this.#world.asAuthority().addToIndex(await chain.prove(transactionId));
    await announcer.indexed([pseudonym]);
  }
}
