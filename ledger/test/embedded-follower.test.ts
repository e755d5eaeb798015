import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Contract, GatewayError, GrpcClient } from '@hyperledger/fabric-gateway';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { connect } from '../src/connect.ts';
import {
  type EmbeddedConfig,
  type EmbeddedOptions,
  type Host,
  openEmbedded,
  openFollower,
} from '../src/embedded/index.ts';
import { authority, CHANNEL, clientOf, configOf, gatewayOf, memberOf, POLICIES } from './fixture/embedded.ts';
import { CONFIG, eventually, follow, withoutKeys } from './fixture/follower.ts';
import { Records } from './fixture/records.ts';
import { isWhole, tampered } from './fixture/tampering.ts';

const member = clientOf('AMSP');
const root = mkdtempSync(join(tmpdir(), 'follower-'));
let folders = 0;
const newFolder = () => join(root, `store${folders++}`);
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
const contractOf = (host: { client(): GrpcClient }, as = member, chaincode = 'records'): Contract =>
  gatewayOf(host.client(), as).getNetwork(CHANNEL).getContract(chaincode);
const same = (a: Host, b: Host) => eventually(() => expect(a.height()).toBe(b.height()));

async function openNode(config: EmbeddedConfig = CONFIG, options: Partial<EmbeddedOptions> = {}) {
  const node = await openEmbedded(config, { folder: ':memory:', ...options });
  onTestFinished(() => node.close());
  return node;
}

async function openPair() {
  const node = await openNode();
  const follower = await follow(node.client());
  onTestFinished(() => follower.close());
  return { node, follower };
}

afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('A follower', () => {
  it('has the same ledger as its upstream, byte for byte', async () => {
    const { node, follower } = await openPair();
    for (const key of ['a', 'b', 'a']) await contractOf(node).submitTransaction('append', key, 'x');
    await contractOf(node).submitTransaction('remove', 'b');
    await same(follower, node);
    expect(text(await contractOf(follower).evaluateTransaction('get', 'a'))).toBe('xx');
    expect(text(await contractOf(follower).evaluateTransaction('get', 'b'))).toBe('');
    const block = (host: Host, number: number) =>
      contractOf(host, member, 'qscc').evaluateTransaction('GetBlockByNumber', CHANNEL, String(number));
    for (let number = 0; number < node.height(); number += 1) {
      expect(text(await block(follower, number))).toBe(text(await block(node, number)));
    }
    expect(await follower.verifyChain()).toEqual(await node.verifyChain());
  });

  it('takes over the verdicts on what was refused', async () => {
    const { node, follower } = await openPair();
    const endorsed = await Promise.all(
      [1, 2].map(() =>
        contractOf(node)
          .newProposal('append', { arguments: ['a', 'x'] })
          .endorse(),
      ),
    );
    for (const transaction of endorsed) await transaction.submit().then((commit) => commit.getStatus());
    await same(follower, node);
    expect(text(await contractOf(follower).evaluateTransaction('get', 'a'))).toBe('x');
    expect(follower.ready()).toBe(true);
  });

  it('is one gateway to all: what is submitted through it can be read from it', async () => {
    const { node, follower } = await openPair();
    const { address } = await follower.serve();
    const issued = authority('BMSP').issue({ commonName: 'submitter', role: 'client' });
    using connection = connect({
      client: address,
      identity: { mspId: 'BMSP', certificate: issued.certificate },
      privateKey: issued.privateKey,
    });
    const contract = connection.contract(CHANNEL, 'records');
    using events = await connection.network(CHANNEL).getChaincodeEvents('records', { startBlock: 0n });
    for (const value of ['1', '2', '3']) {
      await contract.submitTransaction('put', 'key', value);
      expect(text(await contract.evaluateTransaction('get', 'key'))).toBe(value);
    }
    for await (const { blockNumber } of events) if (blockNumber === 3n) break;
    expect([follower.height(), node.height()]).toEqual([4, 4]);
  });

  it('runs evaluations itself as its own organisation, and hands on those for others', async () => {
    const { node, follower } = await openPair();
    await follower.caughtUp();
    expect(text(await contractOf(follower, clientOf('BMSP')).evaluateTransaction('peerOrganisation'))).toBe('AMSP');
    const elsewhere = { endorsingOrganizations: ['CMSP'] };
    expect(text(await contractOf(follower).evaluate('peerOrganisation', elsewhere))).toBe('CMSP');
    await node.close();
    expect(text(await contractOf(follower).evaluateTransaction('peerOrganisation'))).toBe('AMSP');
    await expect(contractOf(follower).evaluate('peerOrganisation', elsewhere)).rejects.toMatchObject({ code: 14 });
  });

  it('hands on refusals with all their details', async () => {
    const { node, follower } = await openPair();
    const refusal = async (host: Host, fn: string) => {
      const error = (await contractOf(host)
        .submitTransaction(fn)
        .catch((reason: unknown) => reason)) as GatewayError;
      const { name, code, details } = error;
      return { name, code, details: details.map(({ mspId, message }) => ({ mspId, message })) };
    };
    const refused = await refusal(node, 'refuse');
    expect(refused).toMatchObject({ name: 'EndorseError', code: 10, details: [{ mspId: 'AMSP' }] });
    expect(await refusal(follower, 'refuse')).toEqual(refused);
    const transaction = await contractOf(follower)
      .newProposal('put', { arguments: ['a', 'v'] })
      .endorse();
    const signed = transaction.getBytes();
    await node.close();
    const later = gatewayOf(follower.client(), member).newTransaction(signed);
    await expect(later.submit()).rejects.toMatchObject({ name: 'SubmitError', code: 14 });
    await expect(contractOf(follower).submitTransaction('put', 'a', 'v')).rejects.toMatchObject({
      name: 'EndorseError',
      code: 14,
    });
  });

  it('refuses endorsements of another proposal than was asked for', async () => {
    const node = await openNode();
    let first: Uint8Array | undefined;
    const replaying = tampered(node.client(), {
      answer(path, answer) {
        first ??= answer;
        return path.endsWith('/Endorse') ? first : answer;
      },
    });
    await using follower = await follow(replaying);
    await contractOf(follower).submitTransaction('put', 'a', '1');
    const other = contractOf(follower).submitTransaction('put', 'a', '2');
    await expect(other).rejects.toMatchObject({ name: 'EndorseError', code: 10 });
    await expect(other).rejects.toThrow('answers another proposal');
  });

  it('knows how far it is behind, and since when it heard nothing', async () => {
    const node = await openNode();
    let gate = Promise.resolve();
    const slow = tampered(node.client(), {
      async *stream(message) {
        if (isWhole(message)) await gate;
        yield message;
      },
    });
    await using follower = await follow(slow);
    expect([follower.behind(), follower.age(), follower.ready()]).toEqual([
      Number.POSITIVE_INFINITY,
      Number.POSITIVE_INFINITY,
      false,
    ]);
    await follower.caughtUp();
    expect([follower.behind(), follower.ready(), follower.height()]).toEqual([0, true, 1]);
    const held = Promise.withResolvers<void>();
    gate = held.promise;
    await contractOf(node).submitTransaction('put', 'a', '1');
    await contractOf(node).submitTransaction('put', 'a', '2');
    await eventually(() => expect(follower.behind()).toBeGreaterThan(0));
    expect(follower.ready()).toBe(false);
    held.resolve();
    await eventually(() => expect(follower.ready()).toBe(true));
    expect(follower.height()).toBe(3);
    await node.close();
    await eventually(() => expect(follower.age()).toBeGreaterThan(100));
    expect(follower.fault()).toBeUndefined();
  });

  it('ends its waiting clients when it is closed', async () => {
    const { follower } = await openPair();
    await follower.caughtUp();
    const events = await gatewayOf(follower.client(), member).getNetwork(CHANNEL).getBlockEvents({ startBlock: 5n });
    const next = events[Symbol.asyncIterator]().next();
    next.catch(() => undefined);
    await follower.close();
    await expect(next).rejects.toMatchObject({ code: 14 });
  });

  it('is not opened with a key that is not its own, or an upstream elsewhere without TLS', async () => {
    const [a, b] = [1, 2].map(() => authority('AMSP').issue({ commonName: 'relay', role: 'client' }));
    const open = (client: string, privateKey = a?.privateKey ?? '') =>
      openFollower(withoutKeys(CONFIG), {
        folder: ':memory:',
        upstream: { client, identity: { mspId: 'AMSP', certificate: a?.certificate ?? '' }, privateKey },
      });
    await expect(open('127.0.0.1:1', b?.privateKey)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    await expect(open('peer.example:7051')).rejects.toThrow('reached by TLS only');
  });
});

describe('A follower catches up', () => {
  it('after it was restarted, from its last block', async () => {
    const node = await openNode();
    const folder = newFolder();
    const first = await follow(node.client(), { folder });
    await contractOf(first).submitTransaction('put', 'a', '1');
    await first.close();
    await contractOf(node).submitTransaction('put', 'a', '2');
    await using again = await follow(node.client(), { folder });
    expect(again.height()).toBe(2);
    await again.caughtUp();
    expect(text(await contractOf(again).evaluateTransaction('get', 'a'))).toBe('2');
    expect(await again.verifyChain()).toEqual(await node.verifyChain());
  });

  it('after its upstream was away', async () => {
    const folder = newFolder();
    const first = await openEmbedded(CONFIG, { folder });
    const { address } = await first.serve();
    const troubles: Error[] = [];
    await using follower = await follow(address, { onTrouble: (trouble) => troubles.push(trouble) });
    await contractOf(follower).submitTransaction('put', 'a', '1');
    await first.close();
    await eventually(() => expect(troubles).not.toHaveLength(0));
    expect(text(await contractOf(follower).evaluateTransaction('get', 'a'))).toBe('1');
    const second = await openNode(CONFIG, { folder });
    await second.serve({ port: Number(address.split(':')[1]) });
    await contractOf(second).submitTransaction('put', 'a', '2');
    await eventually(() => expect(follower.height()).toBe(3));
    await eventually(() => expect(follower.ready()).toBe(true));
    await contractOf(follower).submitTransaction('put', 'a', '3');
    expect(text(await contractOf(follower).evaluateTransaction('get', 'a'))).toBe('3');
  });

  it('after it was killed in the middle', async () => {
    const node = await openNode();
    const { address } = await node.serve();
    const folder = newFolder();
    const issued = authority('AMSP').issue({ commonName: 'relay', role: 'client' });
    const file = join(root, 'follower.json');
    const { chaincodes: _, ...config } = withoutKeys(CONFIG);
    writeFileSync(file, JSON.stringify({ config, upstream: address, client: { mspId: 'AMSP', ...issued } }));
    const script = fileURLToPath(new URL('./fixture/follower-child.ts', import.meta.url));
    const child = spawn(process.execPath, [script, folder, file], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(child, 'exit');
    const loading = (async () => {
      while (!child.killed) await contractOf(node).submitTransaction('append', 'a', 'x');
    })();
    let seen = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      seen = Number(line);
      if (seen >= 8) child.kill('SIGKILL');
    }
    await ended;
    await loading;
    expect(child.signalCode).toBe('SIGKILL');
    await using follower = await follow(node.client(), { folder });
    expect(follower.height()).toBeGreaterThanOrEqual(seen);
    await follower.caughtUp();
    expect(await follower.verifyChain()).toEqual(await node.verifyChain());
  });

  it('with members that were revoked, expired or replaced since', async () => {
    let now = Date.now();
    const ca = authority('CMSP');
    const leaver = ca.issue({ commonName: 'leaver', role: 'client' });
    const brief = ca.issue({ commonName: 'brief', role: 'client', notAfter: now + 60_000 });
    const node = await openNode(CONFIG, { clock: () => now });
    await contractOf(node, memberOf('CMSP', leaver)).submitTransaction('put', 'a', '1');
    await contractOf(node, memberOf('CMSP', brief)).submitTransaction('put', 'b', '1');
    const late = await contractOf(node, memberOf('CMSP', leaver))
      .newProposal('put', { arguments: ['a', '2'] })
      .endorse();
    ca.revoke(leaver.certificate);
    now += 120_000;
    const height = node.height();
    node.updateOrganisation({ mspId: 'CMSP', crls: [ca.crl()] });
    await eventually(() => expect(node.height()).toBe(height + 1));
    await expect(late.submit()).rejects.toMatchObject({ name: 'SubmitError' });
    await contractOf(node).submitTransaction('put', 'b', '2');
    await using follower = await follow(node.client(), { clock: () => now });
    await same(follower, node);
    expect(await follower.verifyChain()).toEqual(await node.verifyChain());
    const refused = contractOf(follower, memberOf('CMSP', leaver)).evaluateTransaction('get', 'a');
    await expect(refused).rejects.toMatchObject({ code: 9 });
  });

  it('with policies that were changed since, when it knows them', async () => {
    const folder = newFolder();
    const of = (endorsement: string, more: object = {}) =>
      configOf([{ name: 'records', version: '1', endorsement, contracts: [Records], ...more }]);
    const before = await openEmbedded(of(POLICIES.any), { folder });
    await contractOf(before).submitTransaction('put', 'a', '1');
    await before.close();
    const after = await openNode(of(POLICIES.every), { folder });
    expect(after.height()).toBe(3);
    await contractOf(after).submitTransaction('put', 'a', '2');
    const kept = newFolder();
    const knowing = of(POLICIES.every, { formerEndorsements: [POLICIES.any] });
    const follower = await follow(after.client(), { folder: kept }, knowing);
    await same(follower, after);
    await follower.close();
    await using ignorant = await follow(after.client(), {}, of(POLICIES.every));
    await eventually(() => expect(ignorant.fault()?.message).toContain('policy of chaincode records'));
    await using again = await follow(after.client(), { folder: kept }, of(POLICIES.every));
    await again.caughtUp();
    expect(again.ready()).toBe(true);
  });
});
