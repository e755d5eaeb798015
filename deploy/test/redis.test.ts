import { spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { readDescription } from '../local/description.ts';
import { Layout } from '../local/layout.ts';
import { findRedis, type RedisHost, redisArguments } from '../local/redis.ts';
import { Supervisor } from '../local/supervisor.ts';
import { DESCRIPTION } from './fixture/world.ts';

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
    await expect(find({ REDIS_URLS: 'redis://one redis://[' })).rejects.toMatchObject({ code: 'REDIS_UNFIT' });
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

/** A Debian whose apt-get, when it installs, starts the service as Debian's packages do: unless a policy forbids it. */
class Debian {
  readonly folder: string;
  readonly policyFile: string;
  readonly said: string[] = [];

  private constructor(machine: string) {
    this.folder = machine;
    this.policyFile = join(machine, 'policy-rc.d');
  }

  static async create(name: string, install = 'exit 0'): Promise<Debian> {
    const debian = new Debian(join(folder, `debian-${name}`));
    await mkdir(join(debian.folder, 'bin'), { recursive: true });
    await debian.#program('systemctl', '');
    await debian.#program('update-rc.d', '');
    const server = join(await pathWith('redis-server', '7.0.15'), 'redis-server');
    await debian.#program(
      'apt-get',
      `[ "$1" = install ] || exit 0
/bin/cat '${debian.policyFile}' > '${debian.folder}/policy-seen'
'${debian.policyFile}' redis-server start
[ $? = 101 ] || /bin/touch '${debian.folder}/service-started'
/bin/cp '${server}' '${debian.folder}/bin/'
${install}`,
    );
    return debian;
  }

  async #program(name: string, script: string): Promise<void> {
    const file = join(this.folder, 'bin', name);
    await writeFile(file, `#!/bin/sh\necho "${name} $*" >> '${this.folder}/calls'\n${script}\n`);
    await chmod(file, 0o755);
  }

  get host(): RedisHost {
    return { env: { PATH: join(this.folder, 'bin') }, mayInstall: true, policyFile: this.policyFile };
  }

  find(): ReturnType<typeof findRedis> {
    return findRedis(2, (line) => this.said.push(line), this.host);
  }

  read(name: string): Promise<string | undefined> {
    return readFile(join(this.folder, name), 'utf8').catch(() => undefined);
  }
}

describe('installing Redis on Debian', () => {
  it('says so, and starts and enables no service', async () => {
    const debian = await Debian.create('bare');
    expect(await debian.find()).toEqual({
      kind: 'server',
      program: join(debian.folder, 'bin', 'redis-server'),
      version: '7.0.15',
    });
    expect(debian.said).toEqual([expect.stringContaining('installing')]);
    expect(await debian.read('policy-seen')).toContain('exit 101');
    expect(await debian.read('service-started')).toBeUndefined();
    expect(await debian.read('policy-rc.d')).toBeUndefined();
    expect((await debian.read('calls'))?.trim().split('\n')).toEqual([
      'apt-get update -qq',
      'apt-get install -y -qq --no-install-recommends redis-server',
      'systemctl disable redis-server',
      'update-rc.d redis-server disable',
    ]);
  });

  it('puts the machine’s own policy back, also when apt fails', async () => {
    for (const [name, install] of [
      ['installs', 'exit 0'],
      ['fails', `/bin/rm '${join(folder, 'debian-fails', 'bin', 'redis-server')}'; exit 100`],
    ] as const) {
      const debian = await Debian.create(name, install);
      await writeFile(debian.policyFile, '#!/bin/sh\nexit 0\n');
      await chmod(debian.policyFile, 0o751);
      const found = debian.find();
      if (name === 'installs') expect(await found).toMatchObject({ kind: 'server' });
      else await expect(found).rejects.toMatchObject({ code: 'REDIS_MISSING' });
      expect(await debian.read('service-started')).toBeUndefined();
      expect(await debian.read('policy-rc.d')).toBe('#!/bin/sh\nexit 0\n');
      expect((await stat(debian.policyFile)).mode & 0o777).toBe(0o751);
    }
  });

  it('clears away the policy that a killed installation left', async () => {
    const debian = await Debian.create('killed', 'kill -9 $PPID');
    await writeFile(debian.policyFile, '#!/bin/sh\nexit 0\n');
    const script = `import { findRedis } from '${new URL('../local/redis.ts', import.meta.url).href}';
      const env = { PATH: '${join(debian.folder, 'bin')}' };
      await findRedis(2, () => undefined, { env, mayInstall: true, policyFile: '${debian.policyFile}' });`;
    expect(spawnSync(process.execPath, ['--input-type=module', '-e', script]).signal).toBe('SIGKILL');
    expect(await debian.read('policy-rc.d')).toContain('exit 101');
    await rm(join(debian.folder, 'bin', 'redis-server'));
    const apt = (await debian.read('bin/apt-get')) ?? '';
    await writeFile(join(debian.folder, 'bin', 'apt-get'), apt.replace('kill -9 $PPID', 'exit 0'));
    expect(await debian.find()).toMatchObject({ kind: 'server' });
    expect(await debian.read('policy-rc.d')).toBe('#!/bin/sh\nexit 0\n');
  });

  it('is over, and the policy put back, before an interrupted `up` ends', async () => {
    const debian = await Debian.create('slow', '/bin/sleep 0.3');
    const layout = await Layout.open(join(debian.folder, 'state'), await readDescription(DESCRIPTION));
    const begun = Promise.withResolvers<void>();
    const supervisor = new Supervisor(layout, {}, () => begun.resolve(), { host: debian.host });
    const started = supervisor.start();
    started.catch(() => undefined);
    await begun.promise;
    await vi.waitFor(async () => expect(await debian.read('policy-seen')).toBeDefined(), { timeout: 5_000 });
    expect(await debian.read('policy-rc.d')).toContain('exit 101');
    await supervisor.stop();
    expect(await debian.read('policy-rc.d')).toBeUndefined();
    await expect(started).rejects.toMatchObject({ code: 'INTERRUPTED' });
  });
});
