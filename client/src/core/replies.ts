import { type KeyCertificate, type OutcomeProof, parser, type Request, type SignedBy } from '@yilian/protocol';
import type { AccessesReply, KeyCertificateReply as UncheckedKeyCertificate, WaitingReply } from '@yilian/relay/api';
import type { Static, TSchema } from '@yilian/schema';
import { ClientError } from './client-error.ts';

/** A practitioner's key certificate with the proof that their own region's chain registered it. */
export interface KeyCertificateReply extends UncheckedKeyCertificate {
  readonly keyCertificate: SignedBy<typeof KeyCertificate>;
  readonly proof: OutcomeProof;
}

type UncheckedAccess = Static<typeof AccessesReply>['accesses'][number];
/** One line of what a region's chain knows about who asked for a patient's records. */
export interface AccessEntry extends UncheckedAccess {
  readonly request: SignedBy<typeof Request>;
}

/** A request that waits for the patient's consent. */
export interface WaitingEntry extends Omit<WaitingReply['waiting'][number], 'request'> {
  readonly request: SignedBy<typeof Request>;
}

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
