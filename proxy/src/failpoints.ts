import { failpoint as failAt } from '@yilian/service';

/** Steps at which a crash test may stop the process; README.md lists them. */
export type Step =
  | 'kfrags.wrapped'
  | 'kfrags.stored'
  | 'kfrags.acknowledged'
  | 'release.checked'
  | 'release.sealed'
  | 'revocation.stopped'
  | 'destruction.overwritten'
  | 'destruction.unlinked'
  | 'destruction.erased'
  | 'receipt.committed';

export const failpoint: (step: Step) => void = failAt;
