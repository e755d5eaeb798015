import { openBlockVault, openKuboVault, type StoredVault } from '@yilian/vault';
import { hospitals, type RegionDescription } from './description.ts';
import type { Layout, Listening } from './layout.ts';

/** A holder's vault as its own processes open it. */
export interface HolderConfig {
  readonly mspId: string;
  /** A folder of the embedded block store, or the RPC of the holder's own Kubo. */
  readonly blocks: { readonly folder: string } | { readonly kubo: string };
  /** The region's other holders. */
  readonly others: readonly string[];
}

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

/** @throws VaultError */
export function openHolder({ blocks, others }: HolderConfig): Promise<StoredVault> {
  const holders = [...others];
  return 'kubo' in blocks
    ? openKuboVault({ url: blocks.kubo, holders })
    : openBlockVault({ folder: blocks.folder, holders });
}
