import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findRedis, redisArguments } from '../local/redis.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'yilian-path-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const find = (env: Record<string, string>) => findRedis(2, () => undefined, { env, mayInstall: false });

/** A folder for PATH with a server that says it is of this version. */
async function pathWith(name: string, version: string, mode = 0o755): Promise<string> {
  const path = join(folder, `${name}-${version}-${mode}`);
  await mkdir(path, { recursive: true });
  await writeFile(join(path, name), `#!/bin/sh\necho "Redis server v=${version} sha=00000000:0 malloc=libc bits=64"\n`);
  await chmod(join(path, name), mode);
  return path;
}

describe('finding Redis', () => {
  it('takes the servers that REDIS_URLS names, one for each region', async () => {
    const urls = ['redis://one:6379', 'unix:///run/two.sock'];
    expect(await find({ REDIS_URLS: urls.join(', ') })).toEqual({ kind: 'url', urls });
    expect(await find({ REDIS_URL: urls.join(' ') })).toEqual({ kind: 'url', urls });
    await expect(find({ REDIS_URLS: 'redis://one' })).rejects.toMatchObject({ code: 'REDIS_UNFIT' });
    await expect(find({ REDIS_URLS: 'redis://one http://two' })).rejects.toMatchObject({ code: 'REDIS_UNFIT' });
  });

  it('takes the first server in PATH that can be run, Redis or Valkey', async () => {
    const not = await pathWith('redis-server', '7.2.4', 0o644);
    const valkey = await pathWith('valkey-server', '8.0.1');
    const redis = await pathWith('redis-server', '7.0.15');
    expect(await find({ PATH: `${folder}/none::${not}:${valkey}:${redis}` })).toEqual({
      kind: 'server',
      program: join(valkey, 'valkey-server'),
      version: '8.0.1',
    });
    expect(await find({ PATH: redis, REDIS_URLS: '' })).toMatchObject({ program: join(redis, 'redis-server') });
  });

  it('refuses a server that is too old or does not run', async () => {
    await expect(find({ PATH: await pathWith('redis-server', '6.0.16') })).rejects.toMatchObject({
      code: 'REDIS_UNFIT',
    });
    const broken = await pathWith('redis-server', 'x');
    await writeFile(join(broken, 'redis-server'), '#!/bin/sh\nexit 1\n');
    await expect(find({ PATH: broken })).rejects.toMatchObject({ code: 'REDIS_UNFIT' });
  });

  it('says what to do when there is none and it may not be installed', async () => {
    await expect(find({ PATH: join(folder, 'none') })).rejects.toMatchObject({
      code: 'REDIS_MISSING',
      message: expect.stringContaining('REDIS_URLS') as string,
    });
    await expect(find({})).rejects.toMatchObject({ code: 'REDIS_MISSING' });
  });

  it('starts a server that keeps what it was told, evicts nothing and listens on this machine only', () => {
    const text = redisArguments('/state/redis', 7000).join(' ');
    for (const setting of ['--bind 127.0.0.1', '--port 7000', '--appendonly yes', '--maxmemory-policy noeviction'])
      expect(text).toContain(setting);
  });
});
