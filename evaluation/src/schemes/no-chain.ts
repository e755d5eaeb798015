import { createHash, randomBytes, verify, X509Certificate } from 'node:crypto';
import { Practitioner } from '@yilian/client';
import { createSigner } from '@yilian/ledger';
import {
  CapsuleFrag,
  CFRAG_BYTES,
  generateKfrags,
  headerCapsule,
  newContentSecret,
  openBody,
  openHeader,
  openSealed,
  PatientKeys,
  PublicKey,
  SecretKey,
  sealBody,
  sealHeader,
} from '@yilian/pre';
import {
  canonicalJson,
  cfragContext,
  documentId,
  fromBase64url,
  headerContext,
  KeyCertificate,
  Request,
  type SignedBy,
  toBase64url,
  utf8Bytes,
} from '@yilian/protocol';
import { Files } from '@yilian/testbed/files';
import { Network } from '@yilian/testbed/network';
import { openBlockVault, openRemoteVault, parseCid, type StoredVault, serveGateway, type Vault } from '@yilian/vault';
import { EvaluationError } from '../errors.ts';
import type { Scheme } from '../results.ts';
import { bytesFrom, type Deployment, type DeploymentOptions } from './deployment.ts';
import { House, type HouseReply } from './house.ts';
import { QUORUM } from './node-plans.ts';
import { type Bytes, PURPOSE } from './people.ts';
import { judged, type Phases } from './query.ts';
import { placeOf, type Question, Roster } from './roster.ts';
import { organisationsOf, placesOf } from './topology.ts';
import { BODIES, Ways } from './ways.ts';
import { FEDERATION, FOLDER, SCOPE, THRESHOLD } from './world.ts';

const DAY_MS = 86_400_000;
const EPOCH = 1;

interface Home {
  readonly place: string;
  readonly network: Network;
  readonly house: House;
  readonly vault: StoredVault;
  /** URL of the vault's gateway. */
  readonly gateway: string;
}

interface Subject {
  readonly home: Home;
  readonly keys: PatientKeys;
  readonly pseudonym: string;
}

interface Asker {
  readonly practitioner: Practitioner;
  readonly secret: SecretKey;
  readonly keyCertificate: SignedBy<typeof KeyCertificate>;
  readonly fetch: typeof globalThis.fetch;
  readonly bodies: Vault;
}

/** A {@link Deployment} without any chain: a house at every place, which doctors ask themselves. */
export class NoChainDeployment implements Deployment {
  readonly scheme: Scheme;
  readonly #homes: readonly Home[];
  readonly #ways: Ways;
  readonly #bytes: Bytes;
  readonly #subjects: Subject[] = [];
  readonly #published = new Map<string, string>();
  readonly #roster: Roster<Asker>;
  readonly #resources: AsyncDisposableStack;

  private constructor(
    scheme: Scheme,
    homes: readonly Home[],
    ways: Ways,
    seed: string,
    resources: AsyncDisposableStack,
  ) {
    this.scheme = scheme;
    this.#homes = homes;
    this.#ways = ways;
    this.#bytes = bytesFrom(seed);
    this.#resources = resources;
    const places = homes.map(({ place }) => place);
    this.#roster = new Roster({
      newcomer: ({ kind, patient }) => this.#asker(placeOf(places, kind, patient), this.#subjects[patient] as Subject),
      query: (asker, { patient }, signal) =>
        judged(signal, () => this.#query(asker, this.#subjects[patient] as Subject, signal)),
    });
  }

  static async open(scheme: Scheme, options: DeploymentOptions): Promise<NoChainDeployment> {
    await using opened = new AsyncDisposableStack();
    const files = opened.use(await Files.open(FEDERATION, 'silent', FOLDER));
    const ways = new Ways(options.network, false);
    const networks = placesOf(options.regions).map((place) => new Network(place, organisationsOf(place), QUORUM));
    const trusts = networks.map(({ trust }) => trust);
    const homes: Home[] = [];
    for (const network of networks) {
      const { name: place, mspIds } = network;
      const vault = opened.use(await openBlockVault({ folder: files.path(`${place}-vault`) }));
      const gateway = await serveGateway(vault, { host: '127.0.0.1', port: 0 });
      opened.defer(() => gateway.close());
      const hospital = network.member(mspIds[1] ?? '', 'hospital');
      const logFile = files.path(`${place}.log`);
      const house = opened.use(
        await House.open({ logFile, hospital, proxies: mspIds, threshold: THRESHOLD, trusts, vault }),
      );
      ways.put(house.url, place);
      ways.put(gateway.url, place);
      homes.push({ place, network, house, vault, gateway: gateway.url });
    }
    const deployment = new NoChainDeployment(scheme, homes, ways, options.seed, opened.move());
    for (let patient = 0; patient < options.patients; patient += 1) {
      const home = homes[patient % homes.length] as Home;
      deployment.#subjects.push(await deployment.#enrol(home, options.sizeBytes(patient)));
    }
    return deployment;
  }

  prepare(questions: readonly Question[]): Promise<void> {
    return this.#roster.prepare(questions);
  }

  ask(question: Question, signal: AbortSignal): Promise<Phases> {
    return this.#roster.ask(question, signal);
  }

  async publish(patient: number, sizeBytes: number): Promise<void> {
    await this.#enrol(this.#homes[patient % this.#homes.length] as Home, sizeBytes);
  }

  cpuMs(): number {
    return 0;
  }

  async chainBytes(): Promise<number> {
    return this.#homes.reduce((sum, { house }) => sum + house.logBytes, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]();
  }

  /** A patient with one record. */
  async #enrol(home: Home, sizeBytes: number): Promise<Subject> {
    const { place: region, house, vault, gateway } = home;
    const keys = PatientKeys.fromMaster(this.#bytes(32), FEDERATION);
    const pseudonym = toBase64url(this.#bytes(32));
    const [recordId, plaintext, secret] = [toBase64url(this.#bytes(16)), this.#bytes(sizeBytes), newContentSecret()];
    const scopeKey = keys.scopeKey({ region, scope: SCOPE, epoch: EPOCH }).publicKey();
    const { cid, sizeBytes: sealedBytes } = await vault.put(sealBody(secret.key, [plaintext]));
    const header = sealHeader(scopeKey, secret, headerContext({ ...about(region, pseudonym), recordId }));
    house.keep({
      recordId,
      pseudonym,
      cid,
      sizeBytes: sealedBytes,
      header: toBase64url(header),
      scopeKey: scopeKey.toBase64url(),
    });
    this.#ways.putBody(cid, gateway);
    this.#published.set(recordId, sha256(plaintext));
    return { home, keys, pseudonym };
  }

  /** A doctor at a place whom the patient has granted. */
  async #asker(place: string, { home, keys, pseudonym }: Subject): Promise<Asker> {
    const { network } = this.#homes.find((other) => other.place === place) as Home;
    const [, , mspId] = organisationsOf(place);
    const { certificate, privateKey } = network.member(mspId, 'practitioner', toBase64url(randomBytes(9)));
    const secret = SecretKey.random();
    const sign = createSigner(privateKey);
    const practitioner = new Practitioner({ federation: FEDERATION, region: place, mspId, certificate, sign, secret });
    const now = Date.now();
    const keyCertificate = practitioner.keyCertificate({ notBefore: now - 60_000, notAfter: now + DAY_MS });
    const fragments = generateKfrags({
      delegatingKey: keys.scopeKey({ region: home.place, scope: SCOPE, epoch: EPOCH }),
      receivingKey: secret.publicKey(),
      signer: keys.signer(),
      threshold: THRESHOLD,
      shares: home.network.mspIds.length,
    });
    home.house.grant(pseudonym, documentId(KeyCertificate.type, keyCertificate.document), fragments);
    const fetch = this.#ways.fetchAt(place);
    const bodies = this.#resources.use(openRemoteVault({ holders: [BODIES], fetch }));
    return { practitioner, secret, keyCertificate, fetch, bodies };
  }

  async #query(asker: Asker, subject: Subject, signal: AbortSignal): Promise<Phases> {
    const { practitioner, keyCertificate, fetch } = asker;
    const { home, pseudonym } = subject;
    const start = performance.now();
    const request = practitioner.request({
      pseudonym,
      scopes: [SCOPE],
      purpose: PURPOSE,
      evidence: utf8Bytes('referral'),
      minMainHeight: 0,
    });
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ request, keyCertificate });
    const asked = performance.now();
    const response = await fetch(home.house.url, { method: 'POST', headers, body, signal });
    if (!response.ok) throw new EvaluationError('MISSING_ANSWER', `the house answered ${response.status}`);
    const reply = (await response.json()) as HouseReply;
    const answered = performance.now();
    const { certificate } = home.network.member(home.network.mspIds[1] ?? '', 'hospital');
    const signed = verify(
      'sha256',
      utf8Bytes(canonicalJson(reply.line)),
      new X509Certificate(certificate).publicKey,
      fromBase64url(reply.signature),
    );
    if (!signed || reply.line.requestId !== documentId(Request.type, request.document))
      throw new EvaluationError('WRONG_ANSWER', 'the log’s line is not signed or of another request');
    const verified = performance.now();
    const hash = createHash('sha256');
    for await (const piece of this.#open(asker, subject, reply, signal)) hash.update(piece);
    const opened = performance.now();
    if (hash.digest('hex') !== this.#published.get(reply.record.recordId))
      throw new EvaluationError('WRONG_ANSWER', 'the record is not what was published');
    return { ask: asked - start, answer: answered - asked, verify: verified - answered, open: opened - verified };
  }

  #open({ secret, bodies }: Asker, { home, keys, pseudonym }: Subject, reply: HouseReply, signal: AbortSignal) {
    const { record, shares, line } = reply;
    const header = fromBase64url(record.header);
    const capsule = headerCapsule(header);
    const delegatingKey = PublicKey.fromBase64url(record.scopeKey);
    const checked = { verifyingKey: keys.signer().verifyingKey(), delegatingKey, receivingKey: secret.publicKey() };
    const cfrags = shares.map(({ mspId, sealed }) => {
      const context = cfragContext(FEDERATION, line.requestId, line.previous, mspId);
      const bytes = openSealed(secret, fromBase64url(sealed), context);
      return CapsuleFrag.fromBytes(bytes.slice(0, CFRAG_BYTES)).verify(capsule, checked);
    });
    const context = headerContext({ ...about(home.place, pseudonym), recordId: record.recordId });
    const { key } = openHeader({ receivingKey: secret, delegatingKey, header, context, cfrags });
    const { sizeBytes } = record;
    const sealed =
      reply.body === undefined ? bodies.get(parseCid(record.cid), { sizeBytes, signal }) : [fromBase64url(reply.body)];
    return openBody(key, sealed, { sealedSize: sizeBytes });
  }
}

function about(region: string, pseudonym: string) {
  return { federation: FEDERATION, region, pseudonym, scope: SCOPE, epoch: EPOCH };
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
