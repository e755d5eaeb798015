import { readFile } from 'node:fs/promises';
import { openEmbedded } from '@yilian/ledger/embedded';
import { CHAINCODE as MAIN } from '@yilian/main-chain';
import { contracts as mainContracts } from '@yilian/main-chain/contracts';
import { contracts as regionalContracts } from '@yilian/regional-chain/contracts';
import { runService } from '@yilian/service';
import type { ChainConfig } from './embedded-chains.ts';

/** One chain on the embedded node: every organisation's peer in one process. SIGHUP takes new revocation lists. */
await runService(async (configFile) => {
  const config = await readConfig(configFile);
  const { chaincode, endorsement } = config;
  const contracts = chaincode === MAIN ? mainContracts : regionalContracts;
  const node = await openEmbedded(
    { ...config.network, chaincodes: [{ name: chaincode, version: '1', endorsement, contracts }] },
    { folder: config.folder },
  );
  const { address } = await node.serve({ host: '127.0.0.1', port: config.port });
  process.on('SIGHUP', () => {
    void readConfig(configFile).then(({ network }) => {
      for (const { mspId, roots, crls } of network.organisations)
        node.updateOrganisation({ mspId, roots, ...(crls && { crls }) });
    });
  });
  return { url: address, close: () => node.close() };
});

async function readConfig(file: string): Promise<ChainConfig> {
  return JSON.parse(await readFile(file, 'utf8')) as ChainConfig;
}
