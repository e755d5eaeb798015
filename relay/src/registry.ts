import type { MainChain } from '@yilian/main-chain';
import {
  AccessQuery,
  type ConsentDenial,
  type Grant,
  type KeyCertificate,
  type OutcomeProof,
  type PatientKey,
  type ProxyKey,
  parseSigned,
  type Revocation,
  requireKeySignature,
  type SignedBy,
} from '@yilian/protocol';
import type { RegionalChain } from '@yilian/regional-chain';
import type { Logger } from 'pino';
import type {
  AccessesReply,
  FederationReply,
  GrantReply,
  GrantStatus,
  KeyCertificateReply,
  PatientRegistered,
  Submitted,
  WaitingReply,
} from './api.ts';
import type { Witnesses } from './attestations.ts';
import type { Directory } from './directory.ts';
import { RelayError, refusalOf } from './errors.ts';
import { nameOf } from './queues.ts';
import type { Rotations } from './rotations.ts';
import { postJson, under } from './wire.ts';

export interface RegistryOptions {
  readonly federation: string;
  readonly region: string;
  readonly chain: RegionalChain;
  readonly main: MainChain;
  readonly directory: Directory;
  readonly proxies: Witnesses;
  readonly attesters: Witnesses;
  readonly rotations: Rotations;
  readonly fetch: typeof globalThis.fetch;
  readonly log: Logger;
}

const REVOCATION_TIMEOUT_MS = 5000;
const MAX_REPLY_BYTES = 64 * 1024;
/** A query about a patient counts as long as the chain would take it. */
const QUERY_TTL_MS = 3_600_000;
const SKEW_MS = 60_000;
const WAITING_PAGE = 100;

/** What is registered, on both chains, and how it changes: patients, key certificates, grants, revocations. */
export class Registry {
  readonly #options: RegistryOptions;

  constructor(options: RegistryOptions) {
    this.#options = options;
  }

  /** @throws ATTESTATIONS_MISSING VIEW_STALE */
  async federation(): Promise<FederationReply> {
    const { federation, region, directory, attesters, rotations } = this.#options;
    const { height, regions, scopes, foundation } = await directory.view();
    return {
      federation,
      region,
      mainHeight: height,
      scopes: [...scopes.scopes],
      main: await rotations.proofs(foundation),
      regions: await Promise.all(
        regions.map(async ({ entry, transactionId }) => ({
          region: entry.region,
          entry,
          proof: await attesters.prove(transactionId),
        })),
      ),
    };
  }

  async registerPatient(patientKey: SignedBy<typeof PatientKey>): Promise<PatientRegistered> {
    const { main, attesters } = this.#options;
    const { transactionId } = await main.registerPatient(patientKey);
    return { proof: await attesters.prove(transactionId) };
  }

  /** @throws FOREIGN for one of another region: its own relay has the proof */
  async keyCertificate(keyCertificateId: string): Promise<KeyCertificateReply> {
    const { chain, region, proxies } = this.#options;
    const { signed, transactionId } = await chain.keyCertificate(keyCertificateId);
    if (signed.document.region !== region) throw new RelayError('FOREIGN', 'ask the relay of its own region');
    return { keyCertificate: signed, proof: await proxies.prove(transactionId) };
  }

  proxies(): Promise<SignedBy<typeof ProxyKey>[]> {
    return this.#options.chain.proxies();
  }

  async grant(
    grant: SignedBy<typeof Grant>,
    keyCertificate: SignedBy<typeof KeyCertificate>,
    registration: OutcomeProof | undefined,
  ): Promise<GrantReply> {
    const { transactionId, result } = await this.#options.chain.grant(grant, keyCertificate, registration);
    return { grantId: Buffer.from(result).toString(), transactionId };
  }

  async grantStatus(grantId: string): Promise<GrantStatus> {
    const { grant, acknowledgedBy, destroyed, revokedAt } = await this.#options.chain.grantEntry(grantId);
    return {
      grantId,
      threshold: grant.threshold,
      proxies: grant.proxies.map(({ mspId }) => mspId),
      acknowledgedBy: [...acknowledgedBy],
      destroyedBy: destroyed.map(({ document }) => document.mspId),
      ...(revokedAt === undefined ? {} : { revokedAt }),
    };
  }

  /** Every proxy hears of it at once; the chain decides. Proxies that cannot be reached follow the chain. */
  async revoke(revocation: SignedBy<typeof Revocation>): Promise<Submitted> {
    void this.#pass(revocation);
    const { transactionId } = await this.#options.chain.revoke(revocation);
    return { transactionId };
  }

  /** The next scan has the request decided. @throws the contract's NOT_WAITING */
  async decline(denial: SignedBy<typeof ConsentDenial>): Promise<Submitted> {
    const { transactionId } = await this.#options.chain.decline(denial);
    return { transactionId };
  }

  /** A patient of another region asks with the key the main chain registered: what was asked from here is theirs to see. */
  async accesses(query: SignedBy<typeof AccessQuery>, next?: string): Promise<AccessesReply> {
    const { chain, main, attesters } = this.#options;
    const page = await chain.accessPage(query, next).catch(async (error: unknown) => {
      if (refusalOf(error) !== 'PATIENT_UNKNOWN') throw error;
      const { transactionId } = await main.patient(query.document.pseudonym);
      return chain.accessPage(query, next, await attesters.prove(transactionId));
    });
    const accesses = page.accesses.map((access) => ({ ...access, legs: [...access.legs] }));
    return { accesses, ...(page.next === undefined ? {} : { next: page.next }) };
  }

  /**
   * Requests the patient has not answered; those declined are left out. The patient signs the question, so that nobody
   * else learns who asks.
   * @throws FEDERATION_MISMATCH REGION_MISMATCH QUERY_STALE SIGNATURE_MISSING SIGNATURE_INVALID, the contract's PATIENT_UNKNOWN
   */
  async waiting(query: SignedBy<typeof AccessQuery>, next?: string): Promise<WaitingReply> {
    const { federation, region, chain } = this.#options;
    const signed = parseSigned(AccessQuery, query);
    const { pseudonym, signedAt, ...of } = signed.document;
    if (of.federation !== federation) throw new RelayError('FEDERATION_MISMATCH', 'another federation’s query');
    if (of.region !== region) throw new RelayError('REGION_MISMATCH', 'another region’s query');
    const now = Date.now();
    if (signedAt > now + SKEW_MS || signedAt < now - QUERY_TTL_MS)
      throw new RelayError('QUERY_STALE', 'the query was not signed just now');
    requireKeySignature(signed, (await chain.patient(pseudonym)).signingKey);
    const known = await chain.waiting(pseudonym, next === undefined ? '' : `${pseudonym}/${next}`);
    const page = known.slice(0, WAITING_PAGE);
    const open = page.filter(({ denial, request }) => denial === undefined && request.document.notAfter > now);
    const last = known.length > page.length ? page.at(-1)?.requestId : undefined;
    return {
      waiting: open.map(({ requestId, request }) => ({ requestId, request })),
      ...(last === undefined ? {} : { next: last }),
    };
  }

  async #pass(revocation: SignedBy<typeof Revocation>): Promise<void> {
    const { proxies, fetch, log } = this.#options;
    try {
      const results = await Promise.allSettled(
        (await proxies.list()).map(({ url }) =>
          postJson(under(url, '/v1/revocations'), revocation, {
            fetch,
            timeoutMs: REVOCATION_TIMEOUT_MS,
            maxBytes: MAX_REPLY_BYTES,
          }),
        ),
      );
      const failed = results.filter(({ status }) => status === 'rejected').length;
      if (failed > 0)
        log.warn({ failed, of: results.length }, 'proxies that will learn of a revocation from the chain');
    } catch (error) {
      log.warn({ error: nameOf(error) }, 'a revocation was not passed on');
    }
  }
}
