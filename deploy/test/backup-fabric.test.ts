import { findBinaries } from '@yilian/fabric';
import { describe, it } from 'vitest';
import type { Description } from '../local/description.ts';
import { findKubo } from '../local/kubo.ts';
import { backedUpAndRestored } from './federation/backup.ts';

const missing = await Promise.all([findBinaries(), findKubo()]).then(
  () => undefined,
  (error: unknown) => error as Error,
);

if (missing !== undefined)
  it.skip(`a federation on Fabric and Kubo is backed up and restored (skipped: ${missing.message})`, () => undefined);
else
  describe('a federation on Fabric and Kubo that is backed up and restored', () =>
    backedUpAndRestored(['--engine', 'fabric', '--vault', 'kubo'], withSeveralOrderers));

/** SmartBFT on the main chain, three of Raft in a region, one in the other. */
function withSeveralOrderers(description: Description): Description {
  return {
    ...description,
    authorities: [...description.authorities, { mspId: 'NationalArchive', name: 'National Archive' }],
    regions: description.regions.map((region) => ({
      ...region,
      ...(region.organisations.length > 2 && { orderers: region.organisations.map(({ mspId }) => mspId) }),
    })),
  };
}
