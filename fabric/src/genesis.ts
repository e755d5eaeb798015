import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { command } from './command.ts';
import { configtx, PROFILE } from './configtx.ts';
import { decoded } from './configtxlator.ts';
import { FabricError } from './errors.ts';
import { writeYaml } from './files.ts';
import type { Site } from './site.ts';

/** `common.Block` as configtxlator writes it: the parts of a first block that are drawn anew whenever one is made. */
interface FirstBlock {
  readonly header: { data_hash: unknown };
  readonly data: {
    readonly data: readonly {
      readonly payload: {
        readonly header: {
          readonly channel_header: { timestamp: unknown; tx_id: unknown };
          readonly signature_header: { nonce: unknown };
        };
      };
    }[];
  };
}

/** Makes a channel's first block of what is planned. @throws FabricError FABRIC_COMMAND */
export async function makeGenesis(site: Site, file: string): Promise<void> {
  await using work = await mkdtempDisposable(join(site.folder, 'genesis-'));
  writeYaml(join(work.path, 'configtx.yaml'), configtx(site.plan, site.genesisFiles()));
  const args = ['-profile', PROFILE, '-channelID', site.plan.channel, '-outputBlock', file];
  await command(site.binaries.configtxgen, args, { config: work.path });
}

/**
 * Whether a block that somebody else made is the first block of the planned channel: its members and their roots, its
 * orderers and policies, and everything else but the time and the nonce of its making.
 * @throws FabricError FABRIC_GENESIS naming where it differs first; FABRIC_COMMAND
 */
export async function requireGenesis(site: Site, block: Uint8Array): Promise<void> {
  await using work = await mkdtempDisposable(join(site.folder, 'compared-'));
  const [own, given] = [join(work.path, 'own.block'), join(work.path, 'given.block')];
  await makeGenesis(site, own);
  await writeFile(given, block);
  const expected = made(await decoded<FirstBlock>(site.binaries, 'common.Block', own, work.path));
  let found: unknown;
  try {
    found = made(await decoded<FirstBlock>(site.binaries, 'common.Block', given, work.path));
  } catch (cause) {
    throw new FabricError('FABRIC_GENESIS', `what is to be the first block of ${site.plan.channel} is none`, { cause });
  }
  const where = difference(expected, found);
  if (where !== undefined)
    throw new FabricError('FABRIC_GENESIS', `the first block of ${site.plan.channel} is not what is planned: ${where}`);
}

/** A block without what is drawn anew. */
function made(block: FirstBlock): FirstBlock {
  block.header.data_hash = '';
  for (const { payload } of block.data.data) {
    const { channel_header, signature_header } = payload.header;
    channel_header.timestamp = '';
    channel_header.tx_id = '';
    signature_header.nonce = '';
  }
  return block;
}

/** The names that lead to the first value that is not the same. */
function difference(one: unknown, other: unknown): string | undefined {
  if (!isObject(one) || !isObject(other)) return one === other ? undefined : '';
  for (const name of new Set([...Object.keys(one), ...Object.keys(other)])) {
    const below = difference(one[name], other[name]);
    if (below !== undefined) return below === '' ? name : `${name}.${below}`;
  }
  return undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
