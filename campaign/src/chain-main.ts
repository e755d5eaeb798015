/** A regional chain on the embedded node, as a process that can be killed: `node chain-main.ts CONFIG.json`. */
import { readFile } from 'node:fs/promises';
import { openEmbedded } from '@yilian/ledger/embedded';
import { type ChainConfig, chaincodesOf } from './network.ts';

const { folder, ...network } = JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')) as ChainConfig;
const node = await openEmbedded({ ...network, chaincodes: [chaincodesOf(network)] }, { folder });
const { address } = await node.serve();
process.once('SIGTERM', () => {
  void node.close().then(() => process.exit(0));
});
process.stdout.write(`${JSON.stringify({ ready: true, url: `http://${address}` })}\n`);
