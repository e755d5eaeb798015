import type { Practitioner } from '@yilian/client';
import { documentId, Request, type SignedBy } from '@yilian/protocol';
import { DeployError } from './errors.ts';
import { readJsonIfThere } from './files.ts';
import type { Layout } from './layout.ts';

/** What a doctor's software keeps of a request, from before it is sent: `open` goes on from there. */
export interface KeptRequest {
  readonly doctor: string;
  readonly request: SignedBy<typeof Request>;
  /** Regions the request went to; known once the relay took it. */
  readonly homes?: readonly string[];
  /** Known once every leg has its final word. */
  readonly reply?: Parameters<Practitioner['verify']>[2];
}

const ID = /^[A-Za-z0-9_-]{43}$/;

export async function keepRequest(layout: Layout, kept: KeptRequest): Promise<void> {
  await layout.write(`requests/${documentId(Request.type, kept.request.document)}.json`, kept);
}

/** @throws DeployError NAME_UNKNOWN STATE_DAMAGED */
export async function readRequest(layout: Layout, requestId: string): Promise<KeptRequest> {
  const kept = ID.test(requestId) ? await readJsonIfThere(layout.path('requests', `${requestId}.json`)) : undefined;
  if (kept === undefined) throw new DeployError('NAME_UNKNOWN', `no request ${requestId} was made here`);
  return kept as KeptRequest;
}
