import { readFile } from 'node:fs/promises';
import type { Contract } from '@yilian/ledger/contract';
import { serveContracts } from '@yilian/ledger/contract-server';
import { runService } from '@yilian/service';
import type { ContractServerConfig } from './node-files.ts';

/** One organisation's contract server: `node contract-main.ts CONFIG.json`. */
await runService(async (file) => {
  const config = JSON.parse(await readFile(file, 'utf8')) as ContractServerConfig;
  const [certificate, privateKey, clientRoots] = await Promise.all(
    [config.tls.certificate, config.tls.privateKey, config.tls.roots].map((path) => readFile(path, 'utf8')),
  );
  const tls = { certificate: certificate ?? '', privateKey: privateKey ?? '', clientRoots: clientRoots ?? '' };
  const servers = await Promise.all(
    config.chaincodes.map(async ({ module, packageId, address }) => {
      const { contracts } = (await import(module)) as { contracts: readonly (new () => Contract)[] };
      return serveContracts({ contracts, packageId, address, tls });
    }),
  );
  return {
    url: config.chaincodes.map(({ address }) => `grpcs://${address}`).join(' '),
    async close() {
      await Promise.all(servers.map((server) => server.close()));
    },
  };
});
