/** Kills this process with SIGKILL when `YILIAN_FAIL_AT` names the step; only under `NODE_ENV=test`. */
export function failpoint(step: string): void {
  if (process.env['NODE_ENV'] === 'test' && process.env['YILIAN_FAIL_AT'] === step)
    process.kill(process.pid, 'SIGKILL');
}
