import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { DeployError } from '../errors.ts';
import type { Layout } from '../layout.ts';

const ANSWER_MS = 5_000;
const OPEN_MS = 60_000;
const POLL_MS = 100;

/** Opens a database that nobody writes, and leaves nothing beside it. */
export function openUnchanging(file: string): DatabaseSync {
  const url = pathToFileURL(file);
  url.search = '?immutable=1';
  return new DatabaseSync(url, { readOnly: true });
}

/** The number of blocks in the copy of an embedded chain. @throws DeployError PROCESS_FAILED when the chain did not end by itself */
export function copiedHeight(file: string): number {
  if (existsSync(`${file}-wal`)) throw new DeployError('PROCESS_FAILED', `${file}: the chain did not end cleanly`);
  const database = openUnchanging(file);
  try {
    const row = database.prepare('SELECT coalesce(max(number) + 1, 0) AS height FROM blocks').get();
    return Number(row?.['height']);
  } finally {
    database.close();
  }
}

/** The number of blocks a peer of Fabric says it has of each of its channels, once it has opened them. @throws DeployError NOT_READY */
export async function heightsOf(
  layout: Layout,
  operations: string,
  channels: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
  for (const deadline = Date.now() + OPEN_MS; ; ) {
    const heights = await figuresOf(`${layout.url(operations)}/metrics`).catch((error: unknown) => error as Error);
    if (!(heights instanceof Error) && channels.every((channel) => heights.has(channel))) return heights;
    if (Date.now() > deadline)
      throw new DeployError('NOT_READY', `${operations} does not tell its height`, { cause: heights });
    await delay(POLL_MS, undefined, { signal });
  }
}

async function figuresOf(url: string): Promise<ReadonlyMap<string, number>> {
  const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) });
  const lines = (await response.text()).matchAll(/^ledger_blockchain_height\{channel="([^"]+)"\} (\S+)$/gm);
  return new Map([...lines].map(([, channel = '', height]) => [channel, Number(height)]));
}
