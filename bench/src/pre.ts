import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { machine } from '@yilian/evaluation/machine';
import { quantile } from '@yilian/evaluation/statistics';
import * as pre from '@yilian/pre';
import { PreWorkers } from '@yilian/pre/workers';
import { batchOperations } from './pre-batches.ts';
import { preOperations, timed } from './pre-operations.ts';
import { peerOperations } from './pre-peer.ts';

/**
 * `pnpm bench pre [--rounds N] [--out FILE]`: proxy re-encryption beside umbral-pre's WebAssembly, interleaved in one process,
 * and beside our own fallback without WebAssembly, in a worker that has its turn in every round. Batches stand beside the
 * peer's single operations. Medians of the rounds, and the median and the quartiles of each round's own ratio.
 */
const SLICE_MS = 25;
const WARM_UP_ROUNDS = 3;

const { values } = parseArgs({
  args: process.argv.slice(2).filter((arg) => arg !== '--'),
  options: { rounds: { type: 'string', default: '15' }, out: { type: 'string' } },
});
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1)
  throw new Error(`--rounds is a whole number from 1 on, not ${values.rounds}`);

await using workers = new PreWorkers();
const single = preOperations(pre);
const ours = { ...single, ...batchOperations(workers) };
const peers = peerOperations();
const fallback = new Worker(new URL('./pre-fallback.ts', import.meta.url));
/** Batches are left out there: one of 200 takes seconds. */
const inFallback = async (name: string): Promise<number> => {
  if (!(name in single)) return Number.NaN;
  fallback.postMessage({ name, sliceMs: SLICE_MS });
  const [us] = (await once(fallback, 'message')) as [number];
  return us;
};

const median = (of: readonly number[]) => quantile(of, 0.5);
const rows = [];
for (const name of Object.keys(ours)) {
  const samples: { ours: number; peer: number; fallback: number }[] = [];
  for (let at = -WARM_UP_ROUNDS; at < rounds; at++) {
    const sample = {
      ours: await timed(ours, name, SLICE_MS),
      peer: await timed(peers, name, SLICE_MS),
      fallback: await inFallback(name),
    };
    if (at >= 0) samples.push(sample);
  }
  const ratios = samples.map((sample) => sample.peer / sample.ours);
  rows.push({
    operation: name,
    oursUs: median(samples.map((sample) => sample.ours)),
    peerUs: median(samples.map((sample) => sample.peer)),
    fallbackUs: median(samples.map((sample) => sample.fallback)),
    ratio: median(ratios),
    quartiles: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
  });
}
await fallback.terminate();

const result = { machine: machine(), rounds, sliceMs: SLICE_MS, rows };
const { cpu, cores, node, commit } = result.machine;
console.log(`${cpu}, ${cores} cores, Node ${node}, commit ${commit}; ${rounds} rounds, microseconds\n`);
console.log('operation                             ours     peer   noble   peer/ours   quartiles');
for (const { operation, oursUs, peerUs, fallbackUs, ratio, quartiles } of rows) {
  const times = [oursUs, peerUs, fallbackUs]
    .map((us) => (Number.isNaN(us) ? '–' : us.toFixed(0)).padStart(8))
    .join(' ');
  console.log(
    `${operation.padEnd(34)}${times}${ratio.toFixed(2).padStart(12)}   ${quartiles.map((q) => q.toFixed(2)).join(' to ')}`,
  );
}
if (values.out !== undefined) await writeFile(values.out, `${JSON.stringify(result, null, 2)}\n`);
