import { readFileSync } from 'node:fs';
import { EvaluationError } from '../errors.ts';

/** Linux tells times of processes in hundredths of a second, whatever its own clock ticks (proc(5), `USER_HZ`). */
const TICK_MS = 10;
/** Of the fields behind the program's name. */
const [USER, SYSTEM] = [11, 12];

/** Processor time that a process has taken so far, milliseconds. @throws EvaluationError RUN_FAILED when it is gone */
export function processorMs(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return TICK_MS * (Number(fields[USER]) + Number(fields[SYSTEM]));
  } catch (cause) {
    throw new EvaluationError('RUN_FAILED', `process ${pid} of a chain is gone`, { cause });
  }
}
