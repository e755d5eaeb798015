import { Script } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { bytes, milliseconds, percent, short, signedPercent } from '../src/report/format.ts';
import { html, Markup, type Text } from '../src/report/markup.ts';
import { linear, logarithmicTicks, outline, path, ticks } from '../src/report/plot.ts';
import { renderReport } from '../src/report/report.ts';
import { stretches } from '../src/report/territory.ts';
import { brief, sentence } from '../src/report/texts.ts';
import type { Evaluation, Verdict } from '../src/results.ts';
import { conditionsAt, evaluationFixture, HOSTILE } from './fixture/evaluation.ts';

const OURS = { zh: '甲', en: 'A' };
const THEIRS = { zh: '乙', en: 'B' };

/** `agreeing`: share of the resamples. */
function comparison(verdict: Verdict, value?: number, agreeing = 1) {
  return {
    ...({ scheme: 'a', against: 'b', conditions: conditionsAt(30), metric: 'mean', verdict, resamples: 100 } as const),
    verdicts: { always: 0, above: 0, never: 0, below: 0, [verdict]: agreeing },
    ...(value === undefined ? {} : { crossover: { value, low: value - 5, high: value + 5 } }),
  };
}

/** Without the spaces that hold a number to its unit. */
function plainly({ zh, en }: Text): Text {
  return { zh: zh.replaceAll('\u00a0', ' '), en: en.replaceAll('\u00a0', ' ') };
}

describe('the sentence of a comparison', () => {
  test.each([
    ['always', undefined, 'Beside B, A is faster on average at every share of queries that stay in their region.'],
    [
      'never',
      undefined,
      'Beside B, A loses: at no share of queries that stay in their region is it faster on average.',
    ],
    [
      'above',
      40,
      'Beside B, A is faster on average once more than 40 % of queries stay in their region (95 % interval 35 % – 45 %), and slower on average below that.',
    ],
    [
      'below',
      40,
      'Beside B, A is slower on average once more than 40 % of queries stay in their region (95 % interval 35 % – 45 %), and faster on average below that.',
    ],
  ] as const)('says of %s where it loses as plainly as where it wins', (verdict, value, expected) => {
    const { zh, en } = plainly(sentence(comparison(verdict, value), OURS, THEIRS));
    expect(en).toBe(expected);
    expect(zh).toMatch(
      value === undefined ? /^与乙相比，.*甲.*。$/ : /^与乙相比，.* 40 %（95 % 区间 35 % – 45 %）.*甲.*。$/,
    );
    expect(zh.includes('输了')).toBe(verdict === 'never');
  });

  test('gives no number where resamples disagree', () => {
    const { zh, en } = sentence(comparison('above'), OURS, THEIRS);
    expect(`${zh} ${en}`).not.toMatch(/\d/);
    expect(en).toContain('resamples disagree');
  });

  test.each(['always', 'never'] as const)('is no verdict of %s where too few resamples come to it', (verdict) => {
    const unsettled = comparison(verdict, undefined, 0.94);
    const { zh, en } = sentence(unsettled, OURS, THEIRS);
    expect([zh, en]).toEqual([expect.stringContaining('尚无定论'), expect.stringContaining('it is not settled')]);
    expect(brief(unsettled).en).toContain('though resamples disagree');
    expect(stretches(unsettled).map(({ side }) => side)).toEqual(['undecided']);
  });
});

test('the shares 0 to 100 % are divided at the crossing, and not at all where there is none', () => {
  expect(stretches(comparison('always'))).toEqual([{ from: 0, to: 100, side: 'ahead' }]);
  expect(stretches(comparison('never'))).toEqual([{ from: 0, to: 100, side: 'behind' }]);
  expect(stretches(comparison('above', 30)).map(({ to, side }) => [to, side])).toEqual([
    [30, 'behind'],
    [100, 'ahead'],
  ]);
  expect(stretches(comparison('below', 30)).map(({ to, side }) => [to, side])).toEqual([
    [30, 'ahead'],
    [100, 'behind'],
  ]);
  expect(stretches(comparison('below')).map(({ side }) => side)).toEqual(['undecided']);
});

test('ticks are round numbers that cover the data', () => {
  expect(ticks([0, 104])).toEqual([0, 50, 100, 150]);
  expect(ticks([0, 1])).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
  expect(ticks([0, 0])).toEqual([0]);
  expect(logarithmicTicks([7, 90])).toEqual([5, 10, 20, 50, 100]);
  expect(logarithmicTicks([3, 9000])).toEqual([1, 10, 100, 1000, 10_000]);
});

test('scales and paths put data where it belongs', () => {
  const scale = linear([0, 100], [40, 340]);
  expect([0, 50, 100].map(scale)).toEqual([40, 190, 340]);
  expect(
    path([
      [0, 1],
      [2.04, 3.06],
    ]),
  ).toBe('M0 1L2 3.1');
  expect(
    outline(
      [
        [0, 1],
        [5, 1],
      ],
      [
        [0, 9],
        [5, 9],
      ],
    ),
  ).toBe('M0 1L5 1L5 9L0 9Z');
  expect(outline([], [])).toBe('');
});

test('numbers are written with their units and three figures', () => {
  expect([0.123, 12.34, 1234.5, Number.NaN].map(milliseconds)).toEqual([
    '0.12\u00a0ms',
    '12.3\u00a0ms',
    '1,235\u00a0ms',
    '—\u00a0ms',
  ]);
  expect([78.5, 100, -0.04].map(percent)).toEqual(['78.5\u00a0%', '100\u00a0%', '0\u00a0%']);
  expect([0, 999, 1000, 4.1e12].map(bytes)).toEqual(['0\u00a0B', '999\u00a0B', '1\u00a0kB', '4.1\u00a0TB']);
});

test('what is put into a page is escaped, in elements and in attributes', () => {
  expect(String(html`<p title="${HOSTILE}">${[HOSTILE, { zh: HOSTILE, en: '' }]}`)).not.toMatch(
    /<img|<script|"document/,
  );
  expect(() => Markup.trusted('"</script>"')).toThrow(RangeError);
});

/** A page without its style and its script, which holds the dictionary. */
function shown(evaluation: Evaluation): string {
  return renderReport(evaluation).replaceAll(/<(script|style)>.*?<\/\1>/gs, '');
}

describe('a report', () => {
  const evaluation = evaluationFixture();
  const report = renderReport(evaluation);

  test('is the same each time', () => {
    expect(renderReport(evaluationFixture()) === report).toBe(true);
  });

  test('carries nothing of what a title injects but its letters', () => {
    const [scheme, ...schemes] = evaluation.schemes;
    if (scheme === undefined) throw new Error('no scheme');
    const hostile = { ...scheme, title: HOSTILE, titleZh: HOSTILE, about: HOSTILE, aboutZh: HOSTILE };
    const page = renderReport({ ...evaluation, schemes: [hostile, ...schemes] });
    expect(page.match(/&lt;img src=x/g)?.length).toBeGreaterThan(4);
    expect(page.match(/<img/g)).toBeNull();
    expect(page.match(/<script/g)).toHaveLength(1);
  });

  test('has a script that parses, and names no address', () => {
    const script = /<script>(.*?)<\/script>/s.exec(report)?.[1] ?? '';
    expect(() => new Script(script)).not.toThrow();
    expect(report.match(/https?:|url\((?!#)|@import|\bsrc=(?!x)/g)).toBeNull();
  });

  test.each([
    ['embedded', 'a block is validated once'],
    ['fabric', 'distance put at the client’s interface'],
  ] as const)('says what the engine %s leaves out', (engine, words) => {
    const { environment } = evaluationFixture();
    const page = renderReport(evaluationFixture({ environment: { ...environment, engine } }));
    const other = engine === 'embedded' ? 'distance put at' : 'validated once';
    expect(page).toContain(words);
    expect(page).not.toContain(other);
  });

  test('says that there is nothing where an evaluation holds nothing', () => {
    const nothing = { cells: [], crossovers: [], calibrations: [], simulations: [], validations: [], terms: {} };
    const [empty, full] = [shown({ ...evaluation, ...nothing }), shown(evaluation)];
    for (const text of [
      'no answer',
      'No simulation',
      'Not compared',
      'No calibration',
      'No cell is void',
      'No sound cell',
    ])
      expect([text, empty.includes(text), full.includes(text)]).toEqual([text, true, false]);
  });

  test('gives each of the model’s terms in its unit', () => {
    expect(report).toContain(`<span>relayMs</span> ${milliseconds(14.5)}<`);
    expect(report).toContain(`<span>coldShare</span> ${short(0.625)}<`);
  });

  test('shows the simulator’s errors where no cost comes from the cell, and says where one does', () => {
    const row = (cell: string) => report.match(new RegExp(`<tr><td[^>]*><code>${cell}</code>.*?</tr>`))?.[0] ?? '';
    expect(report).toContain(`largest error, of cells that no cost comes from: ${signedPercent(-10.2)}`);
    expect(row('national/30/100')).toContain(signedPercent(-10.2));
    expect(row('federation/30/100')).toContain('costs come from it');
    expect(row('federation/30/100')).not.toContain(signedPercent(30));
  });

  test('says so when the pair named beforehand was not compared', () => {
    const primary = { scheme: 'federation-naive', against: 'no-chain', regions: 4, rttMs: 30 };
    const [text, other] = [shown({ ...evaluation, primary }), shown(evaluation)];
    expect([text, other].map((page) => page.includes('primary comparison has no result'))).toEqual([true, false]);
  });

  test('never draws the value of a void cell, and marks its place with the reason', () => {
    const isVoidCell = (id: string) => id === 'national/30/40';
    const cells = evaluation.cells.map((cell) =>
      isVoidCell(cell.id)
        ? {
            ...cell,
            latency: { all: { ...cell.latency.all!, mean: { value: 987_654, low: 987_654, high: 987_654 } } },
            perRequest: { cpuMs: 987_654, bytesBetween: 987_654, bytesWithin: 987_654, chainBytes: 987_654 },
          }
        : cell,
    );
    const page = shown({ ...evaluation, cells });
    expect(page.match(/987,?654|988/g)).toBeNull();
    const drawn = [...page.matchAll(/<(\w+) class="([^"]*)"[^>]*data-cell="national\/30\/40"><title>([^<]*)/g)];
    expect(new Set(drawn.map(([, , name]) => name))).toEqual(new Set(['void']));
    expect(drawn[0]?.[3]).toContain('WRONG_ANSWER: 1 of 1200 records differed');
  });
});
