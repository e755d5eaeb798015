import { peerHeight } from './lifecycle.ts';
import type { Site } from './site.ts';
import { until } from './until.ts';

const EVERYWHERE_MS = 60_000;

/** Returns when every peer of these organisations has every block there is now. @throws FabricError FABRIC_NOT_READY */
export async function everywhere(site: Site, mspIds: readonly string[], signal?: AbortSignal): Promise<void> {
  const { channel, orderers, organisations } = site.plan;
  const statuses = await Promise.all(orderers.map((orderer) => site.status(orderer, signal)));
  const height = Math.max(...statuses.map((status) => status?.height ?? 0));
  const concerned = organisations.filter(({ mspId }) => mspIds.includes(mspId));
  await Promise.all(
    concerned.flatMap(({ mspId, peers }) =>
      peers.map(async ({ name }) => {
        const administrator = site.administrator(mspId, name);
        await until(
          `${name} of ${mspId} lags behind ${channel}`,
          async () => (await peerHeight(administrator, channel, signal)) >= height,
          { withinMs: EVERYWHERE_MS, signal },
        );
      }),
    ),
  );
}
