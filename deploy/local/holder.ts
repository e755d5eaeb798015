import { openBlockVault, openKuboVault, type StoredVault } from '@yilian/vault';

/** A holder's vault as its own processes open it. */
export interface HolderConfig {
  readonly mspId: string;
  /** A folder of the embedded block store, or the RPC of the holder's own Kubo. */
  readonly blocks: { readonly folder: string } | { readonly kubo: string };
  /** The region's other holders. */
  readonly others: readonly string[];
}

/** @throws VaultError */
export function openHolder({ blocks, others }: HolderConfig): Promise<StoredVault> {
  const holders = [...others];
  return 'kubo' in blocks
    ? openKuboVault({ url: blocks.kubo, holders })
    : openBlockVault({ folder: blocks.folder, holders });
}
