import type { Crossover, Metric } from '../results.ts';
import { percentAxis } from './axes.ts';
import { count, milliseconds, percent } from './format.ts';
import { SWITCHED } from './latency.ts';
import { html, type Markup, svg } from './markup.ts';
import { across, type Frame, PANEL, plot, round, type Scale, upward } from './plot.ts';
import { inShare, stretches } from './territory.ts';
import { conditionsText, TEXTS, VERDICTS } from './texts.ts';
import { keyOf, type View } from './view.ts';

const FRAME: Frame = { ...PANEL, height: 200, top: 24 };

/** Comparisons that differ in distance only. */
interface Series {
  readonly scheme: string;
  readonly against: string;
  readonly crossovers: readonly Crossover[];
}

/** For each pair of schemes and load: who is ahead at which share, a column for each distance. */
export function distancePanels(view: View): readonly Markup[] {
  return seriesOf(view).map((series, index) => {
    const id = `distance-${index}`;
    const { scheme, against } = series;
    const [first] = series.crossovers;
    return html`<figure class="panel pair">
<figcaption id="${id}"><span class="key ours">${view.title(scheme)}</span> <span class="key theirs">${view.title(against)}</span>
${first && html`<small>${conditionsText({ ...first.conditions, rttMs: undefined })}</small>`}</figcaption>
${SWITCHED.map((metric) => html`<div class="for-${metric}">${drawn(series, metric, id)}</div>`)}
</figure>`;
  });
}

function seriesOf(view: View): readonly Series[] {
  const order = view.comparisons();
  const place = (each: Crossover) =>
    order.findIndex((one) => one.scheme === each.scheme && one.against === each.against);
  const byKey = Map.groupBy(view.evaluation.crossovers, ({ scheme, against, conditions }) =>
    JSON.stringify([scheme, against, keyOf({ ...conditions, rttMs: 0 })]),
  );
  return [...byKey.values()]
    .flatMap((crossovers) => {
      const [first] = crossovers;
      return first === undefined ? [] : [{ first, crossovers }];
    })
    .toSorted((a, b) => place(a.first) - place(b.first))
    .map(({ first: { scheme, against }, crossovers }) => ({ scheme, against, crossovers }));
}

function drawn({ crossovers }: Series, metric: Metric, id: string): Markup {
  const shown = crossovers.filter((each) => each.metric === metric);
  const distances = [...new Set(crossovers.map(({ conditions }) => conditions.rttMs))].toSorted((a, b) => a - b);
  const [left, right] = across(FRAME);
  const width = (right - left) / distances.length;
  const x: Scale = (rttMs) => left + (distances.indexOf(rttMs) + 0.5) * width;
  const y = percentAxis(upward(FRAME), TEXTS.shareAxis, 25);
  return plot(
    FRAME,
    { scale: x, ticks: distances, format: count, label: TEXTS.rttAxis },
    y,
    id,
    shown.map((each) => column(each, x(each.conditions.rttMs), Math.min(56, width * 0.72), y.scale)),
  );
}

function column(each: Crossover, x: number, width: number, y: Scale): Markup {
  const { crossover, predicted, verdict, conditions } = each;
  const number =
    crossover === undefined
      ? ''
      : ` · p* ${percent(crossover.value)} (${percent(crossover.low)} – ${percent(crossover.high)})`;
  const model = predicted === undefined ? '' : ` · ${TEXTS.predicted.zh} ${TEXTS.predicted.en} ${percent(predicted)}`;
  const [left, right] = [round(x - width / 2), round(x + width / 2)];
  return svg`<g class="column" data-rtt="${conditions.rttMs}" data-verdict="${verdict}"><title>${milliseconds(conditions.rttMs)} · ${VERDICTS[verdict].zh} ${VERDICTS[verdict].en}${number}${model}</title>
<g class="territory">${stretches(each).map(
    ({ from, to, side }) =>
      svg`<rect class="${side}" x="${left}" y="${round(y(to))}" width="${round(width)}" height="${round(y(from) - y(to))}" data-from="${from}" data-to="${to}"/>`,
  )}</g>
${crossover && svg`<path class="interval" d="M${round(x)} ${round(y(inShare(crossover.low)))}V${round(y(inShare(crossover.high)))}"/><path class="crossing" d="M${left} ${round(y(inShare(crossover.value)))}H${right}"/><text class="value" x="${round(x)}" y="${round(y(crossover.value > 82 ? crossover.low : crossover.high) + (crossover.value > 82 ? 13 : -5))}">${percent(crossover.value)}</text>`}
${predicted === undefined ? undefined : svg`<path class="model" d="M${round(right - 7)} ${round(y(inShare(predicted)))}l5 -5l5 5l-5 5z"/>`}</g>`;
}
