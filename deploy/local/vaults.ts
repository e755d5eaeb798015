import { hospitals, type RegionDescription } from './description.ts';
import type { HolderConfig } from './holder.ts';
import type { Layout, Listening } from './layout.ts';

/** Configuration of `vault-main.ts`. */
export interface VaultConfig {
  readonly holders: readonly (HolderConfig & Listening)[];
}

/** The vaults of a region's holders, and where their gateways listen. */
export async function vaultConfig(layout: Layout, described: RegionDescription): Promise<VaultConfig> {
  const { region } = described;
  const gateways = layout.holders(described);
  const holders = [];
  for (const { mspId } of hospitals(described)) {
    const own = layout.url(`${region}/vault/${mspId}`);
    holders.push({
      mspId,
      blocks:
        layout.engines.vault === 'kubo'
          ? { kubo: layout.url(`${region}/kubo/${mspId}`) }
          : { folder: await layout.folder(region, 'vault', mspId) },
      ...(await layout.listening(`${region}/vault/${mspId}`)),
      others: gateways.filter((url) => url !== own),
    });
  }
  return { holders };
}
