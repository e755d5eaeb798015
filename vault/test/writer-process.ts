import { openBlockVault } from '../src/index.ts';
import { bytesOf, MIB } from './fixtures.ts';

/** A process of its own that puts 4 MiB, says so, then waits for a word on stdin before it puts the rest and says the CID. */
const vault = await openBlockVault({ folder: process.argv[2] ?? '' });

async function* source() {
  for (let n = 0; n < 16; n += 1) yield bytesOf(`child ${n}`, MIB);
  process.stdout.write('half-way\n');
  await new Promise((resolve) => {
    process.stdin.once('data', resolve);
  });
  yield bytesOf('child last', 10);
}

const { cid } = await vault.put(source());
process.stdout.write(`${cid}\n`);
await vault[Symbol.asyncDispose]();
process.exit();
