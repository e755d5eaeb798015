import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { csv } from '../src/report/csv.ts';
import { writeResults } from '../src/report/folder.ts';
import { evaluationFixture, HOSTILE } from './fixture/evaluation.ts';

const FILES = ['cells.csv', 'crossover.csv', 'evaluation.json', 'report.html'];

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'yilian-report-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const read = (name: string) => readFile(join(folder, name), 'utf8');

test('a folder is made, holds four files and nothing temporary', async () => {
  const made = join(folder, 'a', 'b');
  await writeResults(made, evaluationFixture());
  expect((await readdir(made)).toSorted()).toEqual(FILES);
});

test('the evaluation is read as it was written, beside what the folder held before', async () => {
  await writeFile(join(folder, 'raw.jsonl'), '{}\n');
  await writeResults(folder, evaluationFixture());
  expect(JSON.parse(await read('evaluation.json'))).toEqual(evaluationFixture());
  expect(await read('raw.jsonl')).toBe('{}\n');
});

test('a second evaluation takes the place of the first', async () => {
  await writeResults(folder, evaluationFixture());
  const later = evaluationFixture({ environment: { ...evaluationFixture().environment, seed: 'another seed' } });
  await writeResults(folder, later);
  expect((await readdir(folder)).toSorted()).toEqual(FILES);
  for (const name of ['evaluation.json', 'report.html']) expect(await read(name)).toContain('another seed');
});

test('a failure half-way leaves no evaluation that could be taken for a whole one', async () => {
  await writeResults(folder, evaluationFixture());
  // A folder in the way of a file makes its renaming fail after others have succeeded.
  await rm(join(folder, 'crossover.csv'));
  await mkdir(join(folder, 'crossover.csv', 'in the way'), { recursive: true });
  await expect(writeResults(folder, evaluationFixture())).rejects.toThrow();
  expect((await readdir(folder)).toSorted()).toEqual(['cells.csv', 'crossover.csv', 'report.html']);
});

test('what cannot be drawn leaves the folder as it was', async () => {
  await writeResults(folder, evaluationFixture());
  const before = await read('evaluation.json');
  await expect(writeResults(folder, { ...evaluationFixture(), cells: undefined as never })).rejects.toThrow(TypeError);
  expect(await read('evaluation.json')).toBe(before);
  expect((await readdir(folder)).toSorted()).toEqual(FILES);
});

test('a field with a comma, a quote or a line break is quoted, and a quote doubled', () => {
  expect(
    csv(
      ['a', 'b (ms)'],
      [
        ['x,y', 1.5],
        ['say "no"', undefined],
        ['two\nlines', Number.NaN],
      ],
    ),
  ).toBe('a,b (ms)\r\n"x,y",1.5\r\n"say ""no""",\r\n"two\nlines",\r\n');
});

test('each cell and each comparison is one record with as many fields as the header', async () => {
  const evaluation = evaluationFixture();
  await writeResults(folder, evaluation);
  for (const [name, count] of [
    ['cells.csv', evaluation.cells.length],
    ['crossover.csv', evaluation.crossovers.length],
  ] as const) {
    const [header, ...records] = parse(await read(name));
    expect(records).toHaveLength(count);
    for (const record of records) expect(record).toHaveLength(header?.length ?? 0);
  }
});

test('a cell’s line holds its measurements under headers with units; a void cell’s only its conditions and reasons', async () => {
  const evaluation = evaluationFixture();
  await writeResults(folder, evaluation);
  const [header, ...records] = parse(await read('cells.csv'));
  const named = records.map((record) => Object.fromEntries((header ?? []).map((name, index) => [name, record[index]])));
  const line = (id: string) => named.find((record) => record['cell'] === id);
  const sound = evaluation.cells.find(({ id }) => id === 'federation/30/60');
  expect(line('federation/30/60')).toMatchObject({
    'round trip (ms)': '30',
    'intra (%)': '60',
    weight: 'sound',
    'all mean value (ms)': String(sound?.latency.all?.mean.value),
    'cross p99 high (ms)': String(sound?.latency.cross?.p99.high),
    'chains per request (bytes)': String(sound?.perRequest.chainBytes),
  });
  expect(line('national/30/40')).toMatchObject({
    weight: 'void',
    'all mean value (ms)': '',
    'CPU per request (ms)': '',
  });
  expect(line('multi-channel/30/90')).toMatchObject({ weight: 'void', marks: `MISSING_ANSWER: ${HOSTILE}` });
  expect(line('national-thin/30/60')).toMatchObject({ weight: 'flag' });
});

/** Reads RFC 4180, quoted fields with line breaks included. */
function parse(text: string): string[][] {
  const fields = text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g);
  const records: string[][] = [[]];
  for (const [, quoted, plain = '', end] of fields) {
    records.at(-1)?.push(quoted?.replaceAll('""', '"') ?? plain);
    if (end === '\r\n') records.push([]);
  }
  return records.slice(0, -1);
}
