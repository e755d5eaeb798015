import { randomBytes } from 'node:crypto';
import { type CertificateSigner, parser, signDocument, toBase64url } from '@yilian/protocol';
import { isPseudonymErrorCode, PseudonymError } from './errors.ts';
import { RESIDENT_ID } from './national-id.ts';
import { PseudonymReply, PseudonymRequest } from './request.ts';

export interface PseudonymiseOptions {
  readonly federation: string;
  readonly region: string;
  /** The system of the identity number; {@link RESIDENT_ID} when left out. */
  readonly system?: string;
  readonly nationalId: string;
  /** SHA-256 of the evidence of identity, base64url. */
  readonly evidence: string;
  /** The hospital's certificate and key. */
  readonly signer: CertificateSigner;
  readonly signal?: AbortSignal;
}

const TIMEOUT_MS = 10_000;
const parseReply = parser('pseudonym', PseudonymReply);

/**
 * Hospital side: asks the authority at `url` for a person's pseudonym.
 * @throws PseudonymError with the authority's code, or UNREACHABLE
 */
export async function pseudonymise(
  url: string,
  { signer, signal, ...asked }: PseudonymiseOptions,
): Promise<PseudonymReply> {
  const document = {
    system: RESIDENT_ID,
    ...asked,
    signedAt: Date.now(),
    nonce: toBase64url(randomBytes(16)),
  };
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  let response: Response;
  let body: unknown;
  try {
    response = await fetch(`${url}/v1/pseudonyms`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(signDocument(PseudonymRequest, document, [signer])),
      redirect: 'error',
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    });
    body = await response.json();
  } catch (cause) {
    throw new PseudonymError('UNREACHABLE', 'the pseudonym authority does not answer', { cause });
  }
  if (response.ok) return parseReply(body);
  const { code, message } = body as { code?: unknown; message?: unknown };
  throw new PseudonymError(
    isPseudonymErrorCode(code) ? code : 'UNREACHABLE',
    typeof message === 'string' ? message : 'refused',
  );
}
