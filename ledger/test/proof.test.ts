import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAuthority } from '../src/ca.ts';
import { type Context, Contract, getJson, putJson, refuse, submitter, transactionTime } from '../src/contract.ts';
import { type EmbeddedNode, openEmbedded } from '../src/embedded/index.ts';
import {
  type Attester,
  type Connection,
  connect,
  createAttester,
  evaluate,
  LedgerError,
  submit,
} from '../src/index.ts';
import { assembleProof, type NetworkTrust, VerifyError, verifyOutcome } from '../src/verify.ts';

interface Outcome {
  readonly by: string;
  readonly role: string | undefined;
  readonly at: number;
}

class Region extends Contract {
  async decide(ctx: Context, request: string): Promise<string> {
    if (await getJson<Outcome>(ctx, request)) refuse('DECIDED', 'this request has its outcome');
    const { mspId, attributes } = submitter(ctx);
    const outcome: Outcome = { by: mspId, role: attributes['role'], at: transactionTime(ctx) };
    await putJson(ctx, request, outcome);
    return JSON.stringify(outcome);
  }

  async count(ctx: Context): Promise<string> {
    const value = ((await getJson<number>(ctx, 'count')) ?? 0) + 1;
    await putJson(ctx, 'count', value);
    return String(value);
  }

  late(ctx: Context): string {
    return String(transactionTime(ctx, () => Date.now() - 61_000));
  }
}

const authorities = ['AMSP', 'BMSP', 'CMSP'].map((mspId) => createAuthority({ mspId, organisation: 'embedded' }));
const organisations = authorities.map((ca) => ({ mspId: ca.mspId, roots: [ca.rootPem] }));
const [a, b, c] = authorities as [(typeof authorities)[0], (typeof authorities)[0], (typeof authorities)[0]];
const endorsement = "OutOf(2, 'AMSP.peer', 'BMSP.peer', 'CMSP.peer')";
const trust: NetworkTrust = {
  network: 'north',
  channel: 'records',
  chaincode: 'region',
  version: 1,
  endorsement,
  attestation: "OutOf(2, 'AMSP.client', 'BMSP.client', 'CMSP.client')",
  attesters: { role: 'attester' },
  organisations,
  validFrom: Date.now() - 3_600_000,
};

describe('on the embedded network', () => {
  let node: EmbeddedNode;
  let connection: Connection;
  let attesters: Attester[];

  beforeAll(async () => {
    node = await openEmbedded(
      {
        network: 'north',
        channel: 'records',
        organisations: authorities.map((ca, i) => ({
          mspId: ca.mspId,
          roots: [ca.rootPem],
          peer: ca.issue({ commonName: `peer${i}`, role: 'peer' }),
        })),
        orderer: { mspId: 'AMSP', ...a.issue({ commonName: 'orderer', role: 'orderer' }) },
        chaincodes: [{ name: 'region', version: '1.0', endorsement, contracts: [Region] }],
      },
      { folder: ':memory:' },
    );
    const relay = c.issue({ commonName: 'relay', role: 'client', attributes: { role: 'relay' } });
    connection = connect({
      client: node.client(),
      identity: { mspId: 'CMSP', ...relay },
      privateKey: relay.privateKey,
    });
    attesters = [a, b].map((ca) => {
      const own = ca.issue({ commonName: 'attester', role: 'client', attributes: { role: 'attester' } });
      const identity = { mspId: ca.mspId, certificate: own.certificate };
      const view = connect({ client: node.client(), identity, privateKey: own.privateKey });
      const options = { network: 'north', channel: 'records' };
      return createAttester({ connection: view, ...identity, privateKey: own.privateKey, ...options });
    });
  });
  afterAll(async () => {
    connection.close();
    await node.close();
  });

  it('a committed transaction is proven to whoever holds the trust roots', async () => {
    const contract = connection.contract('records', 'region');
    const attested: ReturnType<Attester['attest']>[] = [];
    const committed = await submit(contract, 'decide', ['request-1'], {
      onOrdered: ({ transactionId }) =>
        void attested.push(...attesters.map((attester) => attester.attest(transactionId, 1))),
    });
    const results = await Promise.all(attested);
    const proof = assembleProof(
      results[0]?.envelope ?? new Uint8Array(),
      results.map((result) => result.attestation),
    );
    const outcome = verifyOutcome(
      JSON.parse(JSON.stringify(proof)) as typeof proof,
      [trust],
      { function: 'decide', args: ['request-1'], version: '1.0', transactionId: committed.transactionId },
      Date.now(),
    );
    expect(outcome.block).toBe(committed.blockNumber);
    expect(Buffer.from(outcome.payload)).toEqual(Buffer.from(committed.result));
    const value = { at: outcome.timestamp, by: 'CMSP', role: 'relay' };
    expect(JSON.parse(Buffer.from(outcome.payload).toString())).toEqual(value);
    expect(outcome.writes.map(({ key, value: bytes }) => [key, Buffer.from(bytes ?? []).toString()])).toEqual([
      ['request-1', JSON.stringify(value)],
    ]);
    expect(outcome.creator.attributes['role']).toBe('relay');
    const strangers = organisations.map(({ mspId }) => ({ mspId, roots: [createAuthority({ mspId }).rootPem] }));
    expect(() => verifyOutcome(proof, [{ ...trust, organisations: strangers }])).toThrow(VerifyError);
  });

  it('the code with which a contract refuses reaches the caller', async () => {
    const contract = connection.contract('records', 'region');
    await submit(contract, 'decide', ['request-2']);
    const refused = submit(contract, 'decide', ['request-2']);
    await expect(refused).rejects.toMatchObject({ code: 'CONTRACT', contractCode: 'DECIDED', stage: 'endorse' });
    const late = evaluate(contract, 'late', []);
    await expect(late).rejects.toMatchObject({ code: 'CONTRACT', contractCode: 'CLOCK_SKEW', stage: 'evaluate' });
  });

  it('transactions in each other’s way all succeed in the end, each once', async () => {
    const contract = connection.contract('records', 'region');
    const results = await Promise.all(Array.from({ length: 4 }, () => submit(contract, 'count', [], { retries: 8 })));
    expect(results.map(({ result }) => Buffer.from(result).toString()).toSorted()).toEqual(['1', '2', '3', '4']);
  });

  it('nothing is attested that was never committed', async () => {
    const [attester] = attesters;
    const pending = attester?.attest('ab'.repeat(32), 1, { signal: AbortSignal.timeout(50) });
    await expect(pending).rejects.toMatchObject({ name: 'TimeoutError' });
    const own = a.issue({ commonName: 'attester', role: 'client', attributes: { role: 'attester' } });
    const identity = { mspId: 'AMSP', certificate: own.certificate };
    const view = connect({ client: node.client(), identity, privateKey: own.privateKey });
    const options = { network: 'north', channel: 'records', waitMs: 30 };
    const impatient = createAttester({ connection: view, ...identity, privateKey: own.privateKey, ...options });
    const late: unknown = await impatient.attest('cd'.repeat(32), 1).catch((error: unknown) => error);
    expect(late).toBeInstanceOf(LedgerError);
    expect(late).toMatchObject({ code: 'DEADLINE', stage: 'commit' });
  });
});
