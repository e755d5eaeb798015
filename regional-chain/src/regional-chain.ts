import { type Committed, type Connection, evaluate, type SubmitOptions, submit } from '@yilian/ledger';
import type {
  AccessQuery,
  ConsentDenial,
  DestructionReceipt,
  Genesis,
  Grant,
  KeyCertificate,
  MainHeight,
  OpenedReceipt,
  OutcomeProof,
  PatientKey,
  ProxyKey,
  RecordEntry,
  RecordRewrap,
  Request,
  Revocation,
  ScopeKey,
  SignedBy,
} from '@yilian/protocol';
import { canonicalJson } from '@yilian/protocol';
import type { AccessPage } from '../contracts/accesses.ts';
import type { GrantEntry } from '../contracts/grants.ts';
import { packProofs } from '../contracts/packed-proofs.ts';
import type { Patient } from '../contracts/patients.ts';
import type { KeyCertificateEntry } from '../contracts/practitioners.ts';
import type { RecordHeader } from '../contracts/records.ts';
import type { Foundation, Mirror, ScopeMirror } from '../contracts/region.ts';
import type { Leg, OutcomeEntry, PageEntry, RequestEntry, WaitingRequest } from '../contracts/request-state.ts';
import type { ReleaseStanding } from '../contracts/standing.ts';

/** Name of the chaincode on every regional channel. */
export const CHAINCODE = 'regional';

const text = new TextDecoder();

/** A region's chain as one organisation's client sees it. Every write waits for its commit; errors are `LedgerError`. */
export class RegionalChain {
  readonly #connection: Connection;
  readonly #channel: string;

  constructor(connection: Connection, channel: string) {
    this.#connection = connection;
    this.#channel = channel;
  }

  found(region: string, genesis: Genesis): Promise<Committed> {
    return this.#submit('Federation:found', [region, genesis]);
  }

  mirrorRegion(proof: OutcomeProof): Promise<Committed> {
    return this.#submit('Federation:mirror', [proof]);
  }

  /** Copies any registry change of the main chain (region, scopes, main), by the proof of its transaction. */
  mirrorChange(proof: OutcomeProof): Promise<Committed> {
    return this.#submit('Federation:mirror', [proof]);
  }

  /** The mirrored list of scopes; version 0 while there is none. */
  scopes(): Promise<ScopeMirror> {
    return this.#evaluate('Federation:scopes', []);
  }

  foundation(): Promise<Foundation> {
    return this.#evaluate('Federation:get', []);
  }

  mirrorOf(region: string): Promise<Mirror> {
    return this.#evaluate('Federation:region', [region]);
  }

  registerPractitioner(keyCertificate: SignedBy<typeof KeyCertificate>): Promise<Committed> {
    return this.#submit('Practitioners:register', [keyCertificate]);
  }

  keyCertificate(keyCertificateId: string): Promise<KeyCertificateEntry> {
    return this.#evaluate('Practitioners:get', [keyCertificateId]);
  }

  enrol(patientKey: SignedBy<typeof PatientKey>, registration: OutcomeProof): Promise<Committed> {
    return this.#submit('Patients:enrol', [patientKey, registration]);
  }

  bind(scopeKey: SignedBy<typeof ScopeKey>): Promise<Committed> {
    return this.#submit('Patients:bind', [scopeKey]);
  }

  announce(pseudonym: string): Promise<Committed> {
    return this.#submit('Patients:announce', [pseudonym]);
  }

  /** Patients with records here that the main chain's index may not know yet. */
  unindexed(): Promise<string[]> {
    return this.#evaluate('Patients:unindexed', []);
  }

  /** States that the index knows these patients (at most 64). */
  indexed(pseudonyms: readonly string[]): Promise<Committed> {
    return this.#submit('Patients:indexed', [pseudonyms]);
  }

  patient(pseudonym: string): Promise<Patient> {
    return this.#evaluate('Patients:get', [pseudonym]);
  }

  scopeKeys(pseudonym: string): Promise<SignedBy<typeof ScopeKey>[]> {
    return this.#evaluate('Patients:scopes', [pseudonym]);
  }

  publish(record: SignedBy<typeof RecordEntry>): Promise<Committed> {
    return this.#submit('Records:publish', [record]);
  }

  /** Replaces a record's key header after its scope's epoch rose. */
  rewrap(rewrap: SignedBy<typeof RecordRewrap>): Promise<Committed> {
    return this.#submit('Records:rewrap', [rewrap]);
  }

  /** The current key headers of these records (at most 200), in this order: those that releases name by hash. */
  headers(recordIds: readonly string[]): Promise<RecordHeader[]> {
    return this.#evaluate('Records:headers', [recordIds]);
  }

  /** As its custodian signed it; for the current header see {@link headers}. */
  record(recordId: string): Promise<SignedBy<typeof RecordEntry>> {
    return this.#evaluate('Records:get', [recordId]);
  }

  registerProxy(proxyKey: SignedBy<typeof ProxyKey>): Promise<Committed> {
    return this.#submit('Grants:proxy', [proxyKey]);
  }

  proxies(): Promise<SignedBy<typeof ProxyKey>[]> {
    return this.#evaluate('Grants:proxies', []);
  }

  /** `registration` proves a foreign grantee's key certificate; undefined for one of this region. */
  grant(
    grant: SignedBy<typeof Grant>,
    keyCertificate: SignedBy<typeof KeyCertificate>,
    registration: OutcomeProof | undefined,
  ): Promise<Committed> {
    return this.#submit('Grants:grant', [grant, keyCertificate, registration ?? '']);
  }

  acknowledge(grantId: string): Promise<Committed> {
    return this.#submit('Grants:acknowledge', [grantId]);
  }

  revoke(revocation: SignedBy<typeof Revocation>): Promise<Committed> {
    return this.#submit('Grants:revoke', [revocation]);
  }

  destroyed(receipt: SignedBy<typeof DestructionReceipt>): Promise<Committed> {
    return this.#submit('Grants:destroyed', [receipt]);
  }

  grantEntry(grantId: string): Promise<GrantEntry> {
    return this.#evaluate('Grants:get', [grantId]);
  }

  /** `grantee` empty for all of the patient's grants. */
  grants(pseudonym: string, grantee = ''): Promise<GrantEntry[]> {
    return this.#evaluate('Grants:list', [pseudonym, grantee]);
  }

  /** Records a request. `onOrdered` is called when the orderer has it and its commit is still open. */
  ask(request: SignedBy<typeof Request>, homes: readonly string[], options?: SubmitOptions): Promise<Committed> {
    return this.#submit('Requests:ask', [request, homes], options);
  }

  /** Result: the `Outcome` as JSON, or `{"waiting":true}`. Refused with `DECIDED` when there is one already. */
  decide(
    request: SignedBy<typeof Request>,
    keyCertificate: SignedBy<typeof KeyCertificate> | undefined,
    mainHeight: SignedBy<typeof MainHeight> | undefined,
    homes: readonly string[] = [],
    options?: SubmitOptions,
  ): Promise<Committed> {
    return this.#submit('Requests:decide', [request, keyCertificate ?? '', mainHeight ?? '', homes], options);
  }

  /**
   * Releases page `page` (from 1) of a decided request. Result: the `Outcome` as JSON. Refused with `DECIDED` when it
   * is there already (see {@link pageOf}), `PAGE_UNKNOWN` when the page before is missing or was the last.
   */
  page(requestId: string, page: number, mainHeight: SignedBy<typeof MainHeight> | undefined): Promise<Committed> {
    return this.#submit('Requests:page', [requestId, String(page), mainHeight ?? '']);
  }

  /** Records a patient's no to a waiting request; the next `decide` denies it. Refused with `NOT_WAITING`. */
  decline(denial: SignedBy<typeof ConsentDenial>): Promise<Committed> {
    return this.#submit('Requests:decline', [denial]);
  }

  /** At most 64 proofs and 8 MiB together, which are written packed. */
  async mirrorOutcomes(proofs: readonly OutcomeProof[]): Promise<Committed> {
    return this.#submit('Requests:mirror', [packProofs(proofs)]);
  }

  recordAbsence(requestId: string, proof: OutcomeProof): Promise<Committed> {
    return this.#submit('Requests:absent', [requestId, proof]);
  }

  fail(requestId: string, region: string): Promise<Committed> {
    return this.#submit('Requests:fail', [requestId, region]);
  }

  /** At most 64 receipts; one that is refused refuses all. */
  opened(receipts: readonly SignedBy<typeof OpenedReceipt>[]): Promise<Committed> {
    return this.#submit('Requests:opened', [receipts]);
  }

  request(requestId: string): Promise<RequestEntry & { readonly legs: readonly Leg[] }> {
    return this.#evaluate('Requests:request', [requestId]);
  }

  outcome(requestId: string): Promise<OutcomeEntry> {
    return this.#evaluate('Requests:outcome', [requestId]);
  }

  /** A further page of a release. Refused with `PAGE_UNKNOWN`. */
  pageOf(requestId: string, page: number): Promise<PageEntry> {
    return this.#evaluate('Requests:pageOf', [requestId, String(page)]);
  }

  /** What this transaction released, be it the decision or a page. Refused with `OUTCOME_UNKNOWN`. */
  release(requestId: string, transactionId: string): Promise<OutcomeEntry> {
    return this.#evaluate('Requests:release', [requestId, transactionId]);
  }

  /** What this transaction released, and how everything it rests on stands at this moment. Refused as {@link release}. */
  standing(requestId: string, transactionId: string): Promise<ReleaseStanding> {
    return this.#evaluate('Requests:standing', [requestId, transactionId]);
  }

  /** Every receipt of one release, earliest opening first. */
  receipts(requestId: string, transactionId: string): Promise<SignedBy<typeof OpenedReceipt>[]> {
    return this.#evaluate('Requests:receipts', [requestId, transactionId]);
  }

  /** At most 1000 requests that lack a final word, by id, after this one. */
  pending(after = ''): Promise<RequestEntry[]> {
    return this.#evaluate('Requests:pending', [after]);
  }

  /** At most 1000 requests that wait for consent: of one patient, or all; after `<pseudonym>/<requestId>`. */
  waiting(pseudonym = '', after = ''): Promise<WaitingRequest[]> {
    return this.#evaluate('Requests:waiting', [pseudonym, after]);
  }

  /** The newest accesses (at most 100). */
  async accesses(query: SignedBy<typeof AccessQuery>): Promise<AccessPage['accesses']> {
    return (await this.accessPage(query)).accesses;
  }

  /**
   * One page of a patient's accesses, newest first, from `next` of the page before. `registration` proves the signing key
   * of a patient who is not enrolled in this region.
   */
  accessPage(query: SignedBy<typeof AccessQuery>, next = '', registration?: OutcomeProof): Promise<AccessPage> {
    return this.#evaluate('Requests:accesses', [query, next, registration ?? '']);
  }

  #submit(name: string, args: readonly unknown[], options?: SubmitOptions): Promise<Committed> {
    return submit(this.#connection.contract(this.#channel, CHAINCODE), name, args.map(argument), options);
  }

  async #evaluate<T>(name: string, args: readonly unknown[]): Promise<T> {
    const bytes = await evaluate(this.#connection.contract(this.#channel, CHAINCODE), name, args.map(argument));
    return JSON.parse(text.decode(bytes)) as T;
  }
}

function argument(value: unknown): string {
  return typeof value === 'string' ? value : canonicalJson(value);
}
