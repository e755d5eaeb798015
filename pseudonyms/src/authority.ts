import { createHmac } from 'node:crypto';
import { appendFile } from 'node:fs/promises';
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
import { PseudonymError } from './errors.ts';
import { normaliseResidentId } from './national-id.ts';
import { type PseudonymReply, PseudonymRequest } from './request.ts';

export interface AuthorityOptions {
  readonly federation: string;
  /** The PRF key: 32 bytes nobody else holds. */
  readonly key: Uint8Array;
  readonly keyEpoch: number;
  /** The regions the main chain registers. */
  readonly regions: () => Promise<readonly RegionEntry[]>;
  /** One line of JSON for each pseudonym given: when, to whom, on what evidence; never the number or the pseudonym. */
  readonly auditFile: string;
  /** How many pseudonyms one organisation may ask for in a minute. */
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
  readonly #seen = new Map<string, number>();
  readonly #recent = new Map<string, number[]>();

  constructor(options: AuthorityOptions) {
    this.#options = options;
    this.#clock = options.clock ?? Date.now;
  }

  /**
   * @throws MALFORMED FEDERATION_MISMATCH SIGNER_UNTRUSTED ROLE_REQUIRED DOCUMENT_STALE REPLAYED TOO_MANY_REQUESTS
   *   NATIONAL_ID_INVALID AUDIT_UNAVAILABLE
   */
  async answer(value: unknown): Promise<PseudonymReply> {
    const at = this.#clock();
    const { federation, key, keyEpoch } = this.#options;
    const signed = this.#parsed(value);
    const { document } = signed;
    if (document.federation !== federation) throw new PseudonymError('FEDERATION_MISMATCH', 'another federation');
    if (Math.abs(at - document.signedAt) > WINDOW_MS)
      throw new PseudonymError('DOCUMENT_STALE', 'signed too long ago or in the future');
    const mspId = await this.#hospital(signed, at);
    this.#once(documentId(PseudonymRequest.type, document), at);
    this.#requireRate(mspId, at);
    const id = normaliseResidentId(document.nationalId);
    const pseudonym = prf(key, 'pseudonym', document.system, id);
    const line = {
      at,
      mspId,
      region: document.region,
      evidence: document.evidence,
      tag: toBase64url(prf(key, 'audit', toBase64url(pseudonym))),
    };
    try {
      await appendFile(this.#options.auditFile, `${JSON.stringify(line)}\n`, { mode: 0o600 });
    } catch (cause) {
      throw new PseudonymError('AUDIT_UNAVAILABLE', 'nothing is given out that cannot be logged', { cause });
    }
    return { pseudonym: toBase64url(pseudonym), keyEpoch };
  }

  #parsed(value: unknown): SignedBy<typeof PseudonymRequest> {
    try {
      return parseSigned(PseudonymRequest, value);
    } catch (cause) {
      // The schema's message may quote the number: it is not passed on.
      throw new PseudonymError('MALFORMED', 'not a signed pseudonym request', { cause });
    }
  }

  async #hospital(signed: SignedBy<typeof PseudonymRequest>, at: number): Promise<string> {
    const region = (await this.#options.regions()).find((entry) => entry.region === signed.document.region);
    if (region === undefined || region.frozen)
      throw new PseudonymError('SIGNER_UNTRUSTED', 'no such region in good standing');
    try {
      const [identity, ...others] = requireCertificateSignatures(signed, (certificate) =>
        identifyAny(region.trusts, certificate, at),
      );
      if (others.length > 0 || identity.attributes[ROLE_ATTRIBUTE] !== 'hospital') {
        throw new PseudonymError('ROLE_REQUIRED', 'a hospital asks for pseudonyms');
      }
      return identity.mspId;
    } catch (cause) {
      if (cause instanceof ProtocolError) throw new PseudonymError('SIGNER_UNTRUSTED', cause.code, { cause });
      throw cause;
    }
  }

  #once(id: string, at: number): void {
    for (const [seen, until] of this.#seen) if (until < at) this.#seen.delete(seen);
    if (this.#seen.has(id)) throw new PseudonymError('REPLAYED', 'this request came before');
    this.#seen.set(id, at + 2 * WINDOW_MS);
  }

  #requireRate(mspId: string, at: number): void {
    const recent = (this.#recent.get(mspId) ?? []).filter((time) => time > at - WINDOW_MS);
    if (recent.length >= (this.#options.perMinute ?? PER_MINUTE))
      throw new PseudonymError('TOO_MANY_REQUESTS', 'too many pseudonyms in a minute');
    this.#recent.set(mspId, [...recent, at]);
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
