import {
  Hash,
  type KeyCertificate,
  Outcome,
  type OutcomeProof,
  parser,
  RegionId,
  Request,
  type SignedBy,
  Time,
  TransactionId,
} from '@yilian/protocol';
import type { KeyCertificateReply as UncheckedKeyCertificate } from '@yilian/relay/api';
import { type Static, type TSchema, Type } from 'typebox';
import { ClientError } from './client-error.ts';

/** A practitioner's key certificate with the proof that their own region's chain registered it. */
export interface KeyCertificateReply extends UncheckedKeyCertificate {
  readonly keyCertificate: SignedBy<typeof KeyCertificate>;
  readonly proof: OutcomeProof;
}

const Leg = Type.Object({
  region: RegionId,
  outcome: Type.Union(
    (['released', 'denied', 'absent', 'expired', 'failed'] as const).map((outcome) => Type.Literal(outcome)),
  ),
  at: Time,
  transactionId: TransactionId,
});

/** One line of what a region's chain knows about who asked for a patient's records. */
export const AccessEntry = Type.Object({
  requestId: Hash,
  request: Request.signed,
  outcome: Type.Optional(Outcome),
  transactionId: Type.Optional(TransactionId),
  openedAt: Type.Optional(Time),
  legs: Type.Array(Leg, { maxItems: 64 }),
});
export type AccessEntry = Omit<Static<typeof AccessEntry>, 'request'> & { readonly request: SignedBy<typeof Request> };

/** Checks a reply's shape, and nothing else. */
export type ReplyParser<T> = (value: unknown) => T;

/** @throws REPLY_MALFORMED, by what is returned */
export function replyParser<S extends TSchema, T = Static<S>>(what: string, schema: S): ReplyParser<T> {
  const parse = parser(what, schema);
  return (value) => {
    try {
      return parse(value) as T;
    } catch (cause) {
      throw new ClientError('REPLY_MALFORMED', `the reply is no ${what}`, { cause });
    }
  };
}
