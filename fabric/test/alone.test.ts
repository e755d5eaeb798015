import { join } from 'node:path';
import { connect, submit } from '@yilian/ledger';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ChannelConfig } from '../src/channel-config.ts';
import { updateChannel } from '../src/channel-update.ts';
import { command } from '../src/command.ts';
import { readConfiguration } from '../src/configuration.ts';
import { findBinaries } from '../src/index.ts';
import { flags, lifecycle, orderingFlags } from '../src/lifecycle.ts';
import { setVoters } from '../src/voting.ts';
import { RunningNetwork } from './fixture/running.ts';

const module = new URL('./fixture/conformance-contracts.ts', import.meta.url).href;
const binaries = await findBinaries().catch((error: unknown) => error as Error);
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });
const CHANNEL = 'records';
const VOTERS = ['AMSP', 'BMSP', 'CMSP'];
const READER = 'RMSP';

if (binaries instanceof Error)
  it.skip(`one organisation alone forges nothing (skipped: ${binaries.message})`, () => undefined);
/** It has all of its keys, its administrator's and its peers', and asks Fabric itself, past our own checks. */ else
  describe('one organisation alone', () => {
    let running: RunningNetwork;
    beforeAll(async () => {
      running = await RunningNetwork.start(binaries, {
        channel: CHANNEL,
        consensus: 'raft',
        batch: { timeoutMs: 20, maxMessages: 200 },
        mspIds: VOTERS,
        orderers: ['AMSP'],
        chaincodes: [{ name: 'records', endorsement: "OutOf(2, 'AMSP.peer', 'BMSP.peer', 'CMSP.peer')", module }],
      });
      const reading = { ...(await running.organisation(READER, ['records'])), reads: true as const };
      await running.replan((plan) => ({ ...plan, organisations: [...plan.organisations, reading] }));
      await running.network.admit(READER);
      await running.network.ready();
    });
    afterAll(() => running?.[Symbol.asyncDispose]());

    const put = async (mspId: string, key: string, organisations: readonly string[]): Promise<string | undefined> => {
      using connection = running.connect(mspId);
      return await submit(connection.contract(CHANNEL, 'records'), 'put', [key, '1'], {
        organisations,
        retries: 0,
      }).then(
        () => 'committed',
        (error: unknown) => (error as { code?: string }).code,
      );
    };
    const config = () => readConfiguration(running.site, {});
    const reconfigure = async (mspId: string, change: (config: ChannelConfig) => void) =>
      updateChannel(binaries, running.site.folder, {
        channel: CHANNEL,
        orderer: (await running.site.consenter()).access,
        administrators: [running.site.administrator(mspId)],
        change,
      });

    it('commits nothing that it alone endorses, nor with an organisation that only reads', async () => {
      for (const mspId of VOTERS)
        for (const organisations of [[mspId], [mspId, READER]])
          expect([organisations, await put(mspId, 'forged', organisations)]).toEqual([
            organisations,
            'ENDORSEMENT_POLICY_FAILURE',
          ]);
      expect(await put(READER, 'forged', [READER])).toBe('ENDORSEMENT_POLICY_FAILURE');
      expect(await put('AMSP', 'endorsed', ['AMSP', 'BMSP'])).toBe('committed');
      using connection = running.connect('CMSP');
      const contract = connection.contract(CHANNEL, 'records');
      expect(Buffer.from(await contract.evaluateTransaction('get', 'endorsed')).toString()).toBe('1');
      expect(Buffer.from(await contract.evaluateTransaction('get', 'forged')).toString()).toBe('');
    });

    it('puts no contract in force, of its own policy least of all', async () => {
      const { site } = running;
      const { access } = await site.consenter();
      for (const mspId of [...VOTERS, READER]) {
        const administrator = site.administrator(mspId);
        const name = `forged-${mspId}`;
        for (const [chaincode, sequence] of [
          ['records', '2'],
          [name, '1'],
        ] as const) {
          const policy = `OR('${mspId}.peer')`;
          const terms = flags({
            channelID: CHANNEL,
            name: chaincode,
            version: '1',
            sequence,
            'signature-policy': policy,
          });
          const approve = ['approveformyorg', '--package-id', site.package('records').id, ...terms];
          await lifecycle(administrator, [...approve, ...orderingFlags(access)]);
          const own = ['--peerAddresses', administrator.address, '--tlsRootCertFiles', administrator.roots];
          await expect(
            lifecycle(administrator, ['commit', ...terms, ...orderingFlags(access), ...own]),
          ).rejects.toThrow(/ENDORSEMENT_POLICY_FAILURE/);
        }
        await expect(
          lifecycle(administrator, ['querycommitted', ...flags({ channelID: CHANNEL, name })]),
        ).rejects.toThrow();
      }
      expect(await put('BMSP', 'afterwards', ['BMSP'])).toBe('ENDORSEMENT_POLICY_FAILURE');
    });

    it('changes nothing about who has a voice', async () => {
      const before = await config();
      for (const mspId of [...VOTERS, READER])
        for (const change of [
          (each: ChannelConfig) => setVoters(each, [mspId]),
          (each: ChannelConfig) => {
            const [other] = VOTERS.filter((voter) => voter !== mspId);
            delete each.channel_group.groups.Application.groups[other ?? ''];
          },
        ])
          await expect(reconfigure(mspId, change)).rejects.toMatchObject({ code: 'FABRIC_COMMAND' });
      expect((await config()).channel_group.groups.Application).toEqual(before.channel_group.groups.Application);
    });

    it('orders nobody else’s way: whoever has no orderer does not come to have one', async () => {
      const before = await config();
      for (const mspId of ['BMSP', READER])
        await expect(
          reconfigure(mspId, (each) => {
            const { groups } = each.channel_group.groups.Orderer;
            const own = each.channel_group.groups.Application.groups[mspId];
            if (own !== undefined) groups[mspId] = { ...own, values: { MSP: own.values.MSP } };
          }),
        ).rejects.toMatchObject({ code: 'FABRIC_COMMAND' });
      expect((await config()).channel_group.groups.Orderer).toEqual(before.channel_group.groups.Orderer);
    });

    it('that is none of the channel’s is not heard', async () => {
      const stranger = await running.organisation('XMSP', ['records']);
      await running.replan((plan) => ({ ...plan, organisations: [...plan.organisations, stranger] }));
      const { authorities, network } = running;
      const { certificate, privateKey } = authorities.get('XMSP')!.issue({ commonName: 'x', role: 'client' });
      const { address, tls } = network.access('AMSP', 'peer0');
      using connection = connect({ client: address, tls, identity: { mspId: 'XMSP', certificate }, privateKey });
      const contract = connection.contract(CHANNEL, 'records');
      await expect(
        submit(contract, 'put', ['heard', '1'], { organisations: ['AMSP', 'BMSP'], retries: 0 }),
      ).rejects.toMatchObject({ stage: 'endorse' });
      const file = join(running.site.path('orderers', 'orderer0'), 'stolen.block');
      const fetch = ['channel', 'fetch', 'newest', file, '-c', CHANNEL];
      const { access } = await running.site.consenter();
      const config = running.site.administrator('XMSP').config;
      await expect(command(binaries.peer, [...fetch, ...orderingFlags(access)], { config })).rejects.toThrow();
    });
  });
