import {
  type CertificateSigner,
  documentId,
  ENVELOPE_TTL_MS,
  Envelope,
  identifyAny,
  parseSigned,
  type RegionEntry,
  ROLE_ATTRIBUTE,
  requireCertificateSignatures,
  requireFresh,
  type Signed,
  type SignedBy,
  signDocument,
} from '@yilian/protocol';
import QuickLRU from 'quick-lru';
import type { Directory } from './directory.ts';
import { RelayError } from './errors.ts';
import type { RedisConnections } from './redis.ts';

export interface EnvelopesOptions {
  readonly federation: string;
  readonly region: string;
  readonly signer: CertificateSigner;
  readonly redis: RedisConnections;
  readonly directory: Directory;
}

export type SignedEnvelope = SignedBy<typeof Envelope>;

/** An opened envelope. */
export interface Opened {
  readonly id: string;
  readonly document: Envelope;
  readonly sender: RegionEntry;
}

/** How far the number of an envelope may be behind the highest of its pair: envelopes overtake each other. */
const SEQUENCE_WINDOW = 100_000;
const LIFETIME_MS = 30_000;
const RESERVED = 100;
const RESERVED_MS = 60_000;
const SEQUENCE_TTL_MS = 7 * 86_400_000;
/** Numbers after a loss of Redis must be higher than all before: they start from the clock, in microseconds. */
const SEQUENCE_START = () => Date.now() * 1000;

/** Signs what the relay says and judges what relays say to it. */
export class Envelopes {
  readonly #options: EnvelopesOptions;
  readonly #reserved = new QuickLRU<string, number[]>({ maxSize: 1000, maxAge: RESERVED_MS });

  constructor(options: EnvelopesOptions) {
    this.#options = options;
  }

  async seal(to: string, kind: string, body: unknown, inReplyTo?: string): Promise<SignedEnvelope> {
    const { federation, region, signer } = this.#options;
    const issuedAt = Date.now();
    const document = {
      federation,
      from: region,
      to,
      sequence: await this.#nextSequence(to),
      issuedAt,
      expiresAt: issuedAt + LIFETIME_MS,
      kind,
      body,
      ...(inReplyTo === undefined ? {} : { inReplyTo }),
    };
    return signDocument(Envelope, document, [signer]);
  }

  /**
   * Judges an envelope another region's relay sent, and remembers it so that it is accepted once.
   * @throws DOCUMENT_MALFORMED ENVELOPE_MISDIRECTED ENVELOPE_EXPIRED REGION_UNKNOWN REGION_FROZEN RELAY_UNTRUSTED
   *   SIGNATURE_INVALID ENVELOPE_REPLAYED
   */
  async open(value: unknown): Promise<Opened> {
    const { federation, region } = this.#options;
    const signed = parseSigned(Envelope, value);
    const { from } = signed.document;
    requireFresh(signed, { federation, from, to: region }, Date.now());
    const sender = await this.#requireSender(signed);
    const id = documentId(Envelope.type, signed.document);
    await this.#requireNew(id, signed.document);
    return { id, document: signed.document, sender };
  }

  /** Judges the answer to an envelope sent; `id` is that envelope's. @throws as {@link open} */
  async openReply(value: unknown, from: string, kind: string, id: string): Promise<Opened> {
    const { federation, region } = this.#options;
    const signed = parseSigned(Envelope, value);
    requireFresh(signed, { federation, from, to: region, inReplyTo: id }, Date.now());
    if (signed.document.kind !== kind) throw new RelayError('KIND_UNKNOWN', `expected ${kind}`);
    const sender = await this.#requireSender(signed);
    return { id: documentId(Envelope.type, signed.document), document: signed.document, sender };
  }

  /** The one signature is by a certificate the main chain registers as a relay of the sending region. */
  async #requireSender(signed: Signed<Envelope>): Promise<RegionEntry> {
    const entry = await this.#options.directory.activeRegion(signed.document.from);
    const [signature, ...others] = signed.signatures;
    const registered =
      others.length === 0 &&
      signature?.alg === 'ES256' &&
      entry.relays.some(({ certificate }) => certificate.trim() === signature.certificate.trim());
    if (!registered) throw untrusted();
    const [identity] = requireCertificateSignatures(signed, (certificate) =>
      identifyAny(entry.trusts, certificate, Date.now()),
    );
    if (identity.attributes[ROLE_ATTRIBUTE] !== 'relay') throw untrusted();
    return entry;
  }

  async #requireNew(id: string, { from, sequence, expiresAt }: Envelope): Promise<void> {
    const { commands, prefix } = this.#options.redis;
    const ttlMs = Math.max(1, expiresAt - Date.now()) + ENVELOPE_TTL_MS;
    const highestKey = `${prefix}:sequence:from:${from}`;
    const [fresh, highest] = await Promise.all([
      commands.set(`${prefix}:seen:${id}`, '1', 'PX', ttlMs, 'NX'),
      commands.get(highestKey),
    ]);
    if (fresh === null) throw new RelayError('ENVELOPE_REPLAYED', 'the envelope came before');
    const known = Number(highest ?? 0);
    if (sequence < known - SEQUENCE_WINDOW) throw new RelayError('ENVELOPE_REPLAYED', 'the envelope is far behind');
    if (sequence > known) await commands.set(highestKey, String(sequence), 'PX', SEQUENCE_TTL_MS);
  }

  async #nextSequence(to: string): Promise<number> {
    const known = this.#reserved.get(to);
    if (known !== undefined && known.length > 0) return known.shift() as number;
    const numbers = await this.#reserve(to);
    const next = numbers.shift() as number;
    this.#reserved.set(to, numbers);
    return next;
  }

  /** Numbers for a while, so that Redis is not asked for each. Soon given up: they must not fall far behind others'. */
  async #reserve(to: string): Promise<number[]> {
    const { commands, prefix } = this.#options.redis;
    const key = `${prefix}:sequence:to:${to}`;
    const results = await commands.multi().set(key, String(SEQUENCE_START()), 'NX').incrby(key, RESERVED).exec();
    const last = Number(results?.[1]?.[1]);
    if (!Number.isSafeInteger(last)) throw new RelayError('QUEUE_UNAVAILABLE', 'Redis is not answering');
    if (last > SEQUENCE_START() + (ENVELOPE_TTL_MS / 2) * 1000) {
      // The clock was ahead once: nobody would take these numbers before it is that late.
      await commands.del(key);
      return this.#reserve(to);
    }
    return Array.from({ length: RESERVED }, (_, index) => last - RESERVED + 1 + index);
  }
}

function untrusted(): RelayError {
  return new RelayError('RELAY_UNTRUSTED', 'not signed by a registered relay of its region');
}
