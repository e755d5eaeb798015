import { VerifyError, verifyOutcome } from '@yilian/ledger/verify';
import {
  digest,
  documentId,
  fromBase64url,
  identify,
  type Outcome,
  overtakes,
  ProtocolError,
  parseOutcome,
  parseSigned,
  Request,
  ROLE_ATTRIBUTE,
  type Trust,
} from '@yilian/protocol';
import type { Answer } from './api.ts';
import { RelayError } from './errors.ts';

/** What the requesting side knows before a home region answers. */
export interface Expected {
  readonly federation: string;
  readonly region: string;
  readonly requestId: string;
  readonly request: Request;
  /** The requester's key, base64url. */
  readonly receivingKey: string;
  /** The home region's trust roots. */
  readonly trusts: readonly Trust[];
  readonly at: number;
  /** The page of the release that was asked for, from 1; the decision itself when left out. */
  readonly page?: number;
}

export interface Verified {
  readonly outcome: Outcome;
  readonly transactionId: string;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });
const MAX_BODY_BYTES = 65_536;
const MAX_BODIES_BYTES = 262_144;

/**
 * Checks everything a relay can check of a home region's answer: the proof, that the outcome is about this request,
 * and that headers, shares and bodies are those of its release. What is sealed is the requester's to check.
 * @throws ANSWER_INVALID
 */
export function verifyAnswer(answer: Answer, expected: Expected): Verified {
  try {
    return judge(answer, expected);
  } catch (cause) {
    if (cause instanceof RelayError) throw cause;
    if (
      cause instanceof VerifyError ||
      cause instanceof ProtocolError ||
      cause instanceof SyntaxError ||
      cause instanceof TypeError
    )
      throw new RelayError('ANSWER_INVALID', cause.message, { cause });
    throw cause;
  }
}

function judge(answer: Answer, expected: Expected): Verified {
  const { federation, region, requestId, request, trusts, at, page } = expected;
  demand(answer.region === region && answer.proof.network === region, 'the answer is another region’s');
  const proven = verifyOutcome(
    answer.proof,
    trusts,
    { function: page === undefined ? 'Requests:decide' : 'Requests:page' },
    at,
  );
  const outcome = parseOutcome(JSON.parse(utf8.decode(proven.payload)));
  demand(askedIn(proven.args[0], page) === requestId, 'the transaction decided another request');
  demand(outcome.page?.number === page, 'the outcome is another page');
  demand(
    outcome.federation === federation &&
      outcome.region === region &&
      outcome.requestId === requestId &&
      outcome.requestingRegion === request.region &&
      outcome.pseudonym === request.pseudonym &&
      outcome.purpose === request.purpose &&
      outcome.keyCertificate === request.keyCertificate,
    'the outcome is about another request',
  );
  demand((outcome.outcome === 'released') === (outcome.release !== undefined), 'released without release');
  if (outcome.release === undefined) {
    demand(
      answer.headers.length + answer.shares.length + (answer.revocations ?? []).length + answer.bodies.length === 0,
      'nothing was released',
    );
  } else {
    demand(outcome.decidedAt <= request.notAfter, 'released after the request’s end');
    judgeRelease(answer, outcome, outcome.release, expected);
  }
  return { outcome, transactionId: proven.transactionId };
}

/** The request a transaction was about: `decide` has it signed, `page` by its id. */
function askedIn(argument: Uint8Array | undefined, page: number | undefined): string {
  const text = utf8.decode(argument);
  return page === undefined ? documentId(Request.type, parseSigned(Request, JSON.parse(text)).document) : text;
}

function judgeRelease(
  { headers, shares, revocations = [], bodies }: Answer,
  outcome: Outcome,
  { records, receivingKey, usableUntil }: NonNullable<Outcome['release']>,
  { trusts, at, receivingKey: ownKey }: Expected,
): void {
  demand(receivingKey === ownKey, 'released to another key');
  const over = at > usableUntil;
  for (const proof of revocations) {
    const { args } = verifyOutcome(proof, trusts, { function: 'Grants:revoke' }, at);
    demand(overtakes(args[0], outcome), 'the revocation is of another grant');
  }
  const due = !over && revocations.length === 0;
  demand(headers.length === records.length || (over && headers.length === 0), 'headers are missing');
  for (const [index, record] of headers.length === 0 ? [] : records.entries()) {
    const header = headers[index];
    demand(
      header?.recordId === record.recordId && digest(fromBase64url(header.header)) === record.headerHash,
      'a header is not the released one',
    );
  }
  const senders = new Set(shares.map(({ mspId }) => mspId));
  demand(senders.size === shares.length, 'a proxy sent two shares');
  for (const { mspId, certificate } of shares) {
    const { attributes } = identify(trusts, mspId, certificate, at);
    demand(attributes[ROLE_ATTRIBUTE] === 'proxy', 'a share is not a proxy’s');
  }
  const released = new Set(records.map(({ scope }) => scope));
  for (const decision of outcome.scopes) {
    if (!decision.permitted || !released.has(decision.scope)) continue;
    const usable = decision.proxies.filter((mspId) => senders.has(mspId)).length;
    demand(usable >= decision.threshold || !due, 'shares are missing');
  }
  const sizes = new Map(records.map(({ recordId, sizeBytes }) => [recordId, sizeBytes]));
  let total = 0;
  for (const { recordId, sealed } of bodies) {
    const size = fromBase64url(sealed).length;
    total += size;
    demand(sizes.get(recordId) === size && size <= MAX_BODY_BYTES, 'a body is not a released one');
    sizes.delete(recordId);
  }
  demand(total <= MAX_BODIES_BYTES, 'the bodies are too large');
}

function demand(condition: boolean, why: string): asserts condition {
  if (!condition) throw new RelayError('ANSWER_INVALID', why);
}
