import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { BELL, CLOSED, DUE, IDLE } from './clock-cells.ts';

const { shared } = workerData as { readonly shared: SharedArrayBuffer };
const moments = new BigInt64Array(shared);
const bells = new Int32Array(shared);

for (;;) {
  const rung = Atomics.load(bells, BELL);
  const due = Atomics.load(moments, DUE);
  if (due === CLOSED) break;
  const waitMs = due === IDLE ? Number.POSITIVE_INFINITY : Number(due - process.hrtime.bigint()) / 1e6;
  if (waitMs > 0 && Atomics.wait(bells, BELL, rung, waitMs) !== 'timed-out') continue;
  if (Atomics.compareExchange(moments, DUE, due, IDLE) === due) (parentPort as MessagePort).postMessage(null);
}
