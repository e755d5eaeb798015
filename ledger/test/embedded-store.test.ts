import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import type { GatewayError } from '@hyperledger/fabric-gateway';
import { afterAll, describe, expect, it } from 'vitest';
import { type EmbeddedLimits, type EmbeddedNode, openEmbedded } from '../src/embedded/index.ts';
import { authority, CHANNEL, clientOf, configOf, gatewayOf, memberOf, POLICIES } from './fixture/embedded.ts';
import { Records } from './fixture/records.ts';

const config = configOf([{ name: 'records', version: '1', endorsement: POLICIES.two, contracts: [Records] }]);
const member = clientOf('AMSP');
const root = mkdtempSync(join(tmpdir(), 'embedded-'));
let folders = 0;
const newFolder = () => join(root, `store${folders++}`);
const open = (folder: string, limits: EmbeddedLimits = {}) => openEmbedded(config, { folder, limits });
const contractOf = (node: EmbeddedNode) => gatewayOf(node.client(), member).getNetwork(CHANNEL).getContract('records');
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('The store of an embedded node', () => {
  it('keeps blocks, state and history over a restart', async () => {
    const folder = newFolder();
    const first = await open(folder);
    await contractOf(first).submitTransaction('put', 'a', '1');
    await contractOf(first).submitTransaction('put', 'b', '2');
    await contractOf(first).submitTransaction('remove', 'b');
    const audited = await first.verifyChain();
    await first.close();

    await using again = await open(folder);
    expect(again.height()).toBe(4);
    expect(await again.verifyChain()).toEqual(audited);
    expect(text(await contractOf(again).evaluateTransaction('get', 'a'))).toBe('1');
    expect(text(await contractOf(again).evaluateTransaction('get', 'b'))).toBe('');
    await contractOf(again).submitTransaction('put', 'a', '3');
    expect(await again.verifyChain()).toMatchObject({ height: 5, transactions: 4 });
  });

  it('keeps revocations over a restart, unless the configuration has others', async () => {
    const ca = authority('BMSP');
    const leaver = ca.issue({ commonName: 'leaver', role: 'client' });
    const read = (node: EmbeddedNode) =>
      gatewayOf(node.client(), memberOf('BMSP', leaver))
        .getNetwork(CHANNEL)
        .getContract('records')
        .evaluateTransaction('get', 'a');
    const folder = newFolder();
    const first = await open(folder);
    await read(first);
    ca.revoke(leaver.certificate);
    first.updateOrganisation({ mspId: 'BMSP', crls: [ca.crl()] });
    await first.close();
    const second = await open(folder);
    await expect(read(second)).rejects.toMatchObject({ code: 9 });
    await second.close();
    const organisations = config.organisations.map((one) => ({ ...one, crls: [] }));
    await using third = await openEmbedded({ ...config, organisations }, { folder });
    await read(third);
    expect(third.height()).toBe(3);
  });

  it('is held by one node at a time', async () => {
    const folder = newFolder();
    const holder = await open(folder);
    await expect(open(folder)).rejects.toMatchObject({ name: 'EmbeddedError', code: 'STORE_LOCKED' });
    await contractOf(holder).submitTransaction('put', 'a', '1');
    await holder.close();
    await using next = await open(folder);
    expect(next.height()).toBe(2);
  });

  it('is not opened for another network or channel', async () => {
    const folder = newFolder();
    await (await open(folder)).close();
    for (const change of [{ network: 'south' }, { channel: 'other' }]) {
      await expect(openEmbedded({ ...config, ...change }, { folder })).rejects.toMatchObject({
        code: 'STORE_MISMATCH',
      });
    }
  });

  it('refuses a file that is no ledger', async () => {
    const folder = newFolder();
    await (await open(folder)).close();
    writeFileSync(
      join(folder, 'ledger.sqlite'),
      'this is not a database, but it is long enough to be taken for one. '.repeat(99),
    );
    await expect(open(folder)).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
  });

  it('loses no acknowledged transaction when its process is killed under load', async () => {
    const folder = newFolder();
    const file = join(root, 'child.json');
    const issued = authority('AMSP').issue({ commonName: 'child', role: 'client' });
    const { chaincodes: _, ...rest } = config;
    writeFileSync(file, JSON.stringify({ config: rest, client: { mspId: 'AMSP', ...issued } }));
    const script = fileURLToPath(new URL('./fixture/embedded-child.ts', import.meta.url));
    const child = spawn(process.execPath, [script, 'load', folder, file], { stdio: ['ignore', 'pipe', 'inherit'] });
    const acknowledged: string[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      acknowledged.push(line);
      if (acknowledged.length === 60) child.kill('SIGKILL');
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    expect(child.signalCode).toBe('SIGKILL');

    const chaincode = { name: 'child', version: '1', endorsement: "OR('AMSP.peer')", contracts: [Records] };
    await using node = await openEmbedded({ ...config, chaincodes: [chaincode] }, { folder });
    await node.verifyChain();
    const contract = gatewayOf(node.client(), member).getNetwork(CHANNEL).getContract('child');
    for (const key of acknowledged) expect(text(await contract.evaluateTransaction('get', key))).toBe('v');
    await contract.submitTransaction('put', 'after', 'v');
  });

  it('refuses transactions while the disk is full, and loses none of the others', async () => {
    const folder = newFolder();
    const full = await open(folder, { storeBytes: 400_000 });
    const contract = contractOf(full);
    const kept: string[] = [];
    let refusal: GatewayError | undefined;
    while (!refusal) {
      const key = `k${kept.length}`;
      refusal = await contract.submitTransaction('put', key, 'v'.repeat(10_000)).then(
        () => undefined,
        (error: unknown) => error as GatewayError,
      );
      if (!refusal) kept.push(key);
    }
    expect(kept.length).toBeGreaterThan(3);
    expect(refusal).toMatchObject({ name: 'CommitStatusError', code: 14 });
    expect(refusal.message).toContain('STORE_FULL');
    const next = await contract.submitTransaction('put', 'next', 'v'.repeat(10_000)).catch((error: unknown) => error);
    expect(next).toMatchObject({ name: 'SubmitError', code: 14 });
    expect(text(await contract.evaluateTransaction('get', kept.at(-1) as string))).toHaveLength(10_000);
    await full.verifyChain();
    await full.close();

    await using roomy = await open(folder);
    expect((await roomy.verifyChain()).transactions).toBe(kept.length);
    for (const key of kept) expect(text(await contractOf(roomy).evaluateTransaction('get', key))).toHaveLength(10_000);
    expect(text(await contractOf(roomy).evaluateTransaction('get', 'next'))).toBe('');
    await contractOf(roomy).submitTransaction('put', 'next', 'there is room again');
  });

  it('tells of a block that could not be written also who asks after it failed', async () => {
    await using node = await open(newFolder(), { storeBytes: 400_000 });
    const contract = contractOf(node);
    const big = 'v'.repeat(500_000);
    const first = await (await contract.newProposal('put', { arguments: ['a', big] }).endorse()).submit();
    await expect(contract.submitTransaction('put', 'b', big)).rejects.toMatchObject({ code: 14 });
    await expect(first.getStatus()).rejects.toMatchObject({ name: 'CommitStatusError', code: 14 });
  });

  it('takes transactions again as soon as there is room', async () => {
    await using node = await open(newFolder(), { storeBytes: 400_000 });
    const contract = contractOf(node);
    const tooBig = () => contract.submitTransaction('put', 'a', 'v'.repeat(500_000));
    await expect(tooBig()).rejects.toMatchObject({ name: 'CommitStatusError', code: 14 });
    await expect(tooBig()).rejects.toMatchObject({ name: 'SubmitError', code: 14 });
    await contract.submitTransaction('put', 'a', 'small');
    expect(text(await contract.evaluateTransaction('get', 'a'))).toBe('small');
    await node.verifyChain();
  });

  describe('notices when somebody changed', () => {
    const tamperings: readonly (readonly [string, string])[] = [
      ['an envelope', "UPDATE transactions SET envelope = CAST(envelope || x'00' AS BLOB) WHERE block = 2"],
      ['a verdict', 'UPDATE transactions SET code = 11 WHERE block = 2'],
      ['a transaction id', `UPDATE transactions SET txid = '${'0'.repeat(64)}' WHERE block = 2`],
      [
        'the metadata of a block',
        'UPDATE blocks SET metadata = (SELECT metadata FROM blocks WHERE number = 1) WHERE number = 2',
      ],
      [
        'the header of a block',
        'UPDATE blocks SET header = (SELECT header FROM blocks WHERE number = 1) WHERE number = 2',
      ],
      ['the hash of a block', 'UPDATE blocks SET hash = zeroblob(32) WHERE number = 2'],
      ['the number of blocks', 'DELETE FROM blocks WHERE number = 2'],
      [
        'the number of the last blocks',
        'DELETE FROM blocks WHERE number = 4; DELETE FROM transactions WHERE block = 4',
      ],
      ['a value', "UPDATE state SET value = CAST('9' AS BLOB) WHERE key = CAST('a' AS BLOB)"],
      ['the version of a value', "UPDATE state SET block = 1 WHERE key = CAST('c' AS BLOB)"],
      ['a value away', "DELETE FROM state WHERE key = CAST('a' AS BLOB)"],
      ['a deleted value back', "INSERT INTO state VALUES ('records', CAST('b' AS BLOB), x'31', 2, 0)"],
      ['a value in', "INSERT INTO state VALUES ('records', CAST('z' AS BLOB), x'31', 2, 0)"],
      ['the history', 'DELETE FROM history WHERE block = 2'],
      ['the history by an addition', "INSERT INTO history VALUES ('records', CAST('z' AS BLOB), 2, 0)"],
    ];
    const source = newFolder();

    it.each(tamperings)('%s', async (_what, sql) => {
      const folder = newFolder();
      const node = await open(folder);
      const contract = contractOf(node);
      await contract.submitTransaction('put', 'a', '1');
      await contract.submitTransaction('put', 'b', '2');
      await contract.submitTransaction('remove', 'b');
      await contract.submitTransaction('put', 'c', '3');
      await node.close();
      const file = new DatabaseSync(join(folder, 'ledger.sqlite'));
      file.exec(sql);
      file.close();
      await using tampered = await open(folder);
      await expect(tampered.verifyChain()).rejects.toMatchObject({ name: 'EmbeddedError', code: 'CHAIN_BROKEN' });
    });

    it('the key of the orderer', async () => {
      await (await open(source)).close();
      const { certificate, privateKey } = authority('AMSP').issue({ commonName: 'other', role: 'orderer' });
      const other = { mspId: config.orderer.mspId, certificate, privateKey };
      const forged = await openEmbedded({ ...config, orderer: other }, { folder: source });
      await expect(forged.verifyChain()).rejects.toMatchObject({ code: 'CHAIN_BROKEN' });
      await forged.close();
      const renewed = { ...other, formerCertificates: [config.orderer.certificate] };
      await using known = await openEmbedded({ ...config, orderer: renewed }, { folder: source });
      await contractOf(known).submitTransaction('put', 'a', '1');
      expect(await known.verifyChain()).toMatchObject({ height: 2 });
    });
  });
});
