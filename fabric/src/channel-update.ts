import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Binaries } from './binaries.ts';
import type { ChannelConfig } from './channel-config.ts';
import { command } from './command.ts';
import type { Administrator, OrdererAccess } from './lifecycle.ts';

export interface ChannelUpdate {
  readonly channel: string;
  readonly orderer: OrdererAccess;
  /** Administrators whose signatures the change needs; the first hands it in. */
  readonly administrators: readonly Administrator[];
  readonly change: (config: ChannelConfig) => void;
  readonly signal?: AbortSignal | undefined;
}

/** What configtxlator says when a change changes nothing. */
const NO_CHANGE = /no differences detected/;

/**
 * Changes a channel's configuration: takes it from the newest configuration block, and has the difference signed.
 * A change that changes nothing does nothing.
 * @throws FabricError FABRIC_COMMAND, also where the signatures do not suffice
 */
export async function updateChannel(binaries: Binaries, folder: string, update: ChannelUpdate): Promise<void> {
  const { channel, orderer, administrators, change, signal } = update;
  const [first] = administrators;
  if (first === undefined) return;
  const work = await mkdtemp(join(folder, 'update-'));
  const file = (name: string) => join(work, name);
  const translate = async (verb: 'proto_encode' | 'proto_decode', type: string, from: string, to: string) =>
    command(binaries.configtxlator, [verb, '--type', type, '--input', file(from), '--output', file(to)], { signal });
  const peer = (administrator: Administrator, ...args: readonly string[]) =>
    command(administrator.program, ['channel', ...args], { config: administrator.config, signal });
  const ordering = ['-o', orderer.address, '--tls', '--cafile', orderer.roots];
  try {
    await peer(first, 'fetch', 'config', file('block.pb'), '-c', channel, ...ordering);
    await translate('proto_decode', 'common.Block', 'block.pb', 'block.json');
    const block = JSON.parse(await readFile(file('block.json'), 'utf8')) as ConfigBlock;
    const { config } = block.data.data[0].payload.data;
    await writeFile(file('before.json'), JSON.stringify(config));
    change(config);
    await writeFile(file('after.json'), JSON.stringify(config));
    for (const name of ['before', 'after'])
      await translate('proto_encode', 'common.Config', `${name}.json`, `${name}.pb`);
    const compute = ['compute_update', '--channel_id', channel, '--original', file('before.pb')];
    try {
      await command(
        binaries.configtxlator,
        [...compute, '--updated', file('after.pb'), '--output', file('update.pb')],
        { signal },
      );
    } catch (error) {
      if (error instanceof Error && NO_CHANGE.test(error.message)) return;
      throw error;
    }
    await translate('proto_decode', 'common.ConfigUpdate', 'update.pb', 'update.json');
    const config_update: unknown = JSON.parse(await readFile(file('update.json'), 'utf8'));
    const channel_header = { channel_id: channel, type: CONFIG_UPDATE };
    await writeFile(
      file('envelope.json'),
      JSON.stringify({ payload: { header: { channel_header }, data: { config_update } } }),
    );
    await translate('proto_encode', 'common.Envelope', 'envelope.json', 'envelope.pb');
    // The one who hands it in signs as well.
    for (const administrator of administrators.slice(1))
      await peer(administrator, 'signconfigtx', '-f', file('envelope.pb'));
    await peer(first, 'update', '-f', file('envelope.pb'), '-c', channel, ...ordering);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** common.HeaderType. */
const CONFIG_UPDATE = 2;

interface ConfigBlock {
  readonly data: {
    readonly data: readonly [{ readonly payload: { readonly data: { readonly config: ChannelConfig } } }];
  };
}
