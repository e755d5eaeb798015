/**
 * Loaded before a program (`node --import`): lets the campaign name, while the program runs, the step at which it kills
 * itself, or stops itself as SIGSTOP does, and put its clock ahead. The programs read `YILIAN_FAIL_AT` whenever they pass a
 * step.
 */
import { DatabaseSync } from 'node:sqlite';

/** What the campaign sends; acknowledged with the same message. */
export interface Arming {
  readonly step: string;
  readonly how: 'kill' | 'freeze';
}

/** How far its clock is to be ahead from now on. */
interface Shift {
  readonly aheadMs: number;
}
export type Order = Arming | Shift;

let how: Arming['how'] = 'kill';
let aheadMs = 0;
const now = Date.now.bind(Date);
Date.now = () => now() + aheadMs;
const kill = process.kill.bind(process);
process.kill = (pid, signal) => {
  if (how === 'kill' || pid !== process.pid || signal !== 'SIGKILL') return kill(pid, signal);
  process.env['YILIAN_FAIL_AT'] = '';
  return kill(pid, 'SIGSTOP');
};

/** A chain has no steps of its own: it can be killed inside the commit of a block, and right after it. */
const { prototype } = DatabaseSync;
prototype.exec = new Proxy(Reflect.get(prototype, 'exec') as (sql: string) => void, {
  apply(exec, database, args) {
    const commits = args[0] === 'COMMIT';
    if (commits) failAt('block.writing');
    Reflect.apply(exec, database, args);
    if (commits) failAt('block.written');
  },
});

function failAt(step: string): void {
  if (process.env['YILIAN_FAIL_AT'] === step) process.kill(process.pid, 'SIGKILL');
}

process.on('message', (order: Order) => {
  if ('aheadMs' in order) ({ aheadMs } = order);
  else {
    process.env['YILIAN_FAIL_AT'] = order.step;
    ({ how } = order);
  }
  process.send?.(order);
});
process.channel?.unref();
