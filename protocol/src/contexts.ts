import { context } from '@yilian/pre';

/** What sealed bytes are bound to, so that none can stand in another's place (SPEC.md §4). */

/** A key header belongs to one record of one patient, scope and epoch. */
export function headerContext(record: {
  readonly federation: string;
  readonly region: string;
  readonly recordId: string;
  readonly pseudonym: string;
  readonly scope: string;
  readonly epoch: number;
}): Uint8Array {
  const { federation, region, recordId, pseudonym, scope, epoch } = record;
  return context('record', federation, region, recordId, pseudonym, scope, epoch);
}

/** Key fragments are sealed to one organisation's proxy. Plaintext: one 310-byte kfrag for each scope, in the grant's order. */
export function kfragContext(federation: string, region: string, pseudonym: string, mspId: string): Uint8Array {
  return context('kfrags', federation, region, pseudonym, mspId);
}

/** Capsule fragments are sealed to the requester. Plaintext: one 359-byte cfrag for each record, in the release's order. */
export function cfragContext(federation: string, requestId: string, transactionId: string, mspId: string): Uint8Array {
  return context('cfrags', federation, requestId, transactionId, mspId);
}
