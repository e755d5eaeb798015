import { execFileSync } from 'node:child_process';
import { createPublicKey, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { attest } from '../src/attest.ts';
import { restoreAuthority } from '../src/ca.ts';
import { Fields } from '../src/fields.ts';
import {
  type Attestation,
  assembleProof,
  type Expectation,
  type NetworkTrust,
  type OutcomeProof,
  VerifyError,
  type VerifyErrorCode,
  verifyOutcome,
} from '../src/verify.ts';
import {
  authority,
  CLIENT,
  type Draft,
  draftEnvelope,
  draftProof,
  member,
  NOW,
  PEERS,
  sha256,
  signAs,
  TRUST,
  WITNESSES,
} from './fixture/network.ts';

const DAY_MS = 86_400_000;
/** Order of P-256. */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

function codeOf(
  proof: unknown,
  { trusts = [TRUST], expected = {}, at = NOW }: { trusts?: NetworkTrust[]; expected?: Expectation; at?: number } = {},
): VerifyErrorCode | 'accepted' {
  try {
    verifyOutcome(proof as OutcomeProof, trusts, expected, at);
    return 'accepted';
  } catch (error) {
    if (error instanceof VerifyError) return error.code;
    throw error;
  }
}

describe('an honest proof', () => {
  it('tells what the transaction did', () => {
    const proof = draftProof({ args: ['Region:decide', 'request-1', 'grant-1'] });
    const outcome = verifyOutcome(proof, [TRUST], {
      chaincode: 'region',
      version: '1.0',
      function: 'Region:decide',
      args: ['request-1', Buffer.from('grant-1')],
    });
    expect(outcome).toMatchObject({ block: 12, function: 'Region:decide', timestamp: NOW, trustRootVersion: 7 });
    expect(outcome.transactionId).toBe(proof.attestations[0]?.statement.transaction);
    expect(outcome.args.map((arg) => Buffer.from(arg).toString())).toEqual(['request-1', 'grant-1']);
    expect(Buffer.from(outcome.payload).toString()).toBe('released');
    expect(outcome.creator).toMatchObject({ mspId: 'CMSP', certificate: CLIENT.certificate });
    expect(outcome.attestedBy).toEqual(['AMSP', 'BMSP']);
    expect(outcome.writes).toEqual([
      { namespace: 'region', key: 'outcome:request-1', value: new Uint8Array(Buffer.from('{"state":"released"}')) },
      { namespace: 'region', key: 'pending:request-1', value: null },
    ]);
  });

  it('survives a journey through JSON', () => {
    expect(codeOf(JSON.parse(JSON.stringify(draftProof())))).toBe('accepted');
  });

  it('may be endorsed by a stranger besides, as by an organisation that is about to come', () => {
    expect(codeOf(draftProof({ endorsers: [PEERS.a, PEERS.b, { ...PEERS.c, mspId: 'XMSP' }] }))).toBe('accepted');
  });

  it('keeps what was rightly endorsed at its time, when policies and roots have changed and certificates ended since', () => {
    const then = { ...TRUST, validUntil: NOW + DAY_MS / 2 };
    const now: NetworkTrust = {
      ...TRUST,
      version: 8,
      endorsement: "OutOf(3, 'AMSP.peer', 'BMSP.peer', 'CMSP.peer')",
      validFrom: NOW + 1,
      validUntil: NOW + 30 * DAY_MS,
    };
    const later = NOW + 20 * DAY_MS;
    const witnesses = ['AMSP', 'BMSP'].map((mspId) =>
      member(mspId, 'client', { role: 'attester' }, { notBefore: NOW + DAY_MS, notAfter: later + DAY_MS }),
    );
    const proof = draftProof({}, { trustRootVersion: 8 }, witnesses);
    const at = later;
    expect(codeOf(proof, { trusts: [now, then], at })).toBe('accepted');
    expect(codeOf(proof, { trusts: [then, now], at })).toBe('accepted');
    expect(codeOf(proof, { trusts: [now], at })).toBe('ENDORSEMENT_POLICY');
    expect(codeOf(proof, { trusts: [{ ...now, validFrom: NOW }], at })).toBe('ENDORSEMENT_POLICY');
    // Who was trusted then attests nothing now.
    expect(codeOf(draftProof(), { trusts: [now, then], at })).toBe('TRUST_VERSION_EXPIRED');
    for (const other of [{ network: 'south' }, { channel: 'others' }, { chaincode: 'others' }, { validUntil: NOW - 1 }])
      expect(codeOf(proof, { trusts: [now, { ...then, ...other }], at })).toBe('ENDORSEMENT_POLICY');
  });

  it('is judged by the version of the trust roots its attesters name, while versions overlap', () => {
    const older = { ...TRUST, version: 6, organisations: [] };
    expect(codeOf(draftProof(), { trusts: [older, TRUST] })).toBe('accepted');
    expect(codeOf(draftProof({}, { trustRootVersion: 6 }), { trusts: [older, TRUST] })).toBe('CERTIFICATE_UNTRUSTED');
  });

  it('stays verifiable at its own time when certificates and trust version are long over', () => {
    const proof = draftProof();
    expect(verifyOutcome(proof, [TRUST]).block).toBe(12);
    expect(codeOf(proof, { at: NOW + 2 * DAY_MS })).toBe('TRUST_VERSION_EXPIRED');
    expect(codeOf(proof, { at: Number.NaN })).toBe('TRUST_VERSION_EXPIRED');
  });
});

describe('a proof is refused', () => {
  const drafts: [string, Draft, VerifyErrorCode][] = [
    ['when it is on another channel', { channel: 'main' }, 'CHANNEL_MISMATCH'],
    ['when it is of another chaincode', { chaincode: 'other' }, 'CHAINCODE_MISMATCH'],
    ['when only its header names another chaincode', { headerChaincode: 'other' }, 'CHAINCODE_MISMATCH'],
    ['when only its result names another chaincode', { actionChaincode: 'other' }, 'CHAINCODE_MISMATCH'],
    ['when it is no endorser transaction', { type: 1 }, 'PROOF_MALFORMED'],
    ['when it has two actions', { actions: 2 }, 'PROOF_MALFORMED'],
    ['when it has no action', { actions: 0 }, 'PROOF_MALFORMED'],
    ['when its action is by another signer', { actionHeader: Buffer.from('x') }, 'PROOF_MALFORMED'],
    ['when it carries transient data', { transient: true }, 'PROOF_MALFORMED'],
    ['when it calls no function', { args: [] }, 'PROOF_MALFORMED'],
    ['when its transaction id is invented', { transactionId: 'ab'.repeat(32) }, 'TRANSACTION_MISMATCH'],
    [
      'when the endorsed result belongs to another proposal',
      { proposalHash: randomBytes(32) },
      'PROPOSAL_HASH_MISMATCH',
    ],
    ['when the contract failed', { status: 500 }, 'STATUS_NOT_OK'],
    ['when another key signed the envelope', { creatorKey: PEERS.c.privateKey }, 'CREATOR_INVALID'],
    ['when one organisation endorsed', { endorsers: [PEERS.a] }, 'ENDORSEMENT_POLICY'],
    ['when one peer endorsed twice', { endorsers: [PEERS.a, PEERS.a] }, 'ENDORSEMENT_POLICY'],
    ['when a client endorsed', { endorsers: [PEERS.a, member('BMSP', 'client')] }, 'ENDORSEMENT_POLICY'],
    ['when an endorsement is by another key', { endorse: (m) => signAs(m, PEERS.a) }, 'ENDORSEMENT_INVALID'],
    ['when an endorsement is of other bytes', { endorse: (_, e) => signAs(randomBytes(9), e) }, 'ENDORSEMENT_INVALID'],
    ['when an endorsement has the high S', { endorse: (m, e) => highS(signAs(m, e)) }, 'ENDORSEMENT_INVALID'],
    [
      'when an endorser was certified for another organisation',
      { endorsers: [PEERS.a, { ...PEERS.c, mspId: 'BMSP' }] },
      'CERTIFICATE_UNTRUSTED',
    ],
    [
      'when an endorser that is needed is of no organisation',
      { endorsers: [PEERS.a, { ...PEERS.b, mspId: 'XMSP' }] },
      'ENDORSEMENT_POLICY',
    ],
    [
      'when an endorser has expired',
      { endorsers: [PEERS.a, member('BMSP', 'peer', undefined, { notAfter: NOW - 1000 })] },
      'CERTIFICATE_EXPIRED',
    ],
    [
      'when the creator is not yet valid',
      { creator: member('CMSP', 'client', undefined, { notBefore: NOW + 1000 }) },
      'CERTIFICATE_EXPIRED',
    ],
    [
      'when an endorser is no certificate',
      { endorsers: [PEERS.a, { ...PEERS.b, certificate: 'x' }] },
      'CERTIFICATE_INVALID',
    ],
  ];
  it.each(drafts)('%s', (_title, draft, code) => {
    expect(codeOf(draftProof(draft))).toBe(code);
  });

  it('when a second certificate for one key endorsed', () => {
    const publicKey = createPublicKey(PEERS.a.privateKey).export({ format: 'pem', type: 'spki' }).toString();
    const again = authority('AMSP').issue({ commonName: 'twin', role: 'peer', publicKey, notBefore: NOW - 1 });
    const twin = { mspId: 'AMSP', certificate: again.certificate, privateKey: PEERS.a.privateKey };
    const trust = { ...TRUST, endorsement: "OutOf(2, 'AMSP.peer', 'AMSP.peer')" };
    expect(codeOf(draftProof({ endorsers: [PEERS.a, twin] }), { trusts: [trust] })).toBe('ENDORSEMENT_POLICY');
    const second = member('AMSP', 'peer');
    expect(codeOf(draftProof({ endorsers: [PEERS.a, second] }), { trusts: [trust] })).toBe('accepted');
  });

  it('when only clients endorsed, whatever the policy says of members', () => {
    const endorsers = [PEERS.a, member('BMSP', 'client')];
    const trust = { ...TRUST, endorsement: "AND('AMSP.member','BMSP.member')" };
    expect(codeOf(draftProof({ endorsers }), { trusts: [trust] })).toBe('ENDORSEMENT_POLICY');
    expect(codeOf(draftProof(), { trusts: [trust] })).toBe('accepted');
  });

  it('when it repeats a field that Fabric would read twice', () => {
    const repeat = (bytes: Uint8Array) => new Fields('X', bytes, { 1: 'bytes', 2: 'bytes*', 3: 'varint' });
    expect(repeat(Buffer.from('0a016112016212016318ff01', 'hex')).repeated(2)).toHaveLength(2);
    for (const hex of ['0a01610a0162', '18011801', '0801', '1a0161', '220161', '0a0261', '0a', '08']) {
      expect(() => repeat(Buffer.from(hex, 'hex')), hex).toThrow(VerifyError);
    }
  });

  it('when attesters state something the envelope does not say', () => {
    expect(codeOf(draftProof({}, { transaction: 'ab'.repeat(32) }))).toBe('ATTESTATION_INVALID');
    expect(codeOf(draftProof({}, { envelopeHash: sha256(Buffer.of(1)).toString('base64url') }))).toBe(
      'ATTESTATION_INVALID',
    );
    expect(codeOf(draftProof({}, { envelopeHash: '!' }))).toBe('ATTESTATION_INVALID');
    expect(codeOf(draftProof({}, { channel: 'main' }))).toBe('CHANNEL_MISMATCH');
    expect(codeOf(draftProof({}, { network: 'south' }))).toBe('NETWORK_MISMATCH');
    expect(codeOf({ ...draftProof(), network: 'south' })).toBe('NETWORK_MISMATCH');
    expect(codeOf({ ...draftProof({}, { network: 'south' }), network: 'north' })).toBe('NETWORK_MISMATCH');
  });

  it('when it was committed invalid', () => {
    expect(codeOf(draftProof({}, { validationCode: 11 }))).toBe('NOT_COMMITTED_VALID');
  });

  it('when attesters contradict each other', () => {
    const { envelope, transactionId } = draftEnvelope();
    const statement = {
      network: 'north',
      channel: 'records',
      transaction: transactionId,
      envelopeHash: sha256(envelope).toString('base64url'),
      validationCode: 0,
      trustRootVersion: 7,
    };
    const attestations = [
      attest({ ...statement, block: 1 }, WITNESSES.a, WITNESSES.a.privateKey),
      attest({ ...statement, block: 2 }, WITNESSES.b, WITNESSES.b.privateKey),
    ];
    expect(codeOf(assembleProof(envelope, attestations))).toBe('ATTESTATION_INVALID');
  });

  it('when an attestation is signed by another key, or of another organisation', () => {
    const proof = draftProof();
    const [first, second] = proof.attestations as [Attestation, Attestation];
    const swapped = { ...first, signature: second.signature };
    expect(codeOf({ ...proof, attestations: [swapped, second] })).toBe('ATTESTATION_INVALID');
    expect(codeOf({ ...proof, attestations: [{ ...first, mspId: 'CMSP' }, second] })).toBe('CERTIFICATE_UNTRUSTED');
  });

  it('when too few may attest', () => {
    expect(codeOf(draftProof({}, {}, [WITNESSES.a]))).toBe('ATTESTATION_POLICY');
    expect(codeOf(draftProof({}, {}, [WITNESSES.a, WITNESSES.a]))).toBe('ATTESTATION_POLICY');
    expect(codeOf({ ...draftProof(), attestations: [] })).toBe('ATTESTATION_POLICY');
    expect(codeOf(draftProof({}, {}, [WITNESSES.a, PEERS.b]))).toBe('ATTESTATION_POLICY');
  });

  it('when a member without the attributes of an attester attests', () => {
    const proof = draftProof({}, {}, [WITNESSES.a, CLIENT]);
    expect(codeOf(proof)).toBe('ATTESTATION_POLICY');
    const { attesters: _, ...open } = TRUST;
    expect(codeOf(proof, { trusts: [open] })).toBe('accepted');
  });

  it('when its trust version is unknown, not yet or no longer in force', () => {
    expect(codeOf(draftProof({}, { trustRootVersion: 8 }))).toBe('TRUST_VERSION_UNKNOWN');
    expect(codeOf(draftProof(), { trusts: [{ ...TRUST, validUntil: NOW - 1 }] })).toBe('TRUST_VERSION_EXPIRED');
    expect(codeOf(draftProof(), { trusts: [{ ...TRUST, validFrom: NOW + 1 }] })).toBe('TRUST_VERSION_EXPIRED');
  });

  it('when a signer is revoked', () => {
    const lists = [WITNESSES.a, PEERS.b, CLIENT].map(({ mspId, certificate }) => {
      const ca = restoreAuthority(authority(mspId).record());
      ca.revoke(certificate);
      return { mspId, crl: ca.crl() };
    });
    const proof = draftProof();
    for (const { mspId, crl } of lists) {
      const organisations = TRUST.organisations.map((org) => (org.mspId === mspId ? { ...org, crls: [crl] } : org));
      expect(codeOf(proof, { trusts: [{ ...TRUST, organisations }] })).toBe('CERTIFICATE_REVOKED');
    }
  });

  it('when it is not what the verifier expects', () => {
    const proof = draftProof();
    expect(codeOf(proof, { expected: { chaincode: 'other' } })).toBe('CHAINCODE_MISMATCH');
    expect(codeOf(proof, { expected: { version: '2.0' } })).toBe('CHAINCODE_MISMATCH');
    expect(codeOf(proof, { expected: { function: 'ask' } })).toBe('FUNCTION_MISMATCH');
    expect(codeOf(proof, { expected: { transactionId: 'ab'.repeat(32) } })).toBe('TRANSACTION_MISMATCH');
    for (const args of [[], ['request-2'], ['request-1', '']]) {
      expect(codeOf(proof, { expected: { args } })).toBe('ARGUMENTS_MISMATCH');
    }
  });

  it('when the trust itself cannot be used', () => {
    const organisations = TRUST.organisations.map((organisation) => ({ ...organisation, roots: ['x'] }));
    expect(codeOf(draftProof(), { trusts: [{ ...TRUST, organisations }] })).toBe('TRUST_INVALID');
    expect(codeOf(draftProof(), { trusts: [{ ...TRUST, endorsement: 'AMSP' }] })).toBe('POLICY_INVALID');
  });

  it('when its JSON has another shape', () => {
    const proof = draftProof();
    const [first] = proof.attestations as [Attestation];
    const shapes: unknown[] = [
      null,
      [],
      'proof',
      {},
      { ...proof, extra: 1 },
      { ...proof, network: '' },
      { ...proof, network: 7 },
      { ...proof, envelope: `${proof.envelope}=` },
      { ...proof, envelope: 'A' },
      { ...proof, attestations: {} },
      { ...proof, attestations: Array.from({ length: 65 }, () => first) },
      { ...proof, attestations: [{ ...first, note: '' }] },
      { ...proof, attestations: [{ ...first, statement: { ...first.statement, block: -1 } }] },
      { ...proof, attestations: [{ ...first, statement: { ...first.statement, block: 1.5 } }] },
      { ...proof, attestations: [{ ...first, statement: { ...first.statement, extra: 1 } }] },
      { ...proof, attestations: [{ ...first, statement: { ...first.statement, network: '\ud800' } }] },
    ];
    expect(shapes.map((shape) => codeOf(shape))).toEqual(shapes.map(() => 'PROOF_MALFORMED'));
  });
});

describe('in a browser', () => {
  /** Runs `verifyOutcome` with the modules a browser gets. */
  function verifyInBrowser(proof: OutcomeProof): string {
    const source = `import { verifyOutcome } from ${JSON.stringify(new URL('../src/verify.ts', import.meta.url).href)};
      try { console.log(verifyOutcome(${JSON.stringify(proof)}, [${JSON.stringify(TRUST)}]).block); }
      catch (error) { console.log(error.code); }`;
    const options = ['--conditions=browser', '--input-type=module', '--eval', source];
    return execFileSync(process.execPath, options, { encoding: 'utf8' }).trim();
  }

  it('the verdict is the same', () => {
    expect(verifyInBrowser(draftProof())).toBe('12');
    expect(verifyInBrowser(draftProof({ creatorKey: PEERS.c.privateKey }))).toBe('CREATOR_INVALID');
  });
});

describe('with one byte changed', () => {
  const proof = draftProof();

  it('no envelope verifies', () => {
    const bytes = Buffer.from(proof.envelope, 'base64url');
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (index, mask) => {
        const changed = Buffer.from(bytes);
        changed.writeUInt8(changed.readUInt8(index) ^ mask, index);
        expect(codeOf({ ...proof, envelope: changed.toString('base64url') })).not.toBe('accepted');
      }),
      { numRuns: 150 },
    );
  });

  it('no envelope verifies even when the attesters vouch for the change', () => {
    const bytes = Buffer.from(proof.envelope, 'base64url');
    const [
      {
        statement: { transaction },
      },
    ] = proof.attestations as [Attestation];
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (index, mask) => {
        const changed = Buffer.from(bytes);
        changed.writeUInt8(changed.readUInt8(index) ^ mask, index);
        const envelopeHash = sha256(changed).toString('base64url');
        const vouched = draftProof({}, { transaction, envelopeHash });
        expect(codeOf({ ...vouched, envelope: changed.toString('base64url') })).not.toBe('accepted');
      }),
      { numRuns: 150 },
    );
  });

  it('no proof verifies, whatever text of it changed', () => {
    const json = JSON.stringify({ ...proof, envelope: '' }).replace('"envelope":""', '"envelope":"@"');
    fc.assert(
      fc.property(fc.nat(json.length - 1), fc.integer({ min: 32, max: 126 }), (index, charCode) => {
        const character = String.fromCharCode(charCode);
        fc.pre(json[index] !== character && json[index] !== '@' && character !== '@');
        const changed = `${json.slice(0, index)}${character}${json.slice(index + 1)}`.replace('@', proof.envelope);
        const parsed = parse(changed);
        fc.pre(parsed !== undefined);
        expect(codeOf(parsed)).not.toBe('accepted');
      }),
      { numRuns: 300 },
    );
  });
});

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function highS(der: Uint8Array): Uint8Array {
  const rLength = Buffer.from(der).readUInt8(3);
  const s = BigInt(`0x${Buffer.from(der.subarray(6 + rLength)).toString('hex')}`);
  const high = Buffer.from((ORDER - s).toString(16).padStart(64, '0'), 'hex');
  const body = Buffer.concat([der.subarray(2, 4 + rLength), Buffer.of(2, 33, 0), high]);
  return Buffer.concat([Buffer.of(0x30, body.length), body]);
}
