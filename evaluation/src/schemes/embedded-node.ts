import { type EmbeddedChaincode, openEmbedded } from '@yilian/ledger/embedded';
import { chaincodesOf } from '@yilian/testbed/network';
import { type ChainNode, type NodePlan, Peer } from './chain-node.ts';

/** A chain on an embedded node in memory, which is every organisation's peer and the orderer. */
export async function openEmbeddedNode({ network, contracts, cutMs }: NodePlan): Promise<ChainNode> {
  await using opened = new AsyncDisposableStack();
  const served = (await import(contracts)) as Pick<EmbeddedChaincode, 'contracts'>;
  const chaincodes = [{ ...chaincodesOf(network.config), contracts: served.contracts }];
  const node = opened.use(
    await openEmbedded({ ...network.config, chaincodes }, { folder: ':memory:', batch: { timeoutMs: cutMs } }),
  );
  const [first = ''] = network.mspIds;
  const peer = opened.use(await Peer.watch(network, first, node.client()));
  const resources = opened.move();
  return {
    peers: [peer],
    peer: () => peer,
    cpuMs: () => 0,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
