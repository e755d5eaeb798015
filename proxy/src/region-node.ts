import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Connection, evaluate, LedgerError } from '@yilian/ledger';
import type { SecretKey } from '@yilian/pre';
import {
  type CertificateSigner,
  canonicalJson,
  ProxyKey,
  parser,
  parseSigned,
  Revocation,
  type SignedBy,
  signDocument,
} from '@yilian/protocol';
import {
  CHAINCODE,
  type ChainEvent,
  followChain,
  OutcomeLog,
  RegionalChain,
  readOutcome,
} from '@yilian/regional-chain';
import type { Logger } from 'pino';
import { AttestOrder, type AttestReply, CheckpointOrder, KfragDelivery, ReleaseOrder } from './api.ts';
import type { Clock } from './clock.ts';
import { cosignCheckpoint } from './cosigning.ts';
import { RegionDirectory } from './directory.ts';
import { Duties } from './duties.ts';
import { Envelopes, orderKind } from './envelopes.ts';
import { codeOf, ProxyError } from './errors.ts';
import { Fragments } from './fragments.ts';
import { GrantBook } from './grant-book.ts';
import { Grants } from './grants.ts';
import type { Journal } from './journal.ts';
import type { Metrics } from './metrics.ts';
import type { Node } from './node.ts';
import { Releases } from './releases.ts';
import type { SecretFiles } from './sealed-file.ts';
import type { Route } from './server.ts';
import { openTransportKey } from './transport-key.ts';
import { Witness } from './witness.ts';
import { WrapKeys } from './wrap-keys.ts';

export interface RegionNodeOptions {
  readonly federation: string;
  readonly network: string;
  readonly channel: string;
  readonly folder: string;
  /** Bound to the own organisation's peers. */
  readonly connection: Connection;
  readonly privateKey: string;
  readonly signer: CertificateSigner;
  readonly files: SecretFiles;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Logger;
}

const RELEASE = orderKind('release', ReleaseOrder);
const ATTEST = orderKind('attest', AttestOrder);
const CHECKPOINT = orderKind('checkpoint', CheckpointOrder);
const parseDelivery = parser('kfrag delivery', KfragDelivery);
const RETRY_MS = 500;

/** An organisation's proxy on its region's chain. */
export class RegionNode implements Node {
  readonly #options: RegionNodeOptions;
  readonly #chain: RegionalChain;
  readonly #directory: RegionDirectory;
  readonly #witness: Witness;
  readonly #envelopes: Envelopes;
  readonly #transportKey: SecretKey;
  readonly #book: GrantBook;
  readonly #fragments: Fragments;
  readonly #grants: Grants;
  readonly #duties: Duties;
  readonly #releases: Releases;
  readonly #outcomes = new OutcomeLog();
  #proxyKey: SignedBy<typeof ProxyKey> | undefined;

  /** @throws STORE_BROKEN */
  constructor(options: RegionNodeOptions) {
    const { federation, network, channel, folder, connection, privateKey, signer, files, journal, clock, log } =
      options;
    const { mspId } = connection;
    const self = { federation, region: network, mspId };
    this.#options = options;
    this.#chain = new RegionalChain(connection, channel);
    const chain = this.#chain;
    this.#directory = new RegionDirectory(chain, network, clock);
    const directory = this.#directory;
    const trustVersion = (asked?: number): Promise<number> => directory.trustVersion(asked);
    this.#witness = new Witness({ connection, privateKey, network, channel, trustVersion });
    this.#envelopes = new Envelopes({ federation, address: `${network}/${mspId}`, directory, journal, clock });
    this.#transportKey = openTransportKey(join(folder, 'keys'), files);
    this.#book = new GrantBook(join(folder, 'grants.db'));
    const book = this.#book;
    this.#fragments = new Fragments(book, new WrapKeys(join(folder, 'wrap'), files));
    const fragments = this.#fragments;
    this.#grants = new Grants({
      ...self,
      chain,
      fragments,
      book,
      transportKey: this.#transportKey,
      signer,
      clock,
      wouldAccept: (receipt) => this.#wouldAccept(canonicalJson(receipt)),
      onDue: (grantId) => this.#duties.poke(grantId),
    });
    this.#duties = new Duties({ grants: this.#grants, book, clock, log });
    this.#releases = new Releases({ ...self, chain, witness: this.#witness, fragments, clock, signer });
    for (const leaf of journal.leaves()) this.#outcomes.append(leaf);
    clock.observe(journal.position()?.time ?? 0);
  }

  get routes(): readonly Route[] {
    const { federation, network, clock, signer } = this.#options;
    const envelopes = this.#envelopes;
    return [
      { method: 'GET', path: '/v1/key', caller: 'patient', handle: async () => this.#proxyKey },
      {
        method: 'POST',
        path: '/v1/kfrags',
        caller: 'patient',
        handle: async (body) => this.#grants.take(parseDelivery(body)),
      },
      {
        method: 'POST',
        path: '/v1/revocations',
        caller: 'patient',
        handle: async (body) => this.#grants.revoke(parseSigned(Revocation, body)),
      },
      {
        method: 'POST',
        path: '/v1/releases',
        caller: 'relay',
        handle: async (body, signal) => this.#releases.release(await envelopes.open(body, RELEASE), signal),
      },
      {
        method: 'POST',
        path: '/v1/attestations',
        caller: 'relay',
        handle: async (body): Promise<AttestReply> => {
          const { transactionId, trustRootVersion } = await envelopes.open(body, ATTEST);
          return { attestation: await this.#witness.attest(transactionId, trustRootVersion) };
        },
      },
      {
        method: 'POST',
        path: '/v1/checkpoints',
        caller: 'relay',
        handle: async (body) => {
          const own = { federation, region: network, outcomes: this.#outcomes, clock, signer };
          return cosignCheckpoint(await envelopes.open(body, CHECKPOINT), own);
        },
      },
    ];
  }

  /** Founded, registered, and every grant held compared with the chain. */
  async prepare(url: string, signal: AbortSignal): Promise<void> {
    const { federation, network, journal } = this.#options;
    const foundation = await this.#chain.foundation();
    if (foundation.federation !== federation || foundation.region !== network)
      throw new ProxyError('FEDERATION_MISMATCH', 'the chain is another federation’s or region’s');
    if ((await this.#witness.height()) <= (journal.position()?.block ?? -1))
      throw new ProxyError('CHAIN_BEHIND', 'the own peer has less than this proxy has seen');
    await this.#directory.trustVersion();
    this.#proxyKey = await this.#register(url);
    await this.#duties.compareAll(signal);
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#duties.run(signal), this.#follow(signal)]);
  }

  refresh({ held, unfinished, outcomes }: Metrics): void {
    const count = this.#book.count();
    held.set(count.held);
    unfinished.set(count.unfinished);
    outcomes.set(this.#outcomes.size);
  }

  close(): void {
    this.#fragments.close();
    this.#transportKey.wipe();
    this.#book.close();
  }

  /** The key as the chain has it; registered anew with another address, or under another certificate. */
  async #register(url: string): Promise<SignedBy<typeof ProxyKey>> {
    const { federation, network, connection, signer, clock } = this.#options;
    const { mspId } = connection;
    const key = this.#transportKey.publicKey().toBase64url();
    const known = (await this.#chain.proxies()).find(({ document }) => document.mspId === mspId);
    const isOwn = known?.signatures.some(
      (signature) => signature.alg === 'ES256' && signature.certificate.trim() === signer.certificate.trim(),
    );
    if (isOwn && known?.document.key === key && known.document.url === url) return known;
    const document = { federation, region: network, mspId, url, key, signedAt: clock.now() };
    const signed = signDocument(ProxyKey, document, [signer]);
    await this.#chain.registerProxy(signed);
    return signed;
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { connection, channel, journal, log } = this.#options;
    const onBreak = (error: unknown): void => log.warn({ code: codeOf(error) }, 'the event stream broke');
    for await (const event of followChain(connection, channel, { after: journal.position(), signal, onBreak })) {
      while (!signal.aborted) {
        try {
          await this.#note(event);
          break;
        } catch (error) {
          log.warn({ what: event.kind, code: codeOf(error) }, 'will be tried again');
          await delay(RETRY_MS, undefined, { signal, ref: false }).catch(() => undefined);
        }
      }
    }
  }

  async #note(event: ChainEvent): Promise<void> {
    const { journal, clock } = this.#options;
    if (event.kind === 'revoked') {
      await this.#grants.revokedOnChain(event.grantId);
      journal.advance(event, journal.position()?.time ?? 0);
      return;
    }
    const { outcome, leaf } = await readOutcome(this.#chain, event);
    clock.observe(outcome.decidedAt);
    journal.advance(event, outcome.decidedAt, leaf);
    this.#outcomes.append(leaf);
  }

  /** Asks the own peer, whose clock and rules decide, and commits nothing. */
  async #wouldAccept(receipt: string): Promise<boolean> {
    const { connection, channel } = this.#options;
    try {
      await evaluate(connection.contract(channel, CHAINCODE), 'Grants:destroyed', [receipt]);
      return true;
    } catch (error) {
      if (error instanceof LedgerError && error.code === 'CONTRACT') return false;
      throw error;
    }
  }
}
