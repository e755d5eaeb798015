import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { temporaryFolder } from './fixtures.ts';

/** Whether there is an `ipfs` to run. */
export function kuboVersion(): string | null {
  try {
    return execFileSync('ipfs', ['version', '--number'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return null;
  }
}

/**
 * A Kubo of one's own, with the settings the vault's README asks for: new repository, nobody to be connected to, its RPC
 * on a free port of the loopback, nothing else listening. It is not offline, so that a call that searches never ends.
 */
export async function startKubo() {
  const folder = await temporaryFolder();
  const env = { ...process.env, IPFS_PATH: folder.path, IPFS_TELEMETRY: 'off' };
  execFileSync('ipfs', ['init', '--empty-repo', '--profile', 'test'], { env, stdio: 'ignore' });
  const file = join(folder.path, 'config');
  const config = JSON.parse(await readFile(file, 'utf8')) as Record<string, Record<string, unknown>>;
  config['Addresses'] = { ...config['Addresses'], API: '/ip4/127.0.0.1/tcp/0', Gateway: [], Swarm: [] };
  config['Routing'] = { ...config['Routing'], Type: 'none' };
  config['Datastore'] = {
    ...config['Datastore'],
    HashOnRead: true,
    WriteThrough: true,
    BlockKeyCacheSize: 0,
    BloomFilterSize: 0,
  };
  await writeFile(file, JSON.stringify(config));
  const daemon = spawn('ipfs', ['daemon'], { env, stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = once(daemon, 'exit');
  for await (const line of createInterface(daemon.stdout)) if (line.includes('Daemon is ready')) break;
  daemon.stdout.resume();
  const port = /\/tcp\/(\d+)/.exec(await readFile(join(folder.path, 'api'), 'utf8'))?.[1];
  return {
    url: `http://127.0.0.1:${port}`,
    repository: folder.path,
    /** Runs `ipfs` against the daemon. */
    ipfs: (...args: string[]) => execFileSync('ipfs', args, { env, encoding: 'utf8' }).trim(),
    async [Symbol.asyncDispose]() {
      daemon.kill('SIGTERM');
      await ended;
      await folder[Symbol.asyncDispose]();
    },
  };
}
