import { type PatientKeys, type Signer, SUITE } from '@yilian/pre';
import {
  ConsentDenial,
  documentId,
  Grant,
  PatientKey,
  type ProxyKey,
  Revocation,
  ScopeKey,
  type SignedBy,
  toBase64url,
} from '@yilian/protocol';
import type { Submitted } from '@yilian/relay/api';
import { type PatientAccesses, type PatientWaiting, readAccesses, readWaiting } from './accesses.ts';
import { ClientError } from './client-error.ts';
import type { FederationView } from './federation-view.ts';
import { type HttpOptions, retried } from './http.ts';
import { checkGrantee, type Grantee } from './key-certificates.ts';
import { type DeliveredKfrags, deliverKfrags, sealKfrags } from './kfrags.ts';
import { chooseProxies } from './proxies.ts';
import { ProxyClient } from './proxy-client.ts';
import { RelayClient } from './relay-client.ts';
import type { KeyCertificateReply } from './replies.ts';
import { signOwn } from './signing.ts';

export interface PatientOptions {
  readonly keys: PatientKeys;
  readonly pseudonym: string;
  readonly federation: string;
  /** Of the pseudonym authority's key; 1 when left out. */
  readonly keyEpoch?: number;
  /** For the proxies, and the relays of other regions. */
  readonly http?: HttpOptions;
}

/** One grant, in one home region. Times in epoch milliseconds. */
export interface GrantOptions {
  readonly view: FederationView;
  /** The home region. */
  readonly home: string;
  /** The home region's relay. */
  readonly relay: RelayClient;
  readonly grantee: KeyCertificateReply;
  readonly scopes: readonly string[];
  /** Current epoch of each scope that is beyond its first. */
  readonly epochs?: Readonly<Record<string, number>>;
  /** HL7 PurposeOfUse. */
  readonly purposes: readonly string[];
  readonly notBefore: number;
  readonly notAfter: number;
  readonly threshold: number;
  /** MSP ids; every proxy of the region when left out. */
  readonly proxies?: readonly string[];
  readonly at?: number;
}

export interface Granted extends DeliveredKfrags {
  readonly grantId: string;
  readonly transactionId: string;
  readonly describe: Grantee;
  /** Where the key fragments went; keep them, so that revoking needs no relay. */
  readonly proxies: readonly ProxyKey[];
}

export interface RevokeOptions {
  readonly home: string;
  readonly relay: RelayClient;
  readonly grantId: string;
  /** As {@link Granted.proxies}; the relay is asked when left out. */
  readonly proxies?: readonly ProxyKey[];
  readonly at?: number;
}

export interface DeclineOptions {
  readonly home: string;
  readonly relay: RelayClient;
  readonly requestId: string;
  readonly at?: number;
}

export interface Revoked {
  readonly revocation: SignedBy<typeof Revocation>;
  /** The chain's transaction, unless the relay could not be reached. */
  readonly transactionId?: string;
  /** Organisations whose proxies said they stopped. */
  readonly stopped: readonly string[];
  /** Proxies and, as `relay`, the relay that could not be told, each with its error's code. */
  readonly untold: readonly { readonly party: string; readonly code: string }[];
  /** How many of the grant's proxies the chain says have destroyed their key fragments. */
  destroyed(): Promise<{ readonly k: number; readonly n: number }>;
}

const ATTEMPTS = 4;
const WAIT_MS = 200;

/** What a patient's device does. The keys never leave it. */
export class Patient {
  readonly pseudonym: string;
  readonly federation: string;
  /** Base64url point. */
  readonly signingKey: string;
  readonly #keys: PatientKeys;
  readonly #signer: Signer;
  readonly #keyEpoch: number;
  readonly #http: HttpOptions;

  constructor({ keys, pseudonym, federation, keyEpoch = 1, http = {} }: PatientOptions) {
    this.pseudonym = pseudonym;
    this.federation = federation;
    this.#keys = keys;
    this.#signer = keys.signer();
    this.#keyEpoch = keyEpoch;
    this.#http = http;
    this.signingKey = this.#signer.verifyingKey().toBase64url();
  }

  /** Signed by the patient; the hospital adds its own signature (`countersign`). */
  patientKey(region: string, at: number = Date.now()): SignedBy<typeof PatientKey> {
    const { federation, pseudonym, signingKey } = this;
    const keyEpoch = this.#keyEpoch;
    const document = { federation, region, pseudonym, keyEpoch, suite: SUITE, signingKey, signedAt: at } as const;
    return signOwn(PatientKey, document, [this.#signer]);
  }

  scopeKey(region: string, scope: string, epoch: number, at: number = Date.now()): SignedBy<typeof ScopeKey> {
    const { federation, pseudonym } = this;
    const key = this.#keys.scopeKey({ region, scope, epoch }).publicKey().toBase64url();
    const document = { federation, region, pseudonym, scope, epoch, suite: SUITE, key, signedAt: at } as const;
    return signOwn(ScopeKey, document, [this.#signer]);
  }

  /** Who a grant would go to, to be shown before it is made. @throws as {@link checkGrantee} */
  grantee(view: FederationView, reply: KeyCertificateReply, at: number = Date.now()): Grantee {
    return checkGrantee(view, reply, at);
  }

  /**
   * Grants, and delivers the sealed key fragments to every proxy. Nothing is made before the grantee's key certificate
   * and the proxies' keys are checked up to main-chain roots.
   * When the chain says that a scope is at another epoch, the grant is made anew for that one, once; the chain takes
   * no grant for an epoch that is not current.
   * @throws GRANT_NOT_ACTIVE when fewer proxies than the threshold acknowledged; as {@link checkGrantee} and
   *   {@link chooseProxies}; the relay's codes
   */
  async grant(options: GrantOptions): Promise<Granted> {
    try {
      return await this.#grant(options);
    } catch (error) {
      const epochs = currentEpochs(error, options);
      if (epochs === undefined) throw error;
      return this.#grant({ ...options, epochs });
    }
  }

  async #grant(options: GrantOptions): Promise<Granted> {
    const { view, home, relay, threshold, at = Date.now() } = options;
    if (view.federation !== this.federation)
      throw new ClientError('FEDERATION_MISMATCH', 'a view of another federation');
    const describe = checkGrantee(view, options.grantee, at);
    const choice = { threshold, named: options.proxies, at };
    const proxies = chooseProxies(view, home, await relay.proxies(), choice);
    const scopes = options.scopes.map((scope) => ({ scope, epoch: options.epochs?.[scope] ?? 1 }));
    const { federation, pseudonym } = this;
    const sealed = sealKfrags({
      subject: { federation, region: home, pseudonym },
      keys: this.#keys,
      signer: this.#signer,
      scopes,
      receivingKey: describe.key,
      threshold,
      proxies,
    });
    const document = {
      federation,
      region: home,
      pseudonym,
      grantee: describe.keyCertificateId,
      purposes: [...options.purposes],
      scopes,
      notBefore: options.notBefore,
      notAfter: options.notAfter,
      threshold,
      proxies: sealed.map(({ proxy: { mspId }, commitment }) => ({ mspId, commitment })),
      signedAt: at,
      nonce: toBase64url(crypto.getRandomValues(new Uint8Array(16))),
    };
    const grant = signOwn(Grant, document, [this.#signer]);
    const { keyCertificate, proof } = options.grantee;
    const submission = { grant, keyCertificate, ...(describe.region !== home && { registration: proof }) };
    const { transactionId } = await retried(ATTEMPTS, WAIT_MS, () => relay.submitGrant(submission));
    const grantId = documentId(Grant.type, grant.document);
    const delivered = await deliverKfrags(grantId, sealed, this.#http);
    if (delivered.acknowledgedBy.length < threshold) {
      const told = delivered.undelivered.map(({ party, code }) => `${party}: ${code}`).join(', ');
      throw new ClientError(
        'GRANT_NOT_ACTIVE',
        `grant ${grantId} was taken by ${delivered.acknowledgedBy.length} proxies (${told})`,
      );
    }
    return { grantId, transactionId, describe, proxies, ...delivered };
  }

  /**
   * Ends a grant: tells the relay and, without waiting for it, every proxy.
   * @throws REVOCATION_UNDELIVERED when nobody could be told
   */
  async revoke({ home, relay, grantId, proxies, at = Date.now() }: RevokeOptions): Promise<Revoked> {
    const { federation, pseudonym } = this;
    const document = { federation, region: home, pseudonym, grantId, signedAt: at };
    const revocation = signOwn(Revocation, document, [this.#signer]);
    const viaRelay = outcomeOf(
      'relay',
      retried(ATTEMPTS, WAIT_MS, () => relay.revoke(revocation)),
    );
    const told = await Promise.all(
      (proxies ?? (await this.#proxiesOf(relay))).map(({ mspId, url }) =>
        outcomeOf(
          mspId,
          retried(ATTEMPTS, WAIT_MS, () => new ProxyClient(url, this.#http).revoke(revocation)),
        ),
      ),
    );
    const submitted = await viaRelay;
    const stopped = told.filter(({ value }) => value?.stopped === true).map(({ party }) => party);
    const untold = [submitted, ...told].flatMap(({ party, code }) => (code === undefined ? [] : [{ party, code }]));
    if (submitted.value === undefined && stopped.length === 0)
      throw new ClientError('REVOCATION_UNDELIVERED', 'neither the relay nor any proxy could be told');
    return {
      revocation,
      ...(submitted.value !== undefined && { transactionId: submitted.value.transactionId }),
      stopped,
      untold,
      destroyed: async () => {
        const status = await relay.grant(grantId);
        return { k: status.destroyedBy.length, n: status.proxies.length };
      },
    };
  }

  /** Who asked for this patient's records, in every region, newest first; and the regions that did not say. */
  accesses(view: FederationView, at: number = Date.now()): Promise<PatientAccesses> {
    return readAccesses(view, this.#asker(view, at));
  }

  /** Requests that wait for this patient's consent in a home region, with who asks: to grant, to decline or to leave. */
  waiting(view: FederationView, home: string, at: number = Date.now()): Promise<readonly PatientWaiting[]> {
    return readWaiting(view, home, this.#asker(view, at));
  }

  /** Says no to a request that waits: its home region denies it. @throws the relay's NOT_WAITING and other codes */
  decline({ home, relay, requestId, at = Date.now() }: DeclineOptions): Promise<Submitted> {
    const { federation, pseudonym } = this;
    const document = { federation, region: home, pseudonym, requestId, signedAt: at };
    const denial = signOwn(ConsentDenial, document, [this.#signer]);
    return retried(ATTEMPTS, WAIT_MS, () => relay.decline(denial));
  }

  #asker(view: FederationView, at: number): Parameters<typeof readAccesses>[1] {
    const { federation, pseudonym } = this;
    const relayOf = (region: string) => new RelayClient(view.relayUrl(region), this.#http);
    return { federation, pseudonym, signer: this.#signer, relayOf, at };
  }

  /** A revocation is no secret: proxies the relay lists are told without checking them. */
  async #proxiesOf(relay: RelayClient): Promise<ProxyKey[]> {
    try {
      return (await relay.proxies()).map(({ document }) => document);
    } catch {
      return [];
    }
  }
}

/** The epochs a chain's refusal names for scopes of this grant, if it names any that were not tried. */
function currentEpochs(error: unknown, { scopes, epochs = {} }: GrantOptions): Record<string, number> | undefined {
  if (!(error instanceof ClientError) || error.code !== 'EPOCH' || error.status === undefined) return undefined;
  const named = [...error.message.matchAll(/([a-z0-9-]+) is at epoch ([1-9]\d{0,5})(?!\d)/g)]
    .map(([, scope = '', epoch]) => [scope, Number(epoch)] as const)
    .filter(([scope, epoch]) => scopes.includes(scope) && epoch !== (epochs[scope] ?? 1));
  return named.length === 0 ? undefined : { ...epochs, ...Object.fromEntries(named) };
}

interface Told<T> {
  readonly party: string;
  readonly value?: T;
  readonly code?: string;
}

async function outcomeOf<T>(party: string, act: Promise<T>): Promise<Told<T>> {
  try {
    return { party, value: await act };
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    return { party, code: error.code };
  }
}
