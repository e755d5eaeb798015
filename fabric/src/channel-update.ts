import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Binaries } from './binaries.ts';
import type { ChannelConfig } from './channel-config.ts';
import { command } from './command.ts';
import { decoded } from './configtxlator.ts';
import { FabricError } from './errors.ts';
import { type Administrator, isSaid, type OrdererAccess, orderingFlags, peer } from './lifecycle.ts';
import { until } from './until.ts';

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
/** What the leader says until those that were just started have connected. */
const FEW_CONNECTED = /configuration will result in quorum loss/;
const CONNECTED_MS = 30_000;

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
  await using work = await mkdtempDisposable(join(folder, 'config-'));
  const fetched = block ?? join(work.path, 'block.pb');
  // Also while too few orderers run to have a leader.
  const args = ['channel', 'fetch', 'config', fetched, '-c', channel, '--bestEffort', ...orderingFlags(orderer)];
  await peer(reader, args, signal);
  const { data } = await decoded<ConfigBlock>(binaries, 'common.Block', fetched, work.path, signal);
  return data.data[0].payload.data.config;
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
  await using work = await mkdtempDisposable(join(folder, 'update-'));
  const file = (name: string) => join(work.path, name);
  const encode = async (type: string, name: string, value: string) => {
    await writeFile(file(`${name}.json`), value);
    const paths = ['--input', file(`${name}.json`), '--output', file(`${name}.pb`)];
    await command(binaries.configtxlator, ['proto_encode', '--type', type, ...paths], { signal });
  };
  await encode('common.Config', 'before', before);
  await encode('common.Config', 'after', after);
  const compared = ['--original', file('before.pb'), '--updated', file('after.pb'), '--output', file('update.pb')];
  try {
    await command(binaries.configtxlator, ['compute_update', '--channel_id', channel, ...compared], { signal });
  } catch (error) {
    if (error instanceof Error && NO_CHANGE.test(error.message)) return;
    throw error;
  }
  const config_update = await decoded(binaries, 'common.ConfigUpdate', file('update.pb'), work.path, signal);
  const channel_header = { channel_id: channel, type: CONFIG_UPDATE };
  const envelope = { payload: { header: { channel_header }, data: { config_update } } };
  await encode('common.Envelope', 'envelope', JSON.stringify(envelope));
  // The one who hands it in signs as well.
  for (const administrator of administrators.slice(1))
    await peer(administrator, ['channel', 'signconfigtx', '-f', file('envelope.pb')], signal);
  const handIn = ['channel', 'update', '-f', file('envelope.pb'), '-c', channel, ...orderingFlags(orderer)];
  const otherwise = `too few orderers of ${channel} are connected with each other to exchange one`;
  const passes = (error: unknown) => isSaid(FEW_CONNECTED, error);
  await until(otherwise, () => peer(first, handIn, signal), { withinMs: CONNECTED_MS, passes, signal });
  await inForce(binaries, folder, update, first, config.sequence);
}

/** The orderer has taken the change; it is in force with the block that holds it, unless another change came first. */
async function inForce(
  binaries: Binaries,
  folder: string,
  update: ChannelUpdate,
  reader: Administrator,
  sequence: string,
): Promise<void> {
  const look = async () => {
    const config = await readChannel(binaries, folder, update, reader);
    return Number(config.sequence) > Number(sequence) && config;
  };
  const { channel, signal, change } = update;
  const otherwise = `a change of ${channel} does not come into force`;
  const config = await until(otherwise, look, { withinMs: IN_FORCE_MS, signal });
  const now = JSON.stringify(config);
  change(config);
  if (JSON.stringify(config) !== now)
    throw new FabricError('FABRIC_NOT_READY', `another change of ${channel} came first; ask for it again`);
}

/** common.HeaderType. */
const CONFIG_UPDATE = 2;

interface ConfigBlock {
  readonly data: {
    readonly data: readonly [{ readonly payload: { readonly data: { readonly config: ChannelConfig } } }];
  };
}
