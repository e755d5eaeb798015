import type { Cell } from '../results.ts';
import { milliseconds, percent, short, signedPercent } from './format.ts';
import { dot, reasons } from './marks.ts';
import { html, type Markup, svg } from './markup.ts';
import { across, type Frame, logarithmicAxis, PANEL, path, plot, upward } from './plot.ts';
import { longTable, numbers, words } from './table.ts';
import { TEXTS } from './texts.ts';
import { isVoid, marksFor, type View } from './view.ts';

const FRAME: Frame = { ...PANEL, height: 300 };
const SHOWN = 8;

interface Row {
  readonly cell: Cell;
  readonly measuredMs: number;
  readonly predictedMs: number;
  readonly differencePercent: number;
}

/** The analytic model beside what was measured, the largest difference first. */
export function predictionFigure(view: View): Markup {
  const rows = rowsOf(view.evaluation.cells);
  if (rows.length === 0) return html`<p class="none">${TEXTS.noModel}</p>`;
  const lines = rows.map(({ cell: { conditions }, measuredMs, predictedMs, differencePercent }) => [
    view.title(conditions.scheme),
    percent(conditions.intraPercent),
    milliseconds(conditions.rttMs),
    milliseconds(measuredMs),
    milliseconds(predictedMs),
    signedPercent(differencePercent),
  ]);
  return html`<div class="split">${scatter(view, rows)}<div>${longTable(COLUMNS, lines, { shown: SHOWN, summary: TEXTS.furtherCells })}</div></div>`;
}

const COLUMNS = [
  words(TEXTS.scheme),
  numbers(TEXTS.share),
  numbers(TEXTS.rtt),
  numbers(TEXTS.measured),
  numbers(TEXTS.predicted),
  numbers(TEXTS.difference),
];

function rowsOf(cells: readonly Cell[]): readonly Row[] {
  return cells
    .flatMap((cell) => {
      const measuredMs = cell.latency.all?.mean.value;
      const predictedMs = cell.predicted;
      if (isVoid(cell) || measuredMs === undefined || predictedMs === undefined) return [];
      return [{ cell, measuredMs, predictedMs, differencePercent: (predictedMs / measuredMs - 1) * 100 }];
    })
    .toSorted((a, b) => Math.abs(b.differencePercent) - Math.abs(a.differencePercent));
}

function scatter(view: View, rows: readonly Row[]): Markup {
  const all = rows.flatMap(({ measuredMs, predictedMs }) => [measuredMs, predictedMs]).filter((ms) => ms > 0);
  const span = [Math.min(...all), Math.max(...all)] as const;
  const x = logarithmicAxis(span, across(FRAME), TEXTS.measuredAxis, short);
  const y = logarithmicAxis(span, upward(FRAME), TEXTS.predictedAxis, short);
  const [low, high] = [x.ticks[0] ?? 1, x.ticks.at(-1) ?? 1];
  const id = 'prediction';
  return html`<figure class="panel"><figcaption id="${id}"><span class="key ours">${view.title(view.evaluation.primary.scheme)}</span> <span class="key theirs">${TEXTS.otherSchemes}</span></figcaption>
${plot(
  FRAME,
  x,
  y,
  id,
  svg`<path class="straight" d="${path([
    [x.scale(low), y.scale(low)],
    [x.scale(high), y.scale(high)],
  ])}"/>${rows.map(({ cell, measuredMs, predictedMs, differencePercent }) => {
    const side = cell.conditions.scheme === view.evaluation.primary.scheme ? 'ours' : 'theirs';
    const marks = marksFor(cell, 'mean');
    const title = `${cell.id} · ${milliseconds(measuredMs)} · ${milliseconds(predictedMs)} · ${signedPercent(differencePercent)} ${reasons(marks)}`;
    return svg`<g class="${side}">${dot(side, x.scale(measuredMs), y.scale(predictedMs), marks, cell.id, title)}</g>`;
  })}`,
)}</figure>`;
}
