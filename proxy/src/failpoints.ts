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

/** Kills this process with SIGKILL when `YILIAN_FAIL_AT` names the step; only under `NODE_ENV=test`. */
export function failpoint(step: Step): void {
  if (process.env['NODE_ENV'] === 'test' && process.env['YILIAN_FAIL_AT'] === step)
    process.kill(process.pid, 'SIGKILL');
}
