import canonicalize from 'canonicalize';
import { concatBytes, encodeUtf8, fromBase64url, toBase64url } from './encoding.ts';
import { MAX_ENVELOPE_BYTES } from './envelope.ts';
import { VerifyError } from './errors.ts';

/** What an attester saw in its own organisation's view of the channel. */
export interface Statement {
  /** The federation's name of the network: two networks may name their channels alike. */
  readonly network: string;
  readonly channel: string;
  /** Transaction id, hex. */
  readonly transaction: string;
  /** Block number. */
  readonly block: number;
  /** SHA-256 of the committed envelope, base64url. */
  readonly envelopeHash: string;
  /** Fabric's `TxValidationCode`; 0 is valid. */
  readonly validationCode: number;
  /** Version of the network's trust roots that the attester knows to be current. */
  readonly trustRootVersion: number;
}

/** A statement signed by an organisation's attester. */
export interface Attestation {
  readonly statement: Statement;
  readonly mspId: string;
  /** PEM. */
  readonly certificate: string;
  /** ECDSA P-256, DER with low S, over `attestationBytes`; base64url. */
  readonly signature: string;
}

/** That a transaction was endorsed and committed valid; `verifyOutcome` judges it. JSON. */
export interface OutcomeProof {
  readonly network: string;
  /** The committed `common.Envelope`, base64url. */
  readonly envelope: string;
  readonly attestations: readonly Attestation[];
}

const PREFIX = 'yilian/attestation/v1\0';
const MAX_ATTESTATIONS = 64;

/** What an attester signs: prefix, zero byte, RFC 8785 JSON. */
export function attestationBytes(statement: Statement): Uint8Array {
  return concatBytes(encodeUtf8(PREFIX), encodeUtf8(canonicalize(statement) as string));
}

/** One proof of what several attesters saw. */
export function assembleProof(envelope: Uint8Array, attestations: readonly Attestation[]): OutcomeProof {
  const network = attestations[0]?.statement.network;
  if (network === undefined) throw new VerifyError('ATTESTATION_POLICY', 'A proof needs attestations');
  return { network, envelope: toBase64url(envelope), attestations };
}

/** An outcome proof taken from JSON, its shape checked and bytes decoded. */
export interface ParsedProof {
  readonly network: string;
  readonly envelope: Uint8Array;
  readonly attestations: readonly (Omit<Attestation, 'signature'> & { readonly signature: Uint8Array })[];
}

/**
 * Checks the shape of a proof from outside: exactly the known members, each of its type.
 * @throws VerifyError PROOF_MALFORMED
 */
export function parseProof(value: unknown): ParsedProof {
  const proof = record(value, ['network', 'envelope', 'attestations']);
  const { attestations } = proof;
  if (!Array.isArray(attestations) || attestations.length > MAX_ATTESTATIONS) throw malformed('attestations');
  return {
    network: text(proof.network, 'network'),
    envelope: bytes(proof.envelope, 'envelope', MAX_ENVELOPE_BYTES),
    attestations: attestations.map((entry: unknown) => {
      const attestation = record(entry, ['statement', 'mspId', 'certificate', 'signature']);
      return {
        statement: parseStatement(attestation.statement),
        mspId: text(attestation.mspId, 'mspId'),
        certificate: text(attestation.certificate, 'certificate', 32_768),
        signature: bytes(attestation.signature, 'signature', 72),
      };
    }),
  };
}

function parseStatement(value: unknown): Statement {
  const names = [
    'network',
    'channel',
    'transaction',
    'block',
    'envelopeHash',
    'validationCode',
    'trustRootVersion',
  ] as const;
  const statement = record(value, names);
  return {
    network: text(statement.network, 'network'),
    channel: text(statement.channel, 'channel'),
    transaction: text(statement.transaction, 'transaction'),
    block: integer(statement.block, 'block'),
    envelopeHash: text(statement.envelopeHash, 'envelopeHash'),
    validationCode: integer(statement.validationCode, 'validationCode'),
    trustRootVersion: integer(statement.trustRootVersion, 'trustRootVersion'),
  };
}

function record<K extends string>(value: unknown, names: readonly K[]): Record<K, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed('object');
  const keys = Object.keys(value);
  if (keys.length !== names.length || !names.every((name) => Object.hasOwn(value, name))) throw malformed(names.join());
  return value as Record<K, unknown>;
}

function text(value: unknown, name: string, maxLength = 256): string {
  if (typeof value !== 'string' || value.length === 0 || value.length > maxLength || !value.isWellFormed()) {
    throw malformed(name);
  }
  return value;
}

function bytes(value: unknown, name: string, maxBytes: number): Uint8Array {
  const decoded = fromBase64url(text(value, name, Math.ceil((maxBytes * 4) / 3)));
  if (!decoded) throw malformed(name);
  return decoded;
}

function integer(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || Object.is(value, -0))
    throw malformed(name);
  return value;
}

function malformed(what: string): VerifyError {
  return new VerifyError('PROOF_MALFORMED', `Proof is malformed: ${what}`);
}
