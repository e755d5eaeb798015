import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createAuthority } from '@yilian/ledger';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type Endpoint, FabricNetwork, findBinaries, type NetworkPlan, type OrganisationPlan } from '../src/index.ts';

const binaries = await findBinaries().catch((error: unknown) => error as Error);
/** Nothing is started. */
const nowhere: Endpoint = { host: 'orderer.example', port: 1 };

function organisation(mspId: string): OrganisationPlan {
  return {
    mspId,
    isElsewhere: true,
    authority: createAuthority({ mspId }),
    tlsAuthority: createAuthority({ mspId: `${mspId}-tls` }),
    peers: [{ name: 'peer0', endpoint: nowhere, chaincode: nowhere, operations: nowhere }],
  };
}

function orderer(name: string, { mspId, authority, tlsAuthority }: OrganisationPlan): NetworkPlan['orderers'][number] {
  const issue = { commonName: name, role: 'orderer' } as const;
  const certificates = { identity: authority.issue(issue).certificate, tls: tlsAuthority.issue(issue).certificate };
  return { name, mspId, endpoint: nowhere, admin: nowhere, operations: nowhere, certificates };
}

if (binaries instanceof Error)
  it.skip(`a first block that somebody else made (skipped: ${binaries.message})`, () => undefined);
else
  describe('a first block that somebody else made', () => {
    const [a, b] = [organisation('AMSP'), organisation('BMSP')];
    const plan: NetworkPlan = {
      channel: 'agreed',
      consensus: 'raft',
      batch: { timeoutMs: 10, maxMessages: 10 },
      organisations: [a, b],
      orderers: [orderer('orderer0', a)],
      chaincodes: [],
    };
    const [first] = plan.orderers;
    if (first === undefined) throw new Error('no orderer');
    let block: Buffer;
    beforeAll(async () => {
      block = await madeOf(plan);
    });

    const temporary = async () => {
      const folder = await mkdtemp(join(tmpdir(), 'yilian-genesis-'));
      onTestFinished(() => rm(folder, { recursive: true, force: true }));
      return folder;
    };
    const madeOf = async (planned: NetworkPlan): Promise<Buffer> => {
      const folder = await mkdtemp(join(tmpdir(), 'yilian-genesis-'));
      try {
        await FabricNetwork.prepare(planned, folder, binaries);
        return await readFile(join(folder, 'genesis.block'));
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    };
    const check = async (given: Uint8Array): Promise<void> =>
      FabricNetwork.requireGenesis(plan, await temporary(), binaries, given);

    it('is taken when it says what is planned, at whatever time it was made, and nothing is left behind', async () => {
      const folder = await temporary();
      const again = await madeOf(plan);
      expect(again.equals(block)).toBe(false);
      await FabricNetwork.requireGenesis(plan, folder, binaries, again);
      expect((await readdir(folder)).toSorted()).toEqual(['orderers', 'organisations']);
    });

    it.each<[string, NetworkPlan, RegExp]>([
      ['another organisation', { ...plan, organisations: [a, b, organisation('CMSP')] }, /groups\.Application\.groups/],
      ['other roots of one', { ...plan, organisations: [a, organisation('BMSP')] }, /BMSP\.values\.MSP/],
      ['other voters', { ...plan, organisations: [a, { ...b, reads: true }] }, /Application\.policies/],
      ['another orderer', { ...plan, orderers: [first, orderer('orderer1', b)] }, /groups\.Orderer/],
      ['other certificates of an orderer', { ...plan, orderers: [orderer('orderer0', a)] }, /consenters/],
      ['another batch', { ...plan, batch: { timeoutMs: 10, maxMessages: 11 } }, /BatchSize/],
      ['another channel', { ...plan, channel: 'other' }, /channel_id/],
    ])('is refused when it has %s, and where is said', async (_, other, where) => {
      await expect(check(await madeOf(other))).rejects.toMatchObject({
        code: 'FABRIC_GENESIS',
        message: expect.stringMatching(where) as string,
      });
    });

    it('is refused when it holds two configurations', async () => {
      const twice = await altered(block, ({ data }) => data.data.push(structuredClone(data.data[0])));
      await expect(check(twice)).rejects.toMatchObject({ code: 'FABRIC_GENESIS' });
    });

    it.each([
      ['nothing', () => Buffer.of()],
      ['half of one', () => block.subarray(0, block.length / 2)],
      ['random bytes', () => Buffer.from('this is no block')],
    ])('is refused when it is %s', async (_, bytes) => {
      await expect(check(bytes())).rejects.toMatchObject({ code: 'FABRIC_GENESIS' });
    });

    /** A block as somebody else may spell it. */
    const altered = async (bytes: Uint8Array, change: (block: Block) => void): Promise<Buffer> => {
      const folder = await temporary();
      const file = (name: string) => join(folder, name);
      const run = promisify(execFile);
      const translate = (direction: string, input: string, output: string) =>
        run(binaries.configtxlator, [direction, '--type', 'common.Block', '--input', input, '--output', output]);
      await writeFile(file('block.pb'), bytes);
      await translate('proto_decode', file('block.pb'), file('block.json'));
      const spelled = JSON.parse(await readFile(file('block.json'), 'utf8')) as Block;
      change(spelled);
      await writeFile(file('block.json'), JSON.stringify(spelled));
      await translate('proto_encode', file('block.json'), file('altered.pb'));
      return readFile(file('altered.pb'));
    };
  });

interface Block {
  readonly data: { readonly data: unknown[] };
}
