/** One run in a process of its own: `run.ts TASK.json RECORD.json`. */
import { readFile } from 'node:fs/promises';
import { measure, type Task } from './measure.ts';
import { writeRecord } from './record.ts';

const [taskFile = '', recordFile = ''] = process.argv.slice(2);
const task = JSON.parse(await readFile(taskFile, 'utf8')) as Task;
writeRecord(recordFile, await measure(task));
