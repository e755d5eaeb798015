import {
  documentId,
  ENVELOPE_TTL_MS,
  Envelope,
  identifyAny,
  parser,
  parseSigned,
  type RegionEntry,
  ROLE_ATTRIBUTE,
  requireCertificateSignatures,
  requireFresh,
  type Signed,
} from '@yilian/protocol';
import type { Static, TSchema } from '@yilian/schema';
import type { Clock } from './clock.ts';
import type { Directory } from './directory.ts';
import { ProxyError } from './errors.ts';
import type { Journal } from './journal.ts';

export interface EnvelopesOptions {
  readonly federation: string;
  /** `<network>/<mspId>` */
  readonly address: string;
  readonly directory: Directory;
  readonly journal: Journal;
  readonly clock: Clock;
}

/** One kind of order and the shape of its body. */
export interface OrderKind<S extends TSchema> {
  readonly kind: string;
  readonly parse: (value: unknown) => Static<S>;
}

export function orderKind<S extends TSchema>(kind: string, schema: S): OrderKind<S> {
  return { kind, parse: parser(`${kind} order`, schema) };
}

/** Judges what relays say to this proxy. */
export class Envelopes {
  readonly #options: EnvelopesOptions;

  constructor(options: EnvelopesOptions) {
    this.#options = options;
  }

  /**
   * The body of an envelope that a registered relay signed for this proxy, now and for the first time.
   * @throws DOCUMENT_MALFORMED KIND_UNKNOWN ENVELOPE_MISDIRECTED ENVELOPE_EXPIRED ENVELOPE_REPLAYED REGION_FOREIGN
   *   REGION_UNKNOWN REGION_FROZEN RELAY_UNTRUSTED SIGNATURE_INVALID SIGNER_UNTRUSTED CLOCK_SKEW
   */
  async open<S extends TSchema>(value: unknown, { kind, parse }: OrderKind<S>): Promise<Static<S>> {
    const { federation, address, directory, journal, clock } = this.#options;
    const signed = parseSigned(Envelope, value);
    const { from, sequence, expiresAt } = signed.document;
    const at = clock.now();
    requireFresh(signed, { federation, from, to: address }, at);
    if (signed.document.kind !== kind) throw new ProxyError('KIND_UNKNOWN', `this takes orders of kind ${kind}`);
    const certificate = requireRelay(signed, await directory.sender(from), at);
    const body = parse(signed.document.body);
    const id = documentId(Envelope.type, signed.document);
    const forgetAt = expiresAt + 2 * ENVELOPE_TTL_MS;
    if (!journal.accept({ id, certificate, sequence, forgetAt, at }))
      throw new ProxyError('ENVELOPE_REPLAYED', 'the envelope came before, or is far behind');
    return body;
  }
}

/** The one signature is by a certificate the main chain registers as a relay of the sender. Returns its fingerprint. */
function requireRelay(signed: Signed<Envelope>, entry: RegionEntry, at: number): string {
  const [signature, ...others] = signed.signatures;
  const registered =
    others.length === 0 &&
    signature?.alg === 'ES256' &&
    entry.relays.some(({ certificate }) => certificate.trim() === signature.certificate.trim());
  if (!registered) throw untrusted();
  const [identity] = requireCertificateSignatures(signed, (certificate) => identifyAny(entry.trusts, certificate, at));
  if (identity.attributes[ROLE_ATTRIBUTE] !== 'relay') throw untrusted();
  return identity.fingerprint;
}

function untrusted(): ProxyError {
  return new ProxyError('RELAY_UNTRUSTED', 'not signed by a registered relay of its region');
}
