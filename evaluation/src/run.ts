/** One run in a process of its own: `run.ts TASK.json RECORD.json`. Told to end, it ends what it started and leaves no record. */
import { readFile } from 'node:fs/promises';
import { measure, type Task } from './measure.ts';
import { writeRecord } from './record.ts';

const ended = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => ended.abort());
const [taskFile = '', recordFile = ''] = process.argv.slice(2);
const task = JSON.parse(await readFile(taskFile, 'utf8')) as Task;
writeRecord(recordFile, await measure(task, ended.signal));
