// Run as a process of its own by memory.test.ts: the memory of a test runner is not that of a reader of records.
// By hand, for as many GiB as wanted: `node pre/test/memory-probe.ts 10`.
import { openBody, sealBody } from '../src/index.ts';

const PIECE_BYTES = 2 ** 16;
const totalBytes = Number(process.argv[2] ?? 1) * 2 ** 30;

function* plaintext(): Generator<Uint8Array> {
  for (let sent = 0; sent < totalBytes; sent += PIECE_BYTES) yield new Uint8Array(PIECE_BYTES).fill(sent / PIECE_BYTES);
}

const contentKey = new Uint8Array(32).fill(1);
const before = process.memoryUsage.rss();
const started = performance.now();
let growth = 0;
let opened = 0;
for await (const piece of openBody(contentKey, sealBody(contentKey, plaintext()))) {
  opened += piece.length;
  growth = Math.max(growth, process.memoryUsage.rss() - before);
}
process.stdout.write(JSON.stringify({ opened, growth, seconds: (performance.now() - started) / 1000 }));
