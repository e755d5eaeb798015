import { readFileSync } from 'node:fs';
import { DeployError } from '../errors.ts';
import type { Sources } from '../sources.ts';

const PACKAGE = new URL('../../package.json', import.meta.url);

/** What a backup's formats depend on. */
export function versionsOf({ fabric, kubo }: Sources): Readonly<Record<string, string>> {
  const { version } = JSON.parse(readFileSync(PACKAGE, 'utf8')) as { version: string };
  return {
    yilian: version,
    node: process.version,
    ...(fabric && { fabric: fabric.version }),
    ...(kubo && { kubo: kubo.version }),
  };
}

/**
 * Whether what is installed reads what these versions wrote: of Yilian the same, of Fabric the same or a later 3.x.
 * Bodies are read by every Kubo.
 * @throws DeployError BACKUP_INVALID
 */
export function requireReadable(
  written: Readonly<Record<string, string>>,
  installed: Readonly<Record<string, string>>,
): void {
  const { yilian, fabric } = written;
  if (yilian !== installed['yilian'])
    throw new DeployError('BACKUP_INVALID', `it was taken by Yilian ${yilian}; this is ${installed['yilian']}`);
  if (fabric === undefined || fabric === installed['fabric']) return;
  const [major = 0, minor = 0] = fabric.split('.').map(Number);
  const [ownMajor = 0, ownMinor = 0] = (installed['fabric'] ?? '').split('.').map(Number);
  if (!(major === ownMajor && ownMinor >= minor))
    throw new DeployError(
      'BACKUP_INVALID',
      `it was taken of Fabric ${fabric}; ${installed['fabric']} need not read it`,
    );
}
