import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { Client, credentials } from '@grpc/grpc-js';
import {
  type Contract as ClientContract,
  EndorseError,
  GatewayError,
  type GrpcClient,
} from '@hyperledger/fabric-gateway';
import { peer } from '@hyperledger/fabric-protos';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { findTransaction } from '../src/block.ts';
import { type Credential, createAuthority } from '../src/ca.ts';
import { connect } from '../src/connect.ts';
import { type EmbeddedConfig, type EmbeddedOptions, openEmbedded } from '../src/embedded/index.ts';
import { readEnvelope, readWrites } from '../src/envelope.ts';
import { type Context, Contract } from '../src/fabric.ts';
import { authority, CHANNEL, clientOf, configOf, gatewayOf, memberOf, POLICIES } from './fixture/embedded.ts';

const { TxValidationCode: Code } = peer;

/** What a held contract waits for; each test opens its own. */
let gate = Promise.withResolvers<void>();
let entered = Promise.withResolvers<void>();
const late: Promise<unknown>[] = [];

class Probe extends Contract {
  async put({ stub }: Context, key: string, value: string) {
    await stub.putState(key, Buffer.from(value));
  }

  async get({ stub }: Context, key: string) {
    return Buffer.from(await stub.getState(key)).toString();
  }

  async append({ stub }: Context, key: string) {
    await stub.putState(key, Buffer.concat([await stub.getState(key), Buffer.from('x')]));
  }

  async countInto({ stub }: Context, start: string, end: string, key: string) {
    let count = 0;
    for await (const _ of stub.getStateByRange(start, end) as AsyncIterable<unknown>) count += 1;
    await stub.putState(key, Buffer.from(String(count)));
  }

  async fill({ stub }: Context, prefix: string, count: string) {
    for (let i = 0; i < Number(count); i += 1) {
      await stub.putState(`${prefix}${String(i).padStart(3, '0')}`, Buffer.from('v'));
    }
  }

  async firstInto({ stub }: Context, start: string, end: string, key: string) {
    for await (const row of stub.getStateByRange(start, end) as AsyncIterable<{ key: string }>) {
      await stub.putState(key, Buffer.from(row.key));
      break;
    }
  }

  /** Reads one key, waits for the gate, reads another. */
  async heldPair({ stub }: Context, first: string, second: string) {
    const a = Buffer.from(await stub.getState(first)).toString();
    entered.resolve();
    await gate.promise;
    return [a, Buffer.from(await stub.getState(second)).toString()];
  }

  async never({ stub }: Context) {
    late.push(gate.promise.then(() => stub.putState('late', Buffer.from('v'))));
    entered.resolve();
    await new Promise(() => undefined);
  }

  async throwNothing() {
    throw undefined as unknown as Error;
  }

  async peerOrganisation({ stub }: Context) {
    return stub.getMspID();
  }

  async failLong() {
    throw new Error(`LONG: ${'医'.repeat(400_000)}`);
  }

  async bytes(_context: Context, length: string) {
    return 'x'.repeat(Number(length));
  }

  async privateData({ stub }: Context) {
    await stub.putPrivateData('collection', 'key', Buffer.from('v'));
  }

  async readPrivateData({ stub }: Context) {
    await stub.getPrivateData('collection', 'key');
  }

  async keyPolicy({ stub }: Context) {
    await stub.setStateValidationParameter('key', new Uint8Array(1));
  }

  async otherChannel({ stub }: Context) {
    await stub.invokeChaincode('any', ['get', 'a'], 'otherchannel');
  }

  async callItself({ stub }: Context, chaincode: string) {
    await stub.invokeChaincode(chaincode, ['get', 'a'], '');
  }

  async emptyKey({ stub }: Context) {
    await stub.putState('', Buffer.from('v'));
  }

  async brokenKey({ stub }: Context) {
    await stub.putState('\ud800', Buffer.from('v'));
  }
}

const member = clientOf('AMSP');
const chaincodes = Object.entries(POLICIES).map(([name, endorsement]) => ({
  name,
  version: '1',
  endorsement,
  contracts: [Probe],
}));
const config = configOf(chaincodes);

async function openNode(options: Partial<EmbeddedOptions> = {}, change: Partial<EmbeddedConfig> = {}) {
  gate = Promise.withResolvers();
  entered = Promise.withResolvers();
  const node = await openEmbedded({ ...config, ...change }, { folder: ':memory:', ...options });
  onTestFinished(() => node.close());
  return node;
}

function contractOf(client: GrpcClient, chaincode = 'any', as = member): ClientContract {
  return gatewayOf(client, as).getNetwork(CHANNEL).getContract(chaincode);
}

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
const submitting = async (contract: ClientContract, fn: string, ...args: string[]) => {
  const transaction = await contract.newProposal(fn, { arguments: args }).endorse();
  return transaction.submit();
};
const messageOf = async (call: Promise<unknown>) => {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason as GatewayError,
  );
  expect(error).toBeInstanceOf(GatewayError);
  return (error as GatewayError).details[0]?.message;
};

describe('A simulation', () => {
  it('sees one state, while what is submitted meanwhile waits', async () => {
    const node = await openNode();
    const contract = contractOf(node.client());
    await contract.submitTransaction('put', 'a', 'old');
    await contract.submitTransaction('put', 'b', 'old');
    const pair = contract.evaluateTransaction('heldPair', 'a', 'b');
    const transactions = await Promise.all(
      ['a', 'b'].map((key) => contract.newProposal('put', { arguments: [key, 'new'] }).endorse()),
    );
    await entered.promise;
    const commits = await Promise.all(transactions.map((transaction) => transaction.submit()));
    const early = commits[0]?.getStatus({ deadline: Date.now() + 100 });
    await expect(early).rejects.toMatchObject({ code: 4 });
    gate.resolve();
    expect(text(await pair)).toBe('["old","old"]');
    for (const commit of commits) expect((await commit.getStatus()).code).toBe(Code.VALID);
    expect(text(await contract.evaluateTransaction('heldPair', 'a', 'b'))).toBe('["new","new"]');
  });

  it('that never ends is cut off, does no more, and holds nothing up', async () => {
    const node = await openNode({ limits: { executionMs: 50 } });
    const contract = contractOf(node.client());
    expect(await messageOf(contract.evaluateTransaction('never'))).toContain('timeout expired while executing');
    expect(await messageOf(contract.submitTransaction('never'))).toContain('timeout expired while executing');
    await contract.submitTransaction('put', 'a', 'v');
    gate.resolve();
    const outcomes = await Promise.allSettled(late.splice(0));
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(text(await contract.evaluateTransaction('get', 'late'))).toBe('');
  });

  it('ends when its client gives up', async () => {
    for (const overGrpc of [false, true]) {
      const node = await openNode();
      const client = overGrpc ? new Client((await node.serve()).address, credentials.createInsecure()) : undefined;
      const contract = contractOf(client ?? node.client());
      const proposal = contract.newProposal('never');
      const error = await proposal.evaluate({ deadline: Date.now() + 150 }).catch((reason: unknown) => reason);
      expect((error as GatewayError).code).toBe(4);
      await contract.submitTransaction('put', 'a', 'v');
      client?.close();
    }
  });

  it('runs once for each endorsing organisation, at a peer that knows its own', async () => {
    const contract = contractOf((await openNode()).client());
    for (const mspId of ['AMSP', 'BMSP', 'CMSP']) {
      const answer = await contract.evaluate('peerOrganisation', { endorsingOrganizations: [mspId] });
      expect(text(answer)).toBe(mspId);
    }
    const proposal = contract.newProposal('peerOrganisation', { endorsingOrganizations: ['AMSP', 'BMSP'] });
    await expect(proposal.endorse()).rejects.toMatchObject({
      details: [{ mspId: 'BMSP', message: 'ProposalResponsePayloads do not match' }],
    });
  });

  it('of a contract that throws nothing at all fails like any other', async () => {
    const contract = contractOf((await openNode()).client());
    expect(await messageOf(contract.evaluateTransaction('throwNothing'))).toContain('error in simulation');
    expect(text(await contract.evaluateTransaction('get', 'a'))).toBe('');
  });

  it('is refused what the embedded node does not have, in so many words', async () => {
    const contract = contractOf((await openNode()).client());
    const cases = [
      ['privateData', 'private data is not supported by the embedded Fabric node'],
      ['readPrivateData', 'private data is not supported by the embedded Fabric node'],
      ['keyPolicy', 'key-level endorsement policies are not supported by the embedded Fabric node'],
      ['otherChannel', 'other channels are not supported by the embedded Fabric node'],
      ['emptyKey', 'key must not be an empty string'],
      ['brokenKey', 'key is not valid UTF-8'],
    ] as const;
    for (const [fn, message] of cases) expect(await messageOf(contract.submitTransaction(fn))).toContain(message);
    expect(await messageOf(contract.evaluateTransaction('callItself', 'any'))).toContain(
      'already part of this transaction',
    );
    expect(await messageOf(contract.evaluateTransaction('callItself', 'none'))).toContain('could not get chaincode');
    expect(await messageOf(contract.evaluateTransaction('callItself', 'qscc'))).toContain('Rejecting invoke of QSCC');
  });

  it('refuses blocks with private data', async () => {
    const node = await openNode();
    for (const client of [node.client(), new Client((await node.serve()).address, credentials.createInsecure())]) {
      const events = await gatewayOf(client, member).getNetwork(CHANNEL).getBlockAndPrivateDataEvents();
      const error = await events[Symbol.asyncIterator]()
        .next()
        .catch((reason: unknown) => reason);
      expect((error as GatewayError).code).toBe(12);
      if (client instanceof Client) client.close();
    }
  });
});

describe('Errors that a contract lets escape', () => {
  const folder = mkdtempSync(join(tmpdir(), 'embedded-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const run = async (mode: string) => {
    const { chaincodes: _, ...rest } = config;
    const issued = authority('AMSP').issue({ commonName: 'child', role: 'client' });
    const file = join(folder, `${mode}.json`);
    writeFileSync(file, JSON.stringify({ config: rest, client: { mspId: 'AMSP', ...issued } }));
    const script = fileURLToPath(new URL('./fixture/embedded-child.ts', import.meta.url));
    const child = spawn(process.execPath, [script, mode, ':memory:', file], { stdio: 'pipe' });
    const [output, errors] = await Promise.all([textOf(child.stdout), textOf(child.stderr)]);
    return { output, errors, code: child.exitCode ?? (await new Promise((resolve) => child.once('exit', resolve))) };
  };

  it.each([
    ['forgetPromise', 'a forgotten promise'],
    ['throwLater', 'a timer'],
  ])('fail its transaction and nothing else: %s', async (mode, message) => {
    const { output, code } = await run(mode);
    const result = JSON.parse(output) as { failed: string; alive: boolean };
    expect(result.failed).toContain(`let an error escape, ${message}`);
    expect(result.alive).toBe(true);
    expect(code).toBe(0);
  });

  it('are reported when the transaction was over', async () => {
    const { output, code } = await run('throwAfterwards');
    expect(JSON.parse(output)).toEqual({ failed: 'answered', alive: true, faults: ['after the answer'] });
    expect(code).toBe(0);
  });

  it('outside of contracts end the process as ever', async () => {
    const { output, errors, code } = await run('outside');
    expect(output).toBe('');
    expect(errors).toContain('outside of any contract');
    expect(code).not.toBe(0);
  });
});

describe('Blocks', () => {
  it('gather what is submitted while the state is being read', async () => {
    const node = await openNode();
    const contract = contractOf(node.client());
    const keys = ['a', 'b', 'c', 'd', 'e'];
    const transactions = await Promise.all(
      keys.map((key) => contract.newProposal('put', { arguments: [key, 'v'] }).endorse()),
    );
    const held = contract.evaluateTransaction('heldPair', 'a', 'b');
    await entered.promise;
    const commits = await Promise.all(transactions.map((transaction) => transaction.submit()));
    gate.resolve();
    await held;
    const statuses = await Promise.all(commits.map((commit) => commit.getStatus()));
    expect(new Set(statuses.map(({ blockNumber }) => blockNumber))).toEqual(new Set([1n]));
    expect(node.height()).toBe(2);
  });

  it('hold no more than their limits, and wait for more only when told to', async () => {
    const node = await openNode({ batch: { maxCount: 2, timeoutMs: 40 } });
    const contract = contractOf(node.client());
    const transactions = await Promise.all(
      ['a', 'b', 'c'].map((key) => contract.newProposal('put', { arguments: [key, 'v'] }).endorse()),
    );
    const commits = await Promise.all(transactions.map((transaction) => transaction.submit()));
    const statuses = await Promise.all(commits.map((commit) => commit.getStatus()));
    expect(statuses.map(({ blockNumber }) => blockNumber)).toEqual([1n, 1n, 2n]);
  });

  it('are cut by other rules from the next one on', async () => {
    const node = await openNode({ batch: { maxCount: 2, timeoutMs: 60_000 } });
    const contract = contractOf(node.client());
    node.updateBatch({ maxCount: 1 });
    const alone = await contract.submitAsync('put', { arguments: ['a', 'v'] });
    expect((await alone.getStatus()).blockNumber).toBe(1n);
    node.updateBatch({ maxCount: 2 });
    const first = await contract.submitAsync('put', { arguments: ['b', 'v'] });
    const second = await contract.submitAsync('put', { arguments: ['c', 'v'] });
    const statuses = await Promise.all([first.getStatus(), second.getStatus()]);
    expect(statuses.map(({ blockNumber }) => blockNumber)).toEqual([2n, 2n]);
  });

  it('find conflicts among their own transactions', async () => {
    const node = await openNode({ batch: { maxCount: 4, timeoutMs: 5_000 } });
    const contract = contractOf(node.client());
    const transactions = await Promise.all([
      contract.newProposal('append', { arguments: ['a'] }).endorse(),
      contract.newProposal('append', { arguments: ['a'] }).endorse(),
      contract.newProposal('countInto', { arguments: ['a', 'b', 'count'] }).endorse(),
      contract.newProposal('put', { arguments: ['a', 'blind'] }).endorse(),
    ]);
    const codes: number[] = [];
    const commits = [];
    for (const transaction of transactions) commits.push(await transaction.submit());
    for (const commit of commits) codes.push((await commit.getStatus()).code);
    expect(codes).toEqual([Code.VALID, Code.MVCC_READ_CONFLICT, Code.PHANTOM_READ_CONFLICT, Code.VALID]);
    expect(node.height()).toBe(2);
    expect(text(await contract.evaluateTransaction('get', 'a'))).toBe('blind');
    await node.verifyChain();
  });

  it('check a range that was read in part up to the row that was read ahead', async () => {
    const node = await openNode();
    const contract = contractOf(node.client());
    await contract.submitTransaction('fill', 'k', '150');
    for (const [changed, code] of [
      ['k101', Code.VALID],
      ['k100', Code.PHANTOM_READ_CONFLICT],
      ['k000', Code.PHANTOM_READ_CONFLICT],
    ] as const) {
      const endorsed = await contract.newProposal('firstInto', { arguments: ['k', 'l', 'first'] }).endorse();
      await contract.submitTransaction('put', changed, 'changed');
      expect((await (await endorsed.submit()).getStatus()).code).toBe(code);
    }
  });

  it('judge a submitter again when they are written', async () => {
    const node = await openNode();
    const ca = authority('CMSP');
    const { certificate, privateKey } = ca.issue({ commonName: 'leaver', role: 'client' });
    const contract = contractOf(node.client(), 'any', memberOf('CMSP', { certificate, privateKey }));
    const transaction = await contract.newProposal('put', { arguments: ['a', 'v'] }).endorse();
    const held = contractOf(node.client()).evaluateTransaction('heldPair', 'a', 'b');
    await entered.promise;
    await transaction.submit();
    ca.revoke(certificate);
    node.updateOrganisation({ mspId: 'CMSP', crls: [ca.crl()] });
    gate.resolve();
    await held;
    await contractOf(node.client()).submitTransaction('put', 'b', 'v');
    using blocks = await gatewayOf(node.client(), member)
      .getNetwork(CHANNEL)
      .getFilteredBlockEvents({ startBlock: 1n });
    const block = (await blocks[Symbol.asyncIterator]().next()).value as peer.FilteredBlock;
    expect(block.getFilteredTransactionsList()[0]?.getTxValidationCode()).toBe(Code.BAD_CREATOR_SIGNATURE);
    expect(text(await contractOf(node.client()).evaluateTransaction('get', 'a'))).toBe('');
  });

  it('hold a transaction that was submitted twice at once, and count it once', async () => {
    const node = await openNode({ batch: { maxCount: 2, timeoutMs: 5_000 } });
    const contract = contractOf(node.client());
    const transaction = await contract.newProposal('put', { arguments: ['a', 'v'] }).endorse();
    const commits = await Promise.all([transaction.submit(), transaction.submit()]);
    for (const commit of commits) expect(await commit.getStatus()).toMatchObject({ code: Code.VALID, blockNumber: 1n });
    using blocks = await gatewayOf(node.client(), member)
      .getNetwork(CHANNEL)
      .getFilteredBlockEvents({ startBlock: 1n });
    const block = (await blocks[Symbol.asyncIterator]().next()).value as peer.FilteredBlock;
    const codes = block.getFilteredTransactionsList().map((one) => one.getTxValidationCode());
    expect(codes).toEqual([Code.VALID, Code.DUPLICATE_TXID]);
    expect(await node.verifyChain()).toMatchObject({ transactions: 2 });
  });
});

describe('A committed transaction', () => {
  it('is one that outcome proofs can be made of', async () => {
    const node = await openNode();
    const submitted = await contractOf(node.client(), 'two').submitAsync('put', { arguments: ['a', 'v'] });
    const { blockNumber } = await submitted.getStatus();
    const id = submitted.getTransactionId();
    const block = await contractOf(node.client(), 'qscc').evaluateTransaction('GetBlockByTxID', CHANNEL, id);
    const found = findTransaction(block, id);
    expect(found).toMatchObject({ block: Number(blockNumber), validationCode: Code.VALID });
    const envelope = readEnvelope(found.envelope);
    expect(envelope).toMatchObject({
      channel: CHANNEL,
      chaincode: 'two',
      chaincodeVersion: '1',
      function: 'put',
      status: 200,
    });
    expect(envelope.endorsements).toHaveLength(2);
    expect(
      readWrites(envelope.readWriteSet).map(({ namespace, key, value }) => [
        namespace,
        key,
        text(value ?? new Uint8Array()),
      ]),
    ).toEqual([['two', 'a', 'v']]);
  });
});

describe('Limits', () => {
  it('refuse messages that are too big, in process and over gRPC, either way', async () => {
    const node = await openNode({ limits: { messageBytes: 100_000 } });
    for (const client of [node.client(), new Client((await node.serve()).address, credentials.createInsecure())]) {
      const contract = contractOf(client);
      await contract.submitTransaction('put', 'a', 'v'.repeat(10_000));
      const big = await contract.submitTransaction('put', 'a', 'v'.repeat(200_000)).catch((error: unknown) => error);
      expect(big).toMatchObject({ name: 'EndorseError', code: 8 });
      const answer = await contract.evaluateTransaction('bytes', '200000').catch((error: unknown) => error);
      expect(answer).toMatchObject({ name: 'GatewayError', code: 8 });
      if (client instanceof Client) client.close();
    }
    await expect(openEmbedded(config, { folder: ':memory:', limits: { messageBytes: 2 ** 30 } })).rejects.toMatchObject(
      {
        code: 'CONFIG_INVALID',
      },
    );
  });

  it('shorten the message of a contract so that it fits into the trailers of a call', async () => {
    const node = await openNode();
    for (const client of [node.client(), new Client((await node.serve()).address, credentials.createInsecure())]) {
      const contract = contractOf(client, 'every');
      const error = await contract.evaluateTransaction('failLong').catch((reason: unknown) => reason as GatewayError);
      expect(error).toMatchObject({ code: 2 });
      expect((error as GatewayError).details[0]?.message).toMatch(/^chaincode response 500, LONG: 医+…$/);
      await expect(contract.submitTransaction('failLong')).rejects.toBeInstanceOf(EndorseError);
      if (client instanceof Client) client.close();
    }
  });

  it('bound the calls and the transactions that wait', async () => {
    const node = await openNode({ limits: { concurrency: 2, pending: 1 } });
    const contract = contractOf(node.client());
    const transactions = await Promise.all(
      ['a', 'b'].map((key) => contract.newProposal('put', { arguments: [key, 'v'] }).endorse()),
    );
    const held = contract.evaluateTransaction('heldPair', 'a', 'b');
    await entered.promise;
    await transactions[0]?.submit();
    await expect(transactions[1]?.submit()).rejects.toMatchObject({ name: 'SubmitError', code: 14 });
    const second = contract.evaluateTransaction('heldPair', 'a', 'b');
    const third = contract.evaluateTransaction('heldPair', 'a', 'b');
    await expect(third).rejects.toMatchObject({ code: 14 });
    gate.resolve();
    await Promise.all([held, second]);
  });

  it('bound the streams, of which a closed one is none', async () => {
    const node = await openNode({ limits: { concurrency: 1 } });
    for (const client of [node.client(), new Client((await node.serve()).address, credentials.createInsecure())]) {
      const network = gatewayOf(client, member).getNetwork(CHANNEL);
      const next = async () => {
        const blocks = await network.getBlockEvents({ startBlock: 0n });
        return { blocks, first: await blocks[Symbol.asyncIterator]().next() };
      };
      const { blocks } = await next();
      await expect(next()).rejects.toMatchObject({ code: 14 });
      blocks.close();
      await expect
        .poll(() =>
          next()
            .then(({ blocks: again }) => again.close())
            .then(
              () => true,
              () => false,
            ),
        )
        .toBe(true);
      if (client instanceof Client) client.close();
    }
  });
});

describe('Members', () => {
  it('are judged by the clock of the node', async () => {
    let now = Date.now();
    const contract = contractOf((await openNode({ clock: () => now })).client());
    const endorsed = await contract.newProposal('put', { arguments: ['a', 'v'] }).endorse();
    now += 2 * 365 * 86_400_000;
    expect(await messageOf(contract.evaluateTransaction('get', 'a'))).toContain('access denied');
    await expect(endorsed.submit()).rejects.toMatchObject({ name: 'SubmitError', code: 10 });
  });

  it('may write as clients and admins only', async () => {
    const node = await openNode();
    for (const [role, allowed] of [
      ['client', true],
      ['admin', true],
      ['peer', false],
      ['orderer', false],
    ] as const) {
      const { certificate, privateKey } = authority('BMSP').issue({ commonName: role, role });
      const contract = contractOf(node.client(), 'any', memberOf('BMSP', { certificate, privateKey }));
      const call = contract.submitTransaction('put', role, 'v');
      if (allowed) await call;
      else expect(await messageOf(call)).toContain('[/Channel/Application/Writers]');
    }
  });

  it('do without the peer whose certificate was revoked', async () => {
    const ca = createAuthority({ mspId: 'AMSP' });
    const lost = ca.issue({ commonName: 'peer', role: 'peer' });
    const organisations = config.organisations.map((organisation) =>
      organisation.mspId === 'AMSP' ? { mspId: 'AMSP', roots: [ca.rootPem], peer: lost } : organisation,
    );
    const node = await openNode({}, { organisations });
    const mine = clientOf('AMSP', {}, ca);
    const contract = contractOf(node.client(), 'two', mine);
    await contract.submitTransaction('put', 'a', 'before');
    const endorsed = await contract.newProposal('put', { arguments: ['a', 'stale'] }).endorse();
    ca.revoke(lost.certificate);
    node.updateOrganisation({ mspId: 'AMSP', crls: [ca.crl()] });
    const status = await (await endorsed.submit()).getStatus();
    expect(status.code).toBe(Code.ENDORSEMENT_POLICY_FAILURE);
    await contract.submitTransaction('put', 'a', 'by the two others');
    expect(text(await contract.evaluateTransaction('get', 'a'))).toBe('by the two others');
    await expect(contractOf(node.client(), 'every', mine).submitTransaction('put', 'a', 'v')).rejects.toMatchObject({
      name: 'EndorseError',
      code: 9,
    });
  });

  it('stay as they were when an update cannot be used', async () => {
    const node = await openNode();
    const other = createAuthority({ mspId: 'AMSP' });
    const update = () => node.updateOrganisation({ mspId: 'AMSP', crls: [other.crl()] });
    expect(update).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    expect(() => node.updateOrganisation({ mspId: 'None', crls: [] })).toThrow('No organisation None');
    await contractOf(node.client()).submitTransaction('put', 'a', 'v');
    node.updateOrganisation({ mspId: 'AMSP', roots: [authority('AMSP').rootPem, other.rootPem] });
    await contractOf(node.client(), 'any', clientOf('AMSP', {}, other)).submitTransaction('put', 'a', 'w');
  });
});

describe('Opening and closing', () => {
  const [a, ...others] = config.organisations as [
    EmbeddedConfig['organisations'][0],
    ...EmbeddedConfig['organisations'],
  ];
  const [chaincode] = chaincodes as [(typeof chaincodes)[0]];
  const client = authority('AMSP').issue({ commonName: 'no peer', role: 'client' });

  it.each<[string, Partial<EmbeddedConfig>]>([
    ['no network name', { network: '' }],
    ['a channel name Fabric would not take', { channel: 'Records!' }],
    ['no organisations', { organisations: [] }],
    ['an organisation twice', { organisations: [a, a] }],
    ['a peer with a client certificate', { organisations: [{ ...a, peer: client }, ...others] }],
    [
      'a peer with the key of another',
      { organisations: [{ ...a, peer: { ...a.peer, privateKey: client.privateKey } }, ...others] },
    ],
    [
      'a peer of a foreign authority',
      { organisations: [{ ...a, roots: [createAuthority({ mspId: 'AMSP' }).rootPem] }, ...others] },
    ],
    ['roots that are none', { organisations: [{ ...a, roots: [client.certificate] }, ...others] }],
    ['a key that is none', { orderer: { ...config.orderer, privateKey: 'none' } }],
    ['a policy nobody can read', { chaincodes: [{ ...chaincode, endorsement: 'OR(' }] }],
    ['a policy that names a stranger', { chaincodes: [{ ...chaincode, endorsement: "OR('None.peer')" }] }],
    ['a chaincode twice', { chaincodes: [chaincode, chaincode] }],
    ['a chaincode with the name of a system one', { chaincodes: [{ ...chaincode, name: 'qscc' }] }],
    ['a chaincode without contracts', { chaincodes: [{ ...chaincode, contracts: [] }] }],
  ])('refuses %s', async (_what, change) => {
    const opening = openEmbedded({ ...config, ...change }, { folder: ':memory:' });
    await expect(opening).rejects.toMatchObject({ name: 'EmbeddedError', code: 'CONFIG_INVALID' });
  });

  it('serves beyond this machine with TLS only', async () => {
    const node = await openNode();
    await expect(node.serve({ host: '0.0.0.0' })).rejects.toMatchObject({ code: 'INSECURE' });
  });

  it('serves with TLS, and only to clients under its roots', async () => {
    const ca = createAuthority({ mspId: 'TLS' });
    const own = ca.issue({ commonName: 'localhost', role: 'peer' });
    const node = await openNode();
    const { address } = await node.serve({ host: 'localhost', tls: { ...own, clientRoots: ca.rootPem } });
    const through = (issued?: Credential) => {
      const tls = { roots: ca.rootPem, ...issued };
      const { certificate, privateKey } = authority('AMSP').issue({ commonName: 'client', role: 'client' });
      const connection = connect({ client: address, tls, identity: { mspId: 'AMSP', certificate }, privateKey });
      onTestFinished(() => connection.close());
      return connection.contract(CHANNEL, 'any');
    };
    await through(ca.issue({ commonName: 'client', role: 'client' })).submitTransaction('put', 'a', 'v');
    const foreign = createAuthority({ mspId: 'TLS' }).issue({ commonName: 'client', role: 'client' });
    for (const issued of [undefined, foreign]) {
      await expect(through(issued).evaluateTransaction('get', 'a')).rejects.toMatchObject({ code: 14 });
    }
  });

  it('ends a contract that hangs, and still writes what was taken', async () => {
    const node = await openNode();
    const contract = contractOf(node.client());
    const transaction = await contract.newProposal('put', { arguments: ['a', 'v'] }).endorse();
    const hanging = contract.evaluateTransaction('never').catch((error: unknown) => error);
    await entered.promise;
    await transaction.submit();
    await node.close();
    expect(await hanging).toMatchObject({ code: 14 });
    expect(node.height()).toBe(2);
  });

  it('ends waiting calls and streams, and writes what was taken', async () => {
    const node = await openEmbedded(config, { folder: ':memory:' });
    const served = await node.serve();
    const clients = [node.client(), new Client(served.address, credentials.createInsecure())];
    const ended = clients.map(async (client) => {
      const events = await gatewayOf(client, member).getNetwork(CHANNEL).getChaincodeEvents('any');
      const next = events[Symbol.asyncIterator]()
        .next()
        .catch((error: unknown) => error as GatewayError);
      return [(await next) instanceof GatewayError, ((await next) as GatewayError).code];
    });
    const contract = contractOf(clients[1] as Client);
    const commit = await submitting(contract, 'put', 'a', 'v');
    expect((await commit.getStatus()).code).toBe(Code.VALID);
    await node.close();
    await node.close();
    expect(await Promise.all(ended)).toEqual([
      [true, 14],
      [true, 14],
    ]);
    await expect(contractOf(node.client()).evaluateTransaction('get', 'a')).rejects.toMatchObject({ code: 14 });
    (clients[1] as Client).close();
  });
});
