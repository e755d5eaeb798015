import { execFile } from 'node:child_process';
import { chmod, rename, rm, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { DeployError } from './errors.ts';
import { readIfThere } from './files.ts';

const run = promisify(execFile);
/** Debian's packages ask this file before they start a service; 101 forbids it. */
const POLICY = '/usr/sbin/policy-rc.d';
const FORBID = '#!/bin/sh\n# For as long as Yilian installs packages, none may start a service.\nexit 101\n';

/**
 * Installs Debian's redis-server and neither starts nor enables its service. What a killed installation left of the
 * policy is put right by the next one.
 * @throws DeployError REDIS_MISSING when apt cannot
 */
export async function installFromDebian(
  given: Readonly<Record<string, string | undefined>>,
  say: (line: string) => void,
  policy = POLICY,
): Promise<void> {
  say('No Redis here: installing Debian’s redis-server (its service is neither started nor enabled)');
  const env = { ...given, DEBIAN_FRONTEND: 'noninteractive' };
  const restore = await forbidServices(policy);
  try {
    await run('apt-get', ['update', '-qq'], { env }).catch(() => undefined);
    await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'redis-server'], { env });
    await run('systemctl', ['disable', 'redis-server'], { env }).catch(() => undefined);
    await run('update-rc.d', ['redis-server', 'disable'], { env }).catch(() => undefined);
  } catch (cause) {
    throw new DeployError(
      'REDIS_MISSING',
      'Debian’s redis-server could not be installed; install a Redis or set REDIS_URLS',
      { cause },
    );
  } finally {
    await restore();
  }
}

/** Puts our policy in the place of the machine's own; returns how to undo that. */
async function forbidServices(policy: string): Promise<() => Promise<void>> {
  const aside = `${policy}.before-yilian`;
  const own = await readIfThere(policy);
  if (own !== undefined && own !== FORBID) await rename(policy, aside);
  await writeFile(policy, FORBID);
  await chmod(policy, 0o755);
  return async () => {
    if ((await readIfThere(aside)) === undefined) await rm(policy, { force: true });
    else await rename(aside, policy);
  };
}
