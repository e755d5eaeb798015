import { parentPort } from 'node:worker_threads';
import { perform, type Task } from './thread-task.ts';

/** One thread of a pool: does the tasks it is sent, one after the other, until it is ended. */
parentPort?.on('message', (task: Task) => {
  const { message, secrets } = perform(task);
  parentPort?.postMessage(
    message,
    secrets.map(({ buffer }) => buffer),
  );
});
