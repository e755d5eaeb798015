import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Binaries } from './binaries.ts';
import type { ChannelConfig } from './channel-config.ts';
import { command } from './command.ts';
import { FabricError } from './errors.ts';
import type { Administrator, OrdererAccess } from './lifecycle.ts';

export interface ChannelUpdate extends ChannelReading {
  /** Administrators whose signatures the change needs; the first hands it in. */
  readonly administrators: readonly Administrator[];
  /** Changes nothing where it was made before. */
  readonly change: (config: ChannelConfig) => void;
}

export interface ChannelReading {
  readonly channel: string;
  readonly orderer: OrdererAccess;
  readonly signal?: AbortSignal | undefined;
}

/** What configtxlator says when a change changes nothing. */
const NO_CHANGE = /no differences detected/;
const IN_FORCE_MS = 30_000;
const POLL_MS = 100;

/**
 * The newest configuration of a channel; the block that holds it is written to `block`.
 * @throws FabricError FABRIC_COMMAND
 */
export async function readChannel(
  binaries: Binaries,
  folder: string,
  { channel, orderer, signal }: ChannelReading,
  reader: Administrator,
  block?: string,
): Promise<ChannelConfig> {
  const work = await mkdtemp(join(folder, 'config-'));
  try {
    const fetched = block ?? join(work, 'block.pb');
    // Also while too few orderers run to have a leader.
    const fetch = ['channel', 'fetch', 'config', fetched, '-c', channel, '--bestEffort'];
    const ordering = ['-o', orderer.address, '--tls', '--cafile', orderer.roots];
    await command(reader.program, [...fetch, ...ordering], { config: reader.config, signal });
    const json = join(work, 'block.json');
    const decode = ['proto_decode', '--type', 'common.Block', '--input', fetched, '--output', json];
    await command(binaries.configtxlator, decode, { signal });
    return (JSON.parse(await readFile(json, 'utf8')) as ConfigBlock).data.data[0].payload.data.config;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/**
 * Changes a channel's configuration: takes it from the newest configuration block, has the difference signed, and
 * returns when the orderer has it in force. A change that changes nothing does nothing.
 * @throws FabricError FABRIC_COMMAND, also where the signatures do not suffice; FABRIC_NOT_READY when it does not come
 *   into force
 */
export async function updateChannel(binaries: Binaries, folder: string, update: ChannelUpdate): Promise<void> {
  const { channel, orderer, administrators, change, signal } = update;
  const [first] = administrators;
  if (first === undefined) return;
  const config = await readChannel(binaries, folder, update, first);
  const before = JSON.stringify(config);
  change(config);
  const after = JSON.stringify(config);
  if (before === after) return;
  const work = await mkdtemp(join(folder, 'update-'));
  const file = (name: string) => join(work, name);
  const translate = async (verb: 'proto_encode' | 'proto_decode', type: string, from: string, to: string) =>
    command(binaries.configtxlator, [verb, '--type', type, '--input', file(from), '--output', file(to)], { signal });
  const peer = (administrator: Administrator, ...args: readonly string[]) =>
    command(administrator.program, ['channel', ...args], { config: administrator.config, signal });
  const ordering = ['-o', orderer.address, '--tls', '--cafile', orderer.roots];
  try {
    await writeFile(file('before.json'), before);
    await writeFile(file('after.json'), after);
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
    await inForce(binaries, folder, update, first, config.sequence);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The orderer has taken the change; it is in force with the block that holds it, unless another change came first. */
async function inForce(
  binaries: Binaries,
  folder: string,
  update: ChannelUpdate,
  reader: Administrator,
  sequence: string,
): Promise<void> {
  const deadline = Date.now() + IN_FORCE_MS;
  for (;;) {
    const config = await readChannel(binaries, folder, update, reader);
    if (Number(config.sequence) > Number(sequence)) {
      const now = JSON.stringify(config);
      update.change(config);
      if (JSON.stringify(config) === now) return;
      throw new FabricError('FABRIC_NOT_READY', `another change of ${update.channel} came first; ask for it again`);
    }
    if (Date.now() > deadline)
      throw new FabricError('FABRIC_NOT_READY', `a change of ${update.channel} does not come into force`);
    await delay(POLL_MS, undefined, { signal: update.signal });
  }
}

/** common.HeaderType. */
const CONFIG_UPDATE = 2;

interface ConfigBlock {
  readonly data: {
    readonly data: readonly [{ readonly payload: { readonly data: { readonly config: ChannelConfig } } }];
  };
}
