import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Evaluation, Sample } from '../src/results.ts';
import { requireRoom } from '../src/runner.ts';
import { children } from './schemes/deployments.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const SLOW_MS = 240_000;
/** Two schemes at both ends, and a mixture between them of one. */
const SMALL =
  '--schemes federation,no-chain --regions 2 --rtt 20 --ratio 40 --runs 2 --requests 3 --warm-up 1 --rate 10 --cut 5 --records 4';

describe('An evaluation', () => {
  let folder: string;
  const evaluate = async (
    more: string,
    onStderr: (line: string, child: ReturnType<typeof spawn>) => void = () => undefined,
  ) => {
    const args = [MAIN, ...`${SMALL} ${more}`.split(' ').filter((arg) => arg !== '')];
    // In a group of its own, as a shell starts it.
    const child = spawn(process.execPath, args, { detached: true });
    child.stderr.on('data', (piece: Buffer) => onStderr(piece.toString(), child));
    const [stderr] = await Promise.all([text(child.stderr), once(child, 'close')]);
    return { exitCode: child.exitCode, stderr };
  };
  const runs = async (): Promise<string[]> =>
    (await readdir(join(folder, 'runs'))).filter((name) => name.endsWith('.json')).toSorted();
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'yilian-evaluation-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('that is interrupted keeps the runs it finished, and no report', { timeout: SLOW_MS }, async () => {
    const { exitCode, stderr } = await evaluate(`--seed one --out ${folder}`, (line, child) => {
      if (line.startsWith('2 of 6')) child.kill('SIGINT');
    });
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('interrupted: what was measured is kept')]);
    expect(await runs()).toHaveLength(1);
    expect(await readdir(folder)).not.toContain('evaluation.json');
    expect(await readdir(folder)).not.toContain('report.html');
  });

  it('ends when a terminal interrupts it with all that it started, while a run needs its Redis', {
    timeout: SLOW_MS,
  }, async () => {
    const { exitCode, stderr } = await evaluate(`--seed two --out ${folder}-terminal`, (line, child) => {
      if (line.startsWith('1 of 6')) void redisOf(child).then(() => process.kill(-(child.pid ?? 0), 'SIGINT'));
    });
    await rm(`${folder}-terminal`, { recursive: true });
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('interrupted: what was measured is kept')]);
  });

  it('goes on where it was, and reports what it measured', { timeout: SLOW_MS }, async () => {
    const [kept = ''] = await runs();
    const before = await readFile(join(folder, 'runs', kept), 'utf8');
    const { exitCode, stderr } = await evaluate(`--out ${folder}`);
    expect([exitCode, stderr]).toEqual([0, expect.stringContaining('report.html')]);
    expect(await readFile(join(folder, 'runs', kept), 'utf8')).toBe(before);
    expect(await runs()).toHaveLength(6);

    const evaluation = JSON.parse(await readFile(join(folder, 'evaluation.json'), 'utf8')) as Evaluation;
    const { cells, crossovers, schemes, calibrations, environment, primary } = evaluation;
    expect(environment).toMatchObject({ engine: 'embedded', seed: 'one' });
    expect(primary).toMatchObject({ scheme: 'federation', regions: 2, rttMs: 20 });
    expect(schemes.map(({ id }) => id).toSorted()).toEqual(['federation', 'no-chain']);
    expect(cells).toHaveLength(3);
    const samples = (await readFile(join(folder, 'raw.jsonl'), 'utf8')).trimEnd().split('\n');
    // Three of each kind, twice, of two schemes; three of a mixture, twice, of one.
    expect(samples).toHaveLength(30);
    for (const { latencyMs, phases, sizeBytes } of samples.map((line) => JSON.parse(line) as Sample)) {
      const sum = Object.values(phases).reduce((total, ms) => total + ms, 0);
      expect(latencyMs).toBeGreaterThanOrEqual(sum);
      expect(sizeBytes).toBeGreaterThan(0);
    }
    for (const { marks } of cells)
      expect(marks.filter(({ code }) => code === 'WRONG_ANSWER' || code === 'MISSING_ANSWER')).toEqual([]);
    for (const { askedMs, beforeMs } of calibrations) expect(beforeMs).toBeGreaterThanOrEqual(askedMs);
    for (const each of crossovers) {
      expect(each).toMatchObject({ scheme: 'federation', against: 'no-chain' });
      expect(each.verdicts[each.verdict]).toBe(Math.max(...Object.values(each.verdicts)));
      expect(Object.values(each.verdicts).reduce((sum, share) => sum + share, 0)).toBeCloseTo(1);
    }
    const report = await readFile(join(folder, 'report.html'), 'utf8');
    for (const { title, titleZh } of schemes)
      expect(report).toEqual(expect.stringContaining(title) && expect.stringContaining(titleZh));
    const table = (await readFile(join(folder, 'cells.csv'), 'utf8')).trimEnd().split('\r\n');
    expect(table).toHaveLength(1 + cells.length);
  });

  it('measures nothing again in a folder that is whole, and gives the same figures', { timeout: SLOW_MS }, async () => {
    const cellsOf = async () =>
      (JSON.parse(await readFile(join(folder, 'evaluation.json'), 'utf8')) as Evaluation).cells;
    const before = await cellsOf();
    const { exitCode, stderr } = await evaluate(`--out ${folder}`);
    expect([exitCode, stderr]).toEqual([0, expect.not.stringContaining(' of 6')]);
    expect(await cellsOf()).toEqual(before);
  });

  it('takes a run that was cut off for none', { timeout: SLOW_MS }, async () => {
    const [first = ''] = await runs();
    const file = join(folder, 'runs', first);
    const whole = await readFile(file, 'utf8');
    await writeFile(file, whole.slice(0, whole.length / 2));
    const { exitCode, stderr } = await evaluate(`--out ${folder}`);
    expect([exitCode, stderr.match(/of 6/g)?.length]).toEqual([0, 1]);
  });

  it('does not mix with one of other options in the same folder', { timeout: SLOW_MS }, async () => {
    const { exitCode, stderr } = await evaluate(`--out ${folder} --rate 9`);
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('holds an evaluation with other options')]);
  });

  it('says in words what it cannot do, and explains itself', { timeout: SLOW_MS }, async () => {
    expect(await evaluate('--ratio 101')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/^OPTION_INVALID: --ratio 101/) as string,
    });
    expect(await evaluate('--help')).toMatchObject({
      exitCode: 0,
      stderr: expect.stringContaining('usage: pnpm evaluate') as string,
    });
  });

  it('is refused on a machine too small for its regions, with the estimate', () => {
    expect(() => requireRoom(8, 'embedded', 2 ** 30)).toThrow(
      /^8 regions on the engine embedded need about \d+ MiB .* has 1024 MiB$/,
    );
    expect(() => requireRoom(8, 'embedded', 2 ** 33)).not.toThrow();
    expect(() => requireRoom(8, 'fabric', 2 ** 33)).toThrow('MiB');
  });
});

/** Waits until a run of an evaluation has started a Redis. */
async function redisOf({ pid }: ChildProcess): Promise<void> {
  await vi.waitFor(async () => {
    const runs = [...(await children(pid)).values()].flat();
    const theirs = await Promise.all(runs.map((run) => children(run)));
    expect(theirs.flatMap((each) => [...each.keys()])).toContain('redis-server');
  }, SLOW_MS);
}
