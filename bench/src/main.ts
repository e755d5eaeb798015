/** `pnpm bench NAME`: runs one benchmark; the benchmark reads its own options. */
const BENCHMARKS: Readonly<Record<string, string>> = { query: './query.ts' };

if (process.argv[2] === '--') process.argv.splice(2, 1);
const [name = ''] = process.argv.splice(2, 1);
const file = BENCHMARKS[name];
if (file === undefined) {
  console.error(`usage: pnpm bench ${Object.keys(BENCHMARKS).join(' | ')}`);
  process.exitCode = 2;
} else {
  await import(file);
}
