import { createHmac } from 'node:crypto';
import {
  documentId,
  identifyAny,
  ProtocolError,
  parseSigned,
  type RegionEntry,
  ROLE_ATTRIBUTE,
  requireCertificateSignatures,
  type SignedBy,
  toBase64url,
} from '@yilian/protocol';
import type { Books } from './books.ts';
import { PseudonymError } from './errors.ts';
import { normaliseId } from './national-id.ts';
import { type PseudonymReply, PseudonymRequest } from './request.ts';

export interface AuthorityOptions {
  readonly federation: string;
  readonly books: Books;
  readonly keyEpoch?: number;
  /** The regions the main chain registers. */
  readonly regions: () => Promise<readonly RegionEntry[]>;
  /** How many pseudonyms one organisation may ask for in a minute. Default: 120. */
  readonly perMinute?: number;
  readonly clock?: () => number;
}

const WINDOW_MS = 60_000;
const PER_MINUTE = 120;

/**
 * The named authority that turns identity numbers into pseudonyms by a keyed PRF. A plain hash would not do: there are
 * few enough numbers to try them all.
 */
export class PseudonymAuthority {
  readonly #options: AuthorityOptions;
  readonly #clock: () => number;
  /** Times of the last minute's requests, by organisation. */
  readonly #recent = new Map<string, number[]>();

  constructor(options: AuthorityOptions) {
    this.#options = options;
    this.#clock = options.clock ?? Date.now;
  }

  /**
   * The pseudonym a hospital's signed request asks for, once it is in the audit log.
   * @throws MALFORMED FEDERATION_MISMATCH SIGNER_UNTRUSTED ROLE_REQUIRED DOCUMENT_STALE REPLAYED TOO_MANY_REQUESTS
   *   NATIONAL_ID_INVALID SYSTEM_UNKNOWN AUDIT_UNAVAILABLE REGISTRY_UNAVAILABLE
   */
  async answer(value: unknown): Promise<PseudonymReply> {
    const at = this.#clock();
    const { federation, books, keyEpoch = 1 } = this.#options;
    const signed = parse(value);
    const { document } = signed;
    const { region, system, evidence } = document;
    if (document.federation !== federation) throw new PseudonymError('FEDERATION_MISMATCH', 'another federation');
    if (Math.abs(at - document.signedAt) > WINDOW_MS)
      throw new PseudonymError('DOCUMENT_STALE', 'signed too long ago or in the future');
    const mspId = await this.#hospital(signed, at);
    if (!books.first(documentId(PseudonymRequest.type, document), at, document.signedAt + 2 * WINDOW_MS))
      throw new PseudonymError('REPLAYED', 'this request came before');
    this.#requireRate(`${region}/${mspId}`, at);
    const pseudonym = prf(books.key, 'pseudonym', system, normaliseId(system, document.nationalId));
    const tag = toBase64url(prf(books.key, 'audit', toBase64url(pseudonym)));
    await books.log({ at, region, mspId, system, evidence, tag });
    return { pseudonym: toBase64url(pseudonym), keyEpoch };
  }

  /** The organisation whose hospital role signed, validated up to its region's roots on the main chain. */
  async #hospital(signed: SignedBy<typeof PseudonymRequest>, at: number): Promise<string> {
    const region = (await this.#options.regions()).find((entry) => entry.region === signed.document.region);
    if (region === undefined || region.frozen)
      throw new PseudonymError('SIGNER_UNTRUSTED', 'no such region in good standing');
    try {
      const [identity] = requireCertificateSignatures(signed, (certificate) =>
        identifyAny(region.trusts, certificate, at),
      );
      if (signed.signatures.length > 1 || identity.attributes[ROLE_ATTRIBUTE] !== 'hospital')
        throw new PseudonymError('ROLE_REQUIRED', 'a hospital asks for pseudonyms');
      return identity.mspId;
    } catch (cause) {
      if (cause instanceof ProtocolError) throw new PseudonymError('SIGNER_UNTRUSTED', cause.code, { cause });
      throw cause;
    }
  }

  #requireRate(organisation: string, at: number): void {
    const recent = (this.#recent.get(organisation) ?? []).filter((time) => time > at - WINDOW_MS);
    if (recent.length >= (this.#options.perMinute ?? PER_MINUTE))
      throw new PseudonymError('TOO_MANY_REQUESTS', 'too many pseudonyms in a minute');
    this.#recent.set(organisation, [...recent, at]);
  }
}

function parse(value: unknown): SignedBy<typeof PseudonymRequest> {
  try {
    return parseSigned(PseudonymRequest, value);
  } catch {
    // Neither the message nor the cause is passed on: they may quote the number.
    throw new PseudonymError('MALFORMED', 'not a signed pseudonym request');
  }
}

/** HMAC-SHA-256 over a label and length-prefixed parts. */
function prf(key: Uint8Array, label: string, ...parts: readonly string[]): Uint8Array {
  const hmac = createHmac('sha256', key).update(`yilian/pseudonyms/v1/${label}\0`);
  for (const part of parts) {
    const bytes = Buffer.from(part);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    hmac.update(length).update(bytes);
  }
  return new Uint8Array(hmac.digest());
}
