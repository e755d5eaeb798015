import { execFile } from 'node:child_process';
import { realpath } from 'node:fs/promises';
import { promisify } from 'node:util';
import { inPath } from '@yilian/service';
import { FabricError } from './errors.ts';

const run = promisify(execFile);
const TOOLS = ['peer', 'orderer', 'configtxgen', 'configtxlator', 'osnadmin'] as const;
const BUILDERS = ['ccaas_detect', 'ccaas_build', 'ccaas_release'] as const;
const WANTED = '3.1 or a later 3.x';
const VERSION = /^\s*Version:\s*v?(\S+)/m;

/** Paths of Fabric's programs. */
export type Binaries = Readonly<Record<(typeof TOOLS)[number] | (typeof BUILDERS)[number], string>> & {
  readonly version: string;
};

/**
 * Finds Fabric's programs in PATH. A build from its sources calls itself `latest` and is taken at its word.
 * @throws FabricError FABRIC_MISSING, FABRIC_UNFIT
 */
export async function findBinaries(path = process.env['PATH']): Promise<Binaries> {
  const found = await Promise.all(
    [...TOOLS, ...BUILDERS].map(async (name) => [name, await inPath([name], path)] as const),
  );
  const missing = found.flatMap(([name, file]) => (file === undefined ? [name] : []));
  if (missing.length > 0)
    throw new FabricError('FABRIC_MISSING', `not in PATH: ${missing.join(', ')} of Hyperledger Fabric ${WANTED}`);
  // A peer's folder names the builder's programs; whoever runs that peer elsewhere has them where they really are.
  const real = found.map(async ([name, file = '']) => [
    name,
    BUILDERS.some((each) => each === name) ? await realpath(file) : file,
  ]);
  const binaries = Object.fromEntries(await Promise.all(real)) as Omit<Binaries, 'version'>;
  const versions = await Promise.all(
    (['peer', 'orderer'] as const).map(async (name) => [name, await versionOf(binaries[name])] as const),
  );
  for (const [name, version] of versions)
    if (!isWanted(version))
      throw new FabricError('FABRIC_UNFIT', `${name} is of version ${version}; Hyperledger Fabric ${WANTED} is needed`);
  return { ...binaries, version: versions[0]?.[1] ?? '' };
}

async function versionOf(program: string): Promise<string> {
  try {
    const { stdout } = await run(program, ['version'], { timeout: 10_000 });
    return VERSION.exec(stdout)?.[1] ?? 'unknown';
  } catch (cause) {
    throw new FabricError('FABRIC_UNFIT', `${program} does not tell its version`, { cause });
  }
}

function isWanted(version: string): boolean {
  if (version === 'latest') return true;
  const [, major, minor] = /^(\d+)\.(\d+)\./.exec(version) ?? [];
  return Number(major) === 3 && Number(minor) >= 1;
}
