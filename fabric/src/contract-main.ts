import { readFile } from 'node:fs/promises';
import type { Contract } from '@yilian/ledger/contract';
import { serveContracts } from '@yilian/ledger/contract-server';
import { runService } from '@yilian/service';
import type { ContractServerConfig } from './network.ts';

/** One organisation's contract server: `node contract-main.ts CONFIG.json`. */
await runService(async (file) => {
  const config = JSON.parse(await readFile(file, 'utf8')) as ContractServerConfig;
  const { contracts } = (await import(config.module)) as { contracts: readonly (new () => Contract)[] };
  const [certificate, privateKey, clientRoots] = await Promise.all(
    [config.tls.certificate, config.tls.privateKey, config.tls.roots].map((path) => readFile(path, 'utf8')),
  );
  const { close } = await serveContracts({
    contracts,
    packageId: config.packageId,
    address: config.address,
    tls: { certificate: certificate ?? '', privateKey: privateKey ?? '', clientRoots: clientRoots ?? '' },
  });
  return { url: `grpcs://${config.address}`, close };
});
