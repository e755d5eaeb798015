import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  bindingMessage,
  type Capsule,
  CFRAG_BYTES,
  encapsulate,
  headerCapsule,
  KeyFrag,
  openSealed,
  PublicKey,
  reencrypt,
  SecretKey,
  sealTo,
  sha256,
} from '@yilian/pre';
import { cfragContext, fromBase64url, kfragContext, toBase64url } from '@yilian/protocol';
import type { KfragDelivery, Share } from '@yilian/proxy/api';
import type { RegionalChain } from '@yilian/regional-chain';
import { CampaignError } from './errors.ts';
import { Forger } from './forger.ts';
import type { Region } from './region.ts';

/** What is wrong with a share, which is otherwise made as an honest proxy makes it. */
export interface Flaw {
  /** Done to every fragment before it is bound. */
  readonly fragment?: (bytes: Uint8Array) => void;
  /** Re-encrypts somebody else's capsule and binds it as the record's. */
  readonly capsule?: 'foreign';
  /** Binds the fragments to this request. */
  readonly boundTo?: string;
  /** Seals them to this key. */
  readonly sealedTo?: PublicKey;
  /** Hands it out as this organisation's. */
  readonly as?: string;
}

/** A proxy that changed sides: it has its certificate's key, its transport key and the fragments patients gave it. */
export class Turncoat {
  readonly mspId: string;
  readonly #forger: Forger;
  readonly #chain: RegionalChain;
  readonly #transport: SecretKey;
  readonly #federation: string;
  readonly #region: string;
  readonly #sealed = new Map<string, Uint8Array>();

  private constructor(region: Region, mspId: string, federation: string, transport: SecretKey) {
    this.mspId = mspId;
    this.#forger = new Forger(region.member(mspId, 'proxy'));
    this.#chain = region.as(mspId, 'proxy');
    this.#transport = transport;
    this.#federation = federation;
    this.#region = region.name;
  }

  static async of(region: Region, mspId: string, federation: string): Promise<Turncoat> {
    const transport = await readFile(join(region.proxyFolder(mspId), 'keys', 'transport'));
    return new Turncoat(region, mspId, federation, SecretKey.fromBytes(transport));
  }

  /** Keeps a copy of what a patient delivered. */
  take({ grantId, sealed }: KfragDelivery): void {
    this.#sealed.set(grantId, fromBase64url(sealed));
  }

  /** Its share of a release of one scope, with a flaw. */
  async share(requestId: string, flaw: Flaw): Promise<Share> {
    const { outcome, transactionId } = await this.#chain.outcome(requestId);
    const { release, scopes, pseudonym } = outcome;
    const [scope] = scopes;
    if (release === undefined || scope?.permitted !== true)
      throw new CampaignError('WRONG_RESULT', 'nothing was released');
    const delivered = this.#sealed.get(scope.grantId);
    if (delivered === undefined) throw new CampaignError('WRONG_RESULT', 'this proxy has no part in the grant');
    const context = kfragContext(this.#federation, this.#region, pseudonym, this.mspId);
    const kfrag = KeyFrag.fromBytes(openSealed(this.#transport, delivered, context)).verify({
      verifyingKey: PublicKey.fromBase64url(release.patientKey),
      delegatingKey: PublicKey.fromBase64url(scope.scopeKey),
      receivingKey: PublicKey.fromBase64url(release.receivingKey),
    });
    const headers = await this.#chain.headers(release.records.map(({ recordId }) => recordId));
    const items = headers.map(({ header }) => {
      const capsule = headerCapsule(fromBase64url(header));
      const cfrag = reencrypt(flaw.capsule === 'foreign' ? foreignCapsule() : capsule, kfrag).toBytes();
      flaw.fragment?.(cfrag);
      return { cfrag, capsuleHash: sha256(capsule.toBytes()), cfragHash: sha256(cfrag) };
    });
    const fragments = new Uint8Array(items.length * CFRAG_BYTES);
    for (const [index, { cfrag }] of items.entries()) fragments.set(cfrag, index * CFRAG_BYTES);
    const recipient = PublicKey.fromBase64url(release.receivingKey);
    const message = bindingMessage({
      federation: this.#federation,
      requestId: flaw.boundTo ?? requestId,
      transactionId,
      recipientKeyHash: sha256(recipient.toBytes()),
      items,
    });
    const mspId = flaw.as ?? this.mspId;
    const sealed = sealTo(
      flaw.sealedTo ?? recipient,
      fragments,
      cfragContext(this.#federation, requestId, transactionId, mspId),
    );
    const { signer } = this.#forger;
    const signature = toBase64url(signer.sign(message));
    return { mspId, sealed: toBase64url(sealed), certificate: signer.certificate, signature };
  }
}

function foreignCapsule(): Capsule {
  return encapsulate(SecretKey.random().publicKey()).capsule;
}
