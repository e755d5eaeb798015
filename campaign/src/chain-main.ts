import { readFile } from 'node:fs/promises';
import { openEmbedded } from '@yilian/ledger/embedded';
import { runService } from '@yilian/service';
import { type ChainConfig, chaincodesOf } from '@yilian/testbed/network';

/** A regional chain on the embedded node, as a process that can be killed: `node chain-main.ts CONFIG.json`. */
await runService(async (file) => {
  const { folder, ...network } = JSON.parse(await readFile(file, 'utf8')) as ChainConfig;
  const node = await openEmbedded({ ...network, chaincodes: [chaincodesOf(network)] }, { folder });
  const { address } = await node.serve();
  return { url: `http://${address}`, close: () => node.close() };
});
