import type { Signer } from '@yilian/pre';
import { AccessQuery, documentId, identifyAny, Request, requireCertificateSignatures } from '@yilian/protocol';
import { ClientError } from './client-error.ts';
import type { FederationView } from './federation-view.ts';
import { type Holder, holderOf } from './identity.ts';
import type { RelayClient } from './relay-client.ts';
import type { AccessEntry, WaitingEntry } from './replies.ts';
import { signOwn } from './signing.ts';

/** One line of a patient's list, with the region whose chain says so. */
export interface PatientAccess extends AccessEntry {
  readonly region: string;
  /** Epoch milliseconds: the decision, else the first leg's word, else when it was asked. */
  readonly at: number;
  /** Who asked, by the certificate that signed the request, if the view's roots still vouch for it. */
  readonly requester?: Holder;
}

export interface PatientAccesses {
  /** Newest first. One request may be listed by its own region and by each home. */
  readonly accesses: readonly PatientAccess[];
  /** Regions without an answer, with the code of the error. A region that does not know the patient is none. */
  readonly unanswered: readonly { readonly region: string; readonly code: string }[];
}

/** A request that waits for the patient's word. */
export interface PatientWaiting extends WaitingEntry {
  /** As in {@link PatientAccess}; without it nobody vouches for who asks. */
  readonly requester?: Holder;
}

interface Asker {
  readonly federation: string;
  readonly pseudonym: string;
  readonly signer: Signer;
  readonly relayOf: (region: string) => RelayClient;
  readonly at: number;
}

export async function readAccesses(view: FederationView, asker: Asker): Promise<PatientAccesses> {
  const accesses: PatientAccess[] = [];
  const unanswered: { region: string; code: string }[] = [];
  await Promise.all(
    view.regions().map(async ({ region }) => {
      try {
        accesses.push(...(await ofRegion(view, region, asker)));
      } catch (error) {
        if (!(error instanceof ClientError)) throw error;
        if (error.code !== 'PATIENT_UNKNOWN') unanswered.push({ region, code: error.code });
      }
    }),
  );
  return { accesses: accesses.toSorted((a, b) => b.at - a.at || compare(a.requestId, b.requestId)), unanswered };
}

async function ofRegion(view: FederationView, region: string, asker: Asker): Promise<PatientAccess[]> {
  const { federation, pseudonym, signer, relayOf, at } = asker;
  const query = signOwn(AccessQuery, { federation, region, pseudonym, signedAt: at }, [signer]);
  const entries = await relayOf(region).accesses(query);
  return entries.map((entry) => {
    requireAbout(entry, pseudonym, region);
    const requester = requesterOf(view, entry);
    const time = entry.outcome?.decidedAt ?? entry.legs[0]?.at ?? entry.at;
    return { ...entry, region, at: time, ...(requester !== undefined && { requester }) };
  });
}

/** Requests that wait for the patient in one region, as its relay says. */
export async function readWaiting(view: FederationView, region: string, asker: Asker): Promise<PatientWaiting[]> {
  const { federation, pseudonym, signer, relayOf, at } = asker;
  const query = signOwn(AccessQuery, { federation, region, pseudonym, signedAt: at }, [signer]);
  const entries = await relayOf(region).waiting(query);
  return entries.map((entry) => {
    requireAbout(entry, pseudonym, region);
    const requester = requesterOf(view, entry);
    return { ...entry, ...(requester !== undefined && { requester }) };
  });
}

function requireAbout({ requestId, request: { document } }: WaitingEntry, pseudonym: string, region: string): void {
  if (documentId(Request.type, document) !== requestId || document.pseudonym !== pseudonym)
    throw new ClientError('REPLY_MALFORMED', 'the list names another request', { party: region });
}

function requesterOf(view: FederationView, { request }: WaitingEntry): Holder | undefined {
  try {
    const { region, notBefore } = request.document;
    const [identity] = requireCertificateSignatures(request, (certificate) =>
      identifyAny(view.trusts(region), certificate, notBefore),
    );
    return holderOf(identity);
  } catch {
    return undefined;
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
