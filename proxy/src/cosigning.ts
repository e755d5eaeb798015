import type { MainChain } from '@yilian/main-chain';
import {
  type CertificateSigner,
  Checkpoint,
  MainHeight,
  type Signature,
  signDocument,
  toBase64url,
} from '@yilian/protocol';
import type { OutcomeLog } from '@yilian/regional-chain';
import type { CheckpointOrder, HeightOrder, SignatureReply } from './api.ts';
import type { Clock } from './clock.ts';
import { ProxyError } from './errors.ts';
import type { Witness } from './witness.ts';

/** How far the time of a document to be co-signed may be from the own clock. */
const WINDOW_MS = 30_000;

/** Signs a main height when the own view has got as far, with exactly these versions of the regions' entries. */
export async function cosignHeight(
  { document }: HeightOrder,
  own: {
    readonly federation: string;
    readonly witness: Witness;
    readonly chain: MainChain;
    readonly clock: Clock;
    readonly signer: CertificateSigner;
  },
): Promise<SignatureReply> {
  requireNow(document, own);
  const [height, regions] = await Promise.all([own.witness.height(), own.chain.regions()]);
  if (document.height > height) throw new ProxyError('HEIGHT_MISMATCH', 'the own view has not got so far');
  const versions = new Map(regions.map(({ entry }) => [entry.region, entry.version]));
  const named = new Map(document.regions.map(({ region, version }) => [region, version]));
  const same =
    document.regions.length === regions.length &&
    named.size === versions.size &&
    [...versions].every(([region, version]) => named.get(region) === version);
  if (!same) throw new ProxyError('HEIGHT_MISMATCH', 'the own view has other versions of the regions');
  return { signature: only(signDocument(MainHeight, document, [own.signer])) };
}

/** Signs a checkpoint when the own view's outcomes have the same root. */
export function cosignCheckpoint(
  { document }: CheckpointOrder,
  own: {
    readonly federation: string;
    readonly region: string;
    readonly outcomes: OutcomeLog;
    readonly clock: Clock;
    readonly signer: CertificateSigner;
  },
): SignatureReply {
  requireNow(document, own);
  if (document.region !== own.region) throw new ProxyError('CHECKPOINT_MISMATCH', 'the checkpoint is another region’s');
  if (document.size > own.outcomes.size) throw new ProxyError('LOG_BEHIND', 'the own view has not got so far');
  if (toBase64url(own.outcomes.root(document.size)) !== document.root)
    throw new ProxyError('CHECKPOINT_MISMATCH', 'the own view has another root for this size');
  return { signature: only(signDocument(Checkpoint, document, [own.signer])) };
}

function requireNow(
  document: { readonly federation: string; readonly at: number },
  { federation, clock }: { readonly federation: string; readonly clock: Clock },
): void {
  if (document.federation !== federation) throw new ProxyError('FEDERATION_MISMATCH', 'of another federation');
  if (Math.abs(document.at - clock.now()) > WINDOW_MS)
    throw new ProxyError('TIME_MISMATCH', 'its time is not the own clock’s');
}

function only({ signatures: [signature] }: { readonly signatures: readonly Signature[] }): Signature {
  if (signature === undefined) throw new TypeError('nothing was signed');
  return signature;
}
