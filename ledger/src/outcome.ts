import { sha256 } from '@noble/hashes/sha2.js';
import { encodeUtf8, equalBytes, fromBase64url } from './encoding.ts';
import { type Envelope, readEnvelope, readWrites, type Write } from './envelope.ts';
import { VerifyError } from './errors.ts';
import { createMsp, type Identity, type Msp, type Organisation, readSerializedIdentity } from './msp.ts';
import { parsePolicy, satisfies } from './policy.ts';
import { attestationBytes, type OutcomeProof, type ParsedProof, parseProof, type Statement } from './proof.ts';

/** One version of what a network's proofs are checked against. JSON, as the main chain stores it. */
export interface NetworkTrust {
  readonly network: string;
  readonly channel: string;
  readonly chaincode: string;
  readonly version: number;
  /** Policy text over `OU=peer` identities. */
  readonly endorsement: string;
  /** Policy text over attesters. */
  readonly attestation: string;
  /** Attributes every attester's certificate must carry, so that not every member of an organisation can attest. */
  readonly attesters?: Readonly<Record<string, string>>;
  readonly organisations: readonly Organisation[];
  /** Epoch milliseconds, both inclusive. */
  readonly validFrom: number;
  readonly validUntil?: number;
}

/** What the verifier already knows and the proof must agree with. */
export interface Expectation {
  readonly chaincode?: string;
  /** Version of the chaincode's definition. */
  readonly version?: string;
  /** As invoked, with the contract's name when it was: `Contract:function`. */
  readonly function?: string;
  readonly args?: readonly (string | Uint8Array)[];
  readonly transactionId?: string;
}

/** What a proof proves. */
export interface Outcome {
  readonly transactionId: string;
  readonly block: number;
  readonly function: string;
  /** Without the function. */
  readonly args: readonly Uint8Array[];
  /** What the contract returned. */
  readonly payload: Uint8Array;
  /** The transaction's timestamp, epoch milliseconds. */
  readonly timestamp: number;
  readonly creator: Identity;
  readonly writes: readonly Write[];
  /** The trust version the proof was checked against. */
  readonly trustRootVersion: number;
  /** MSP ids of the organisations whose attesters signed. */
  readonly attestedBy: readonly string[];
}

const VALID = 0;
const OK = 200;
const MAX_CACHED = 64;
const msps = new Map<string, Msp>();

/**
 * Checks that a transaction was endorsed and committed valid (SPEC.md §6), and says what it did.
 * @param trusts the versions of the network's trust roots the verifier accepts; overlapping versions let roots rotate
 * @param at epoch milliseconds at which the attesters' certificates and trust version must be valid. Default: the
 *   transaction's own timestamp, for audits; whoever acts on a fresh proof passes its clock, or its transaction's time.
 *   Creator and endorsers are judged at the transaction's timestamp.
 * @throws VerifyError with the code of the first check that failed
 */
export function verifyOutcome(
  proof: OutcomeProof,
  trusts: readonly NetworkTrust[],
  expect: Expectation = {},
  at?: number,
): Outcome {
  const parsed = parseProof(proof);
  const { statement, trust } = selectTrust(parsed, trusts);
  const envelope = readEnvelope(parsed.envelope);
  checkStatement(statement, envelope, parsed.envelope, trust);
  checkExpectation(envelope, expect);
  if (envelope.status !== OK)
    throw new VerifyError('STATUS_NOT_OK', `Contract answered with status ${envelope.status}`);
  const time = at ?? envelope.timestamp;
  if (!(trust.validFrom <= time && time <= (trust.validUntil ?? Number.POSITIVE_INFINITY))) {
    throw new VerifyError('TRUST_VERSION_EXPIRED', `Version ${trust.version} of ${trust.network} is not in force`);
  }
  const creator = checkTransaction(envelope, inForceWhenMade(envelope, trust, trusts));
  const attesters = checkAttestations(parsed, trust, identifier(trust, time));
  return {
    transactionId: envelope.transactionId,
    block: statement.block,
    function: envelope.function,
    args: envelope.args,
    payload: envelope.result,
    timestamp: envelope.timestamp,
    creator,
    writes: readWrites(envelope.readWriteSet),
    trustRootVersion: trust.version,
    attestedBy: [...new Set(attesters.map((attester) => attester.mspId))],
  };
}

/**
 * The versions by which a transaction itself is judged: those in force at its own time, so that what was rightly endorsed
 * stays so when roots and policies change. Whether it was committed, the attesters say, under the version they name.
 */
function inForceWhenMade(
  { timestamp }: Envelope,
  attested: NetworkTrust,
  trusts: readonly NetworkTrust[],
): readonly NetworkTrust[] {
  const then = trusts.filter(
    ({ network, channel, chaincode, validFrom, validUntil = Number.POSITIVE_INFINITY }) =>
      network === attested.network &&
      channel === attested.channel &&
      chaincode === attested.chaincode &&
      validFrom <= timestamp &&
      timestamp <= validUntil,
  );
  return then.length === 0 ? [attested] : then.toSorted((one, other) => other.version - one.version);
}

/** Checks creator and endorsements by the first of these versions by which they hold. Throws what the newest one says. */
function checkTransaction(envelope: Envelope, trusts: readonly NetworkTrust[]): Identity {
  let failure: unknown;
  for (const trust of trusts) {
    try {
      const identify = identifier(trust, envelope.timestamp);
      const creator = identify(readSerializedIdentity(envelope.creator).mspId, envelope.creator);
      if (!creator.verify(envelope.payload, envelope.signature)) {
        throw new VerifyError('CREATOR_INVALID', `Envelope is not signed by its creator of ${creator.mspId}`);
      }
      checkEndorsements(envelope, trust, identify);
      return creator;
    } catch (error) {
      failure ??= error;
    }
  }
  throw failure;
}

function identifier(trust: NetworkTrust, at: number): Identify {
  return (mspId, credential) => mspOf(trust, mspId).identify(credential, at);
}

type Identify = (mspId: string, credential: string | Uint8Array) => Identity;

/** All attesters must state the same; their statement names the trust version. */
function selectTrust(
  proof: ParsedProof,
  trusts: readonly NetworkTrust[],
): { statement: Statement; trust: NetworkTrust } {
  const [first] = proof.attestations;
  if (!first) throw new VerifyError('ATTESTATION_POLICY', 'Proof has no attestation');
  const { statement } = first;
  const bytes = attestationBytes(statement);
  const other = proof.attestations.find((attestation) => !equalBytes(attestationBytes(attestation.statement), bytes));
  if (other) throw new VerifyError('ATTESTATION_INVALID', `Attester of ${other.mspId} states something else`);
  const ofNetwork = trusts.filter((trust) => trust.network === proof.network);
  if (ofNetwork.length === 0 || statement.network !== proof.network) {
    throw new VerifyError('NETWORK_MISMATCH', 'Proof is of another network');
  }
  const trust = ofNetwork.find((candidate) => candidate.version === statement.trustRootVersion);
  if (!trust) throw new VerifyError('TRUST_VERSION_UNKNOWN', `Version ${statement.trustRootVersion} is not accepted`);
  return { statement, trust };
}

function checkStatement(statement: Statement, envelope: Envelope, bytes: Uint8Array, trust: NetworkTrust): void {
  if (envelope.channel !== trust.channel || statement.channel !== trust.channel) {
    throw new VerifyError('CHANNEL_MISMATCH', 'Transaction is on another channel');
  }
  if (envelope.chaincode !== trust.chaincode) {
    throw new VerifyError('CHAINCODE_MISMATCH', 'Transaction is of another chaincode');
  }
  if (statement.transaction !== envelope.transactionId) {
    throw new VerifyError('ATTESTATION_INVALID', 'Attesters name another transaction');
  }
  if (!equalBytes(fromBase64url(statement.envelopeHash) ?? new Uint8Array(), sha256(bytes))) {
    throw new VerifyError('ATTESTATION_INVALID', 'Attesters saw another envelope');
  }
  if (statement.validationCode !== VALID) {
    throw new VerifyError('NOT_COMMITTED_VALID', `Transaction was committed with code ${statement.validationCode}`);
  }
}

function checkExpectation(envelope: Envelope, expect: Expectation): void {
  const { chaincode = envelope.chaincode, version = envelope.chaincodeVersion } = expect;
  if (envelope.chaincode !== chaincode || envelope.chaincodeVersion !== version) {
    throw new VerifyError('CHAINCODE_MISMATCH', 'Transaction is of another chaincode or version');
  }
  if (expect.function !== undefined && expect.function !== envelope.function) {
    throw new VerifyError('FUNCTION_MISMATCH', `Transaction called ${JSON.stringify(envelope.function)}`);
  }
  if (expect.transactionId !== undefined && expect.transactionId !== envelope.transactionId) {
    throw new VerifyError('TRANSACTION_MISMATCH', 'Proof is of another transaction');
  }
  const args = expect.args?.map((arg) => (typeof arg === 'string' ? encodeUtf8(arg) : arg));
  if (
    args &&
    !(args.length === envelope.args.length && args.every((arg, i) => equalBytes(arg, envelope.args[i] ?? arg)))
  ) {
    throw new VerifyError('ARGUMENTS_MISMATCH', 'Transaction was called with other arguments');
  }
}

/** Whoever is of no organisation of the trust roots does not count: an organisation that comes endorses before it is trusted. */
function checkEndorsements(envelope: Envelope, trust: NetworkTrust, identify: Identify): void {
  const known = new Set(trust.organisations.map(({ mspId }) => mspId));
  const counted = envelope.endorsements.filter(({ endorser }) => known.has(readSerializedIdentity(endorser).mspId));
  const endorsers = counted.map(({ endorser, message, signature }) => {
    const identity = identify(readSerializedIdentity(endorser).mspId, endorser);
    if (!identity.verify(message, signature)) {
      throw new VerifyError('ENDORSEMENT_INVALID', `Endorsement of ${identity.mspId} is not signed by its peer`);
    }
    return identity;
  });
  const peers = endorsers.filter((identity) => identity.roles.has('peer'));
  if (!satisfies(parsePolicy(trust.endorsement), distinct(peers))) {
    throw new VerifyError('ENDORSEMENT_POLICY', 'Endorsements do not satisfy the policy');
  }
}

function checkAttestations(proof: ParsedProof, trust: NetworkTrust, identify: Identify): readonly Identity[] {
  const attesters = proof.attestations.map(({ statement, mspId, certificate, signature }) => {
    const identity = identify(mspId, certificate);
    if (!identity.verify(attestationBytes(statement), signature)) {
      throw new VerifyError('ATTESTATION_INVALID', `Attestation of ${mspId} is not signed by its certificate`);
    }
    return identity;
  });
  const required = Object.entries(trust.attesters ?? {});
  const entitled = attesters.filter((identity) =>
    required.every(([name, value]) => identity.attributes[name] === value),
  );
  if (!satisfies(parsePolicy(trust.attestation), distinct(entitled))) {
    throw new VerifyError('ATTESTATION_POLICY', 'Attestations do not satisfy the policy');
  }
  return entitled;
}

/** One identity per key: a second certificate for a key is no second signer. */
function distinct(identities: readonly Identity[]): readonly Identity[] {
  return [
    ...new Map(identities.map((identity) => [`${identity.mspId} ${identity.publicKey.join()}`, identity])).values(),
  ];
}

function mspOf(trust: NetworkTrust, mspId: string): Msp {
  const organisation = trust.organisations.find((candidate) => candidate.mspId === mspId);
  if (!organisation) throw new VerifyError('CERTIFICATE_UNTRUSTED', `Signer is of no organisation of ${trust.network}`);
  const key = JSON.stringify(organisation);
  const known = msps.get(key);
  if (known) return known;
  const msp = createMsp(organisation);
  if (msps.size >= MAX_CACHED) msps.clear();
  msps.set(key, msp);
  return msp;
}
