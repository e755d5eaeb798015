import type { Simulation } from '../results.ts';
import { shareAxis } from './axes.ts';
import { bytes, count, milliseconds, percent, short, signedPercent } from './format.ts';
import { html, type Markup, svg } from './markup.ts';
import { across, axis, PANEL, path, plot, round, upward } from './plot.ts';
import { longTable, numbers, table, words } from './table.ts';
import { KINDS, simulatedFor, TEXTS, worst } from './texts.ts';
import type { View } from './view.ts';

/** Simulations beyond the machine: drawing and table; empty when there was none. */
export function simulationFigure(view: View): Markup {
  const { simulations } = view.evaluation;
  if (simulations.length === 0) return html`<p class="none">${TEXTS.noSimulations}</p>`;
  const settings = [
    ...Map.groupBy(simulations, ({ title, titleZh, regions, patients }) =>
      JSON.stringify([title, titleZh, regions, patients]),
    ).values(),
  ];
  const rows = settings
    .flat()
    .map((run) => [
      titleOf(run),
      view.title(run.scheme),
      count(run.regions),
      count(run.patients),
      count(run.queriesPerSecond),
      percent(run.intraPercent),
      milliseconds(run.meanMs),
      milliseconds(run.p99Ms),
      count(run.machines),
      bytes(run.diskPerYearBytes),
      bytes(run.indexBytes),
      percent(run.utilisation * 100),
    ]);
  return html`<div class="panels">${settings.map((runs, index) => panel(view, runs, `simulation-${index}`))}</div>
${longTable(COLUMNS, rows, { shown: 0, summary: TEXTS.everyRun })}`;
}

const COLUMNS = [
  words(TEXTS.setting),
  words(TEXTS.scheme),
  numbers(TEXTS.regions),
  numbers(TEXTS.patients),
  numbers(TEXTS.rate),
  numbers(TEXTS.share),
  numbers(TEXTS.mean),
  numbers('p99'),
  numbers(TEXTS.machines),
  numbers(TEXTS.disk),
  numbers(TEXTS.index),
  numbers(TEXTS.utilisation),
];

function titleOf({ title, titleZh }: Simulation) {
  return { zh: titleZh, en: title };
}

/** One setting: mean and p99 of each scheme against the share of queries that stay. */
function panel(view: View, runs: readonly Simulation[], id: string): Markup {
  const [first] = runs;
  if (first === undefined) return html``;
  const schemes = [...new Set(runs.map(({ scheme }) => scheme))];
  const x = shareAxis(across(PANEL));
  const y = axis([0, Math.max(...runs.map(({ p99Ms }) => p99Ms))], upward(PANEL), TEXTS.latencyAxis, short);
  return html`<figure class="panel"><figcaption id="${id}">${titleOf(first)} <small>${simulatedFor(first.regions, first.patients)}</small>
${schemes.map((scheme) => html` <span class="key ${view.role(scheme)}">${view.title(scheme)}</span>`)}</figcaption>
${plot(
  PANEL,
  x,
  y,
  id,
  schemes.map((scheme) => {
    const own = runs.filter((run) => run.scheme === scheme).toSorted((a, b) => a.intraPercent - b.intraPercent);
    const points = (pick: (run: Simulation) => number) =>
      own.map((run) => [x.scale(run.intraPercent), y.scale(pick(run))] as const);
    return svg`<g class="${view.role(scheme)}"><path class="line" d="${path(points((run) => run.meanMs))}"/><path class="line dashed" d="${path(points((run) => run.p99Ms))}"/>
${own.map((run) => svg`<circle class="dot whole" cx="${round(x.scale(run.intraPercent))}" cy="${round(y.scale(run.meanMs))}" r="2.6"><title>${run.scheme} · ${percent(run.intraPercent)} · ${milliseconds(run.meanMs)} · p99 ${milliseconds(run.p99Ms)}</title></circle>`)}</g>`;
  }),
)}</figure>`;
}

/** What the simulator makes of cells that were measured, the largest error first; one that costs come from has none to show. */
export function validationTable(view: View): Markup {
  const rows = view.evaluation.validations.toSorted(
    (a, b) => Number(a.calibrated) - Number(b.calibrated) || Math.abs(b.errorPercent) - Math.abs(a.errorPercent),
  );
  const [first] = rows;
  if (first === undefined) return html`<p class="none">${TEXTS.noValidations}</p>`;
  const columns = [
    words(TEXTS.cell),
    words(TEXTS.kind),
    numbers(TEXTS.measured),
    numbers(TEXTS.simulated),
    numbers(TEXTS.error),
  ];
  const said = first.calibrated ? html`` : html`<p>${worst(first.errorPercent)}</p>`;
  return html`${said}${table(
    columns,
    rows.map(({ cell, kind, measuredMs, simulatedMs, errorPercent, calibrated }) => [
      html`<code>${cell}</code>`,
      KINDS[kind],
      milliseconds(measuredMs),
      milliseconds(simulatedMs),
      calibrated ? TEXTS.fittedTo : signedPercent(errorPercent),
    ]),
  )}`;
}
