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

/** Kills this process with SIGKILL when `YILIAN_FAIL_AT` names the step; only under `NODE_ENV=test`. */
export function failpoint(step: Step): void {
  if (process.env['NODE_ENV'] === 'test' && process.env['YILIAN_FAIL_AT'] === step)
    process.kill(process.pid, 'SIGKILL');
}
