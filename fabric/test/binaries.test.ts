import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { findBinaries } from '../src/index.ts';

const ALL = [
  'peer',
  'orderer',
  'configtxgen',
  'configtxlator',
  'osnadmin',
  'ccaas_detect',
  'ccaas_build',
  'ccaas_release',
];

/** A folder of programs that only tell a version. */
async function installed(version: string, without: readonly string[] = []): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fabric-binaries-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  for (const name of ALL.filter((each) => !without.includes(each))) {
    await writeFile(join(folder, name), `#!/bin/sh\nprintf '${name}:\\n Version: ${version}\\n Commit SHA: 0\\n'\n`);
    await chmod(join(folder, name), 0o755);
  }
  return folder;
}

it.each(['3.1.0', 'v3.1.3', '3.2.0', 'latest'])('Fabric %s will do', async (version) => {
  const folder = await installed(version);
  expect(await findBinaries(folder)).toMatchObject({ peer: join(folder, 'peer'), version: version.replace('v', '') });
});

it.each(['2.5.12', '3.0.0', '4.0.0', 'broken'])('Fabric %s will not, and which would is said', async (version) => {
  await expect(findBinaries(await installed(version))).rejects.toMatchObject({
    code: 'FABRIC_UNFIT',
    message: expect.stringMatching(/is of version .*; Hyperledger Fabric 3\.1 or a later 3\.x is needed/) as string,
  });
});

it('says what is not there', async () => {
  await expect(findBinaries(await installed('3.1.0', ['orderer', 'ccaas_build']))).rejects.toMatchObject({
    code: 'FABRIC_MISSING',
    message: 'not in PATH: orderer, ccaas_build of Hyperledger Fabric 3.1 or a later 3.x',
  });
  await expect(findBinaries('')).rejects.toMatchObject({ code: 'FABRIC_MISSING' });
});

it('does not take a program that cannot run for one', async () => {
  const folder = await installed('3.1.0');
  await writeFile(join(folder, 'peer'), '#!/nonexistent\n');
  await expect(findBinaries(folder)).rejects.toMatchObject({ code: 'FABRIC_UNFIT' });
});
