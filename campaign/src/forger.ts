import { createSigner } from '@yilian/ledger';
import { attestationBytes } from '@yilian/ledger/verify';
import {
  type CertificateSigner,
  digest,
  Envelope,
  fromBase64url,
  type Outcome,
  type OutcomeProof,
  parseOutcome,
  type SignedBy,
  signDocument,
  toBase64url,
} from '@yilian/protocol';
import type { Member } from '@yilian/testbed/network';

export type SignedEnvelope = SignedBy<typeof Envelope>;

/** Holds the real key of a member of the federation: what it signs is signed as the honest member would have. */
export class Forger {
  readonly signer: CertificateSigner;
  readonly #mspId: string;

  constructor({ mspId, certificate, privateKey }: Member) {
    this.#mspId = mspId;
    this.signer = { certificate, sign: createSigner(privateKey) };
  }

  /** An envelope with something else in it, signed anew. */
  envelope({ document }: SignedEnvelope, change: Partial<Envelope> = {}): SignedEnvelope {
    return signDocument(Envelope, { ...document, ...change }, [this.signer]);
  }

  /** A proof whose committed bytes say something else, attested as well as this key can. */
  proof(proof: OutcomeProof, change: (committed: Buffer) => void): OutcomeProof {
    const committed = Buffer.from(fromBase64url(proof.envelope));
    change(committed);
    const attestations = proof.attestations.map(({ statement }) => {
      const altered = { ...statement, envelopeHash: digest(committed) };
      const { certificate } = this.signer;
      const signature = toBase64url(this.signer.sign(attestationBytes(altered)));
      return { statement: altered, mspId: this.#mspId, certificate, signature };
    });
    return { ...proof, envelope: toBase64url(committed), attestations };
  }
}

/** Another outcome in the place of the one that was returned, and no longer than it; spaces fill the rest. */
export function deciding(change: (outcome: Outcome) => Outcome): (committed: Buffer) => void {
  return (committed) => {
    const from = committed.lastIndexOf('{"federation"', committed.lastIndexOf('"patientKnown"'));
    const to = endOfObject(committed, from);
    const outcome = parseOutcome(JSON.parse(committed.toString('utf8', from, to)));
    const altered = Buffer.from(JSON.stringify(change(outcome)));
    if (altered.length > to - from) throw new TypeError('the bytes around must stay where they are');
    committed.fill(' ', from, to);
    altered.copy(committed, from);
  };
}

/** Where the JSON object that begins here ends; in outcomes no string has a brace in it. */
function endOfObject(bytes: Buffer, from: number): number {
  let depth = 0;
  for (let at = from; at < bytes.length; at += 1) {
    if (bytes[at] === 0x7b) depth += 1;
    if (bytes[at] === 0x7d) depth -= 1;
    if (depth === 0) return at + 1;
  }
  throw new TypeError('there is no outcome');
}
