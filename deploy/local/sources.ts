import { type Binaries, findBinaries } from '@yilian/fabric';
import type { Engines } from './engines.ts';
import { findKubo, type KuboSource } from './kubo.ts';

/** The programs of those engines that are not embedded. */
export interface Sources {
  readonly fabric?: Binaries;
  readonly kubo?: KuboSource;
}

/** @throws DeployError KUBO_MISSING KUBO_UNFIT, FabricError FABRIC_MISSING FABRIC_UNFIT */
export async function findSources({ engine, vault }: Partial<Engines>): Promise<Sources> {
  return {
    ...(vault === 'kubo' && { kubo: await findKubo() }),
    ...(engine === 'fabric' && { fabric: await findBinaries() }),
  };
}
