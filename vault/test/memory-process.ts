import { openBlockVault, openRemoteVault, serveGateway } from '../src/index.ts';
import { bytesOf, MIB } from './fixtures.ts';

/** Puts and gets so many MiB, directly and through a gateway, and says by how many MiB the process grew at most. */
const sizeMib = Number(process.argv[3]);
const vault = await openBlockVault({ folder: process.argv[2] ?? '' });
const gateway = await serveGateway(vault, { host: '127.0.0.1', port: 0 });
const remote = openRemoteVault({ holders: [gateway.url] });

async function* source(mib: number) {
  const chunk = bytesOf('chunk', MIB);
  for (let n = 0; n < mib; n += 1) {
    const copy = Buffer.from(chunk);
    copy.writeUInt32LE(n);
    yield copy;
  }
}

async function roundTrip(mib: number) {
  const { cid, sizeBytes } = await vault.put(source(mib));
  for (const reader of [vault, remote]) {
    let read = 0;
    for await (const part of reader.get(cid, { sizeBytes })) read += part.length;
    if (read !== sizeBytes) throw new Error(`${read} of ${sizeBytes} bytes`);
  }
}

await roundTrip(8);
const before = process.memoryUsage.rss();
let peak = before;
const watch = setInterval(() => {
  peak = Math.max(peak, process.memoryUsage.rss());
}, 5);
await roundTrip(sizeMib);
clearInterval(watch);
process.stdout.write(`${Math.round((peak - before) / MIB)}\n`);
process.exit();
