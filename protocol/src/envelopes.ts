import { type Static, Type } from '@yilian/schema';
import { ProtocolError } from './errors.ts';
import { FederationId, Hash, RegionId, Time } from './ids.ts';
import { documentType, type Signed } from './signed.ts';

/** The longest an envelope may be under way. */
export const ENVELOPE_TTL_MS = 60_000;

/**
 * What one relay says to another, or to a proxy of its region. Signed by the relay's certificate, which the main
 * chain registers. `sequence` rises for each pair of sender and receiver and starts from the clock in microseconds, which
 * it is never ahead of by more than an envelope may be; an envelope is accepted once.
 */
export const Envelope = documentType(
  'envelope',
  Type.Object(
    {
      federation: FederationId,
      from: RegionId,
      /** A region, or `<region>/<mspId>` for an organisation's proxy. */
      to: Type.String({ pattern: '^[a-z][a-z0-9-]{1,39}(/[A-Za-z][A-Za-z0-9.-]{1,63})?$' }),
      sequence: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
      issuedAt: Time,
      expiresAt: Time,
      /** Id of the envelope this one answers. */
      inReplyTo: Type.Optional(Hash),
      kind: Type.String({ pattern: '^[a-z][a-z-]{1,39}$' }),
      body: Type.Unknown(),
    },
    { additionalProperties: false },
  ),
);
export type Envelope = Static<typeof Envelope.schema>;

/** Checks direction, time and that the number is none that would put all later ones behind. @throws ENVELOPE_MISDIRECTED ENVELOPE_EXPIRED */
export function requireFresh(
  envelope: Signed<Envelope>,
  expected: { readonly federation: string; readonly from: string; readonly to: string; readonly inReplyTo?: string },
  at: number,
): void {
  const { document } = envelope;
  const wrong =
    document.federation !== expected.federation ||
    document.from !== expected.from ||
    document.to !== expected.to ||
    document.inReplyTo !== expected.inReplyTo;
  if (wrong) throw new ProtocolError('ENVELOPE_MISDIRECTED', `an envelope for ${document.to} came to ${expected.to}`);
  const lifetime = document.expiresAt - document.issuedAt;
  if (document.sequence > (at + ENVELOPE_TTL_MS) * 1000)
    throw new ProtocolError('ENVELOPE_EXPIRED', `an envelope from ${document.from} has a number from the future`);
  if (at > document.expiresAt || lifetime > ENVELOPE_TTL_MS || document.issuedAt > at + ENVELOPE_TTL_MS) {
    throw new ProtocolError('ENVELOPE_EXPIRED', `an envelope from ${document.from} is outside its time`);
  }
}
