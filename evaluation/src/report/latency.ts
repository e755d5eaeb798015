import type { Cell, Crossover, Interval } from '../results.ts';
import { shareAxis } from './axes.ts';
import { milliseconds, percent, short } from './format.ts';
import { dot, reasons, voidMark } from './marks.ts';
import { html, type Markup, type Part, svg } from './markup.ts';
import { across, axis, outline, PANEL, path, plot, round, type Scale, upward } from './plot.ts';
import { strip } from './territory.ts';
import { METRICS, TEXTS } from './texts.ts';
import { type Comparison, isSettled, isVoid, marksFor, type View } from './view.ts';

/** Metrics the page switches between. */
export const SWITCHED = ['mean', 'median', 'p99'] as const;
type Switched = (typeof SWITCHED)[number];

interface Place {
  readonly share: number;
  readonly cell: Cell;
  readonly interval: Interval;
}

/** Latency of two schemes against the share of queries that stay, a drawing for each metric. */
export function latencyPanel(view: View, comparison: Comparison, id: string): Markup {
  const [ours, theirs] = [comparison.scheme, comparison.against];
  return html`<figure class="panel pair">
<figcaption id="${id}"><span class="key ours">${view.title(ours)}</span> <span class="key theirs">${view.title(theirs)}</span></figcaption>
${SWITCHED.map((metric) => html`<div class="for-${metric}">${drawn(view, comparison, metric, id)}</div>`)}
</figure>`;
}

function drawn(view: View, comparison: Comparison, metric: Switched, id: string): Markup {
  const group = view.group(comparison.conditions);
  const cellsOf = (scheme: string) => (group === undefined ? [] : view.cells(group, scheme));
  const sides = [
    { side: 'theirs', cells: cellsOf(comparison.against) },
    { side: 'ours', cells: cellsOf(comparison.scheme) },
  ] as const;
  const placed = sides.map(({ side, cells }) => ({ side, cells, places: placesOf(cells, metric) }));
  const highest = Math.max(1, ...placed.flatMap(({ places }) => places.map(({ interval }) => interval.high)));
  const y = axis([0, highest], upward(PANEL), TEXTS.latencyAxis, short);
  const x = shareAxis(across(PANEL));
  const crossover = view.crossover(comparison, metric);
  const [base] = upward(PANEL);
  return plot(
    PANEL,
    x,
    y,
    id,
    svg`${crossover && crossing(crossover, x.scale)}
${placed.map(({ side, cells, places }) => {
  const at = ({ share }: Place, value: number) => [x.scale(share), y.scale(value)] as const;
  const band = outline(
    places.map((place) => at(place, place.interval.high)),
    places.map((place) => at(place, place.interval.low)),
  );
  const [first, last] = [places[0], places.at(-1)];
  const straight =
    metric === 'mean' && first !== undefined && last !== undefined && places.length > 2
      ? svg`<path class="straight" d="${path([at(first, first.interval.value), at(last, last.interval.value)])}"/>`
      : undefined;
  return svg`<g class="${side}"><path class="band" d="${band}"/>${straight}
<path class="line" d="${path(places.map((place) => at(place, place.interval.value)))}"/>
${places.map((place) => point(side, place, metric, x.scale(place.share), y.scale))}
${cells.filter(isVoid).map(({ id: cell, conditions, marks }) => voidMark(x.scale(conditions.intraPercent), base, marks, cell))}</g>`;
})}`,
  );
}

/** A mixture is one place; kinds that were measured apart are the two ends. */
function placesOf(cells: readonly Cell[], metric: Switched): readonly Place[] {
  const places = cells.flatMap((cell) => {
    if (isVoid(cell)) return [];
    const { apart, intraPercent } = cell.conditions;
    const { all, intra, cross } = cell.latency;
    const ends = apart
      ? ([
          [0, cross],
          [100, intra],
        ] as const)
      : ([[intraPercent, all]] as const);
    return ends.flatMap(([share, latency]) => {
      const interval = latency?.[metric];
      return interval !== undefined && Number.isFinite(interval.value) ? [{ share, cell, interval }] : [];
    });
  });
  return places.toSorted((a, b) => a.share - b.share);
}

function point(
  side: 'ours' | 'theirs',
  { share, cell, interval }: Place,
  metric: Switched,
  x: number,
  y: Scale,
): Markup {
  const marks = marksFor(cell, metric);
  const { value, low, high } = interval;
  const title = `${cell.conditions.scheme} · ${percent(share)} · ${milliseconds(value)} (${short(low)} – ${short(high)})${marks.length === 0 ? '' : ` · ${reasons(marks)}`}`;
  return svg`<path class="whisker" d="M${round(x)} ${round(y(low))}V${round(y(high))}"/>${dot(side, x, y(value), marks, cell.id, title)}`;
}

/** The strip of who is ahead, and p* with its interval. */
function crossing(crossover: Crossover, x: Scale): Markup {
  const [base, top] = upward(PANEL);
  const { crossover: at } = crossover;
  return svg`${strip(crossover, x, top - 5, 4)}${
    at === undefined
      ? said(crossover)
      : svg`
<rect class="p-band" x="${round(x(at.low))}" y="${top}" width="${round(x(at.high) - x(at.low))}" height="${base - top}" data-low="${at.low}" data-high="${at.high}"/>
<path class="p-line" d="M${round(x(at.value))} ${top - 5}V${base}"/>
<text class="p-label ${at.value > 50 ? 'end' : 'start'}" x="${round(x(at.value) + (at.value > 50 ? -5 : 5))}" y="${base - 6}">p* ${percent(at.value)}</text>`
  }`;
}

function said(comparison: Crossover): Markup {
  const { verdict } = comparison;
  const whole = verdict === 'always' ? TEXTS.alwaysAhead : verdict === 'never' ? TEXTS.neverAhead : TEXTS.noInterval;
  const text: Part = isSettled(comparison) ? whole : TEXTS.noInterval;
  const [left, right] = across(PANEL);
  const [base] = upward(PANEL);
  return svg`<text class="p-label middle" x="${(left + right) / 2}" y="${base - 6}">${text}</text>`;
}

/** Buttons that choose the metric of every figure; without any script. */
export function metricSwitch(): Markup {
  return html`<fieldset class="switch"><legend>${TEXTS.metric}</legend>${SWITCHED.map(
    (metric, index) =>
      html`<label><input type="radio" name="metric" id="metric-${metric}" ${index === 0 ? 'checked' : ''}>${METRICS[metric]}</label>`,
  )}</fieldset>`;
}
