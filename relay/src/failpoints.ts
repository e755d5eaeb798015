import { failpoint as failAt } from '@yilian/service';

/** Steps at which a crash test may stop the process; README.md lists them. */
export type Step =
  | 'request.received'
  | 'request.ordered'
  | 'request.committed'
  | 'leg.started'
  | 'leg.answered'
  | 'leg.verified'
  | 'leg.stored'
  | 'decide.received'
  | 'decide.queued'
  | 'decide.started'
  | 'decide.committed'
  | 'decide.assembled'
  | 'mirror.started'
  | 'mirror.committed'
  | 'absence.declared'
  | 'absence.recorded'
  | 'index.announced'
  | 'index.added'
  | 'region.proven'
  | 'receipt.received'
  | 'receipt.committed'
  | 'checkpoint.signed'
  | 'checkpoint.anchored';

export const failpoint: (step: Step) => void = failAt;
