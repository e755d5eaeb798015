/** `pnpm bench NAME`: runs one benchmark; the benchmark reads its own options. */
const BENCHMARKS: Readonly<Record<string, () => Promise<unknown>>> = {
  pre: () => import('./pre.ts'),
  query: () => import('./query.ts'),
  sealed: () => import('./sealed.ts'),
};

if (process.argv[2] === '--') process.argv.splice(2, 1);
const [name = ''] = process.argv.splice(2, 1);
const benchmark = BENCHMARKS[name];
if (benchmark === undefined) {
  console.error(`usage: pnpm bench ${Object.keys(BENCHMARKS).join(' | ')}`);
  process.exitCode = 2;
} else {
  await benchmark();
}
