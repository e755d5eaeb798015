import type { Crossover, Verdict } from '../results.ts';
import { count, milliseconds, percent } from './format.ts';
import { html, type Markup, svg } from './markup.ts';
import { drawing, round } from './plot.ts';
import { longTable, numbers, words } from './table.ts';
import { territoryBar } from './territory.ts';
import { agreement, brief, conditionsText, extremes, METRICS, sentence, TEXTS, VERDICTS } from './texts.ts';
import { type Comparison, keyOf, type View } from './view.ts';

/** From the verdicts that speak against a scheme to those that speak for it. */
const LOSING_FIRST: readonly Verdict[] = ['never', 'below', 'above', 'always'];

/** The answer before any figure: a sentence for each comparison under the main conditions, and all others in a table. */
export function answerSection(view: View): Markup {
  const comparisons = view.comparisons();
  if (comparisons.length === 0) return html`<p class="none">${TEXTS.noCrossovers}</p>`;
  const primary = comparisons.find((each) => view.isPrimary(each.conditions) && view.isPrimaryPair(each));
  const place = primary ?? comparisons[0];
  const key = place === undefined ? '' : keyOf(place.conditions);
  const others = comparisons.filter((each) => each !== primary && keyOf(each.conditions) === key);
  return html`${primary === undefined ? html`<p class="none">${TEXTS.noPrimary}</p>` : hero(view, primary)}
${tally(view.evaluation.crossovers)}
${others.length === 0 ? undefined : html`<h3>${TEXTS.others}</h3><ul class="answers">${others.map((each, index) => answer(view, each, `answer-${index}`))}</ul>`}
${everyCrossover(view)}`;
}

function hero(view: View, comparison: Comparison): Markup {
  const [mean, ...others] = (['mean', 'median', 'p99', 'throughput'] as const).flatMap(
    (metric) => view.crossover(comparison, metric) ?? [],
  );
  if (mean === undefined) return html``;
  return html`<div class="hero"><p class="kicker">${TEXTS.primary}</p>
<p class="verdict" id="primary">${said(view, mean)}</p>
${territoryBar(mean, 'primary')}
<p class="scale"><span class="swatch ahead"></span>${TEXTS.ahead} <span class="swatch behind"></span>${TEXTS.behind} · ${TEXTS.intraShare}, % · ${agreement(mean)}</p>
<div class="more"><div><h4>${TEXTS.ends}</h4><p>${ends(view, comparison)}</p></div>${others.map(
    (each) =>
      html`<div><h4 id="primary-${each.metric}">${METRICS[each.metric]}</h4><p>${brief(each)}</p>${territoryBar(each, `primary-${each.metric}`)}</div>`,
  )}</div>
<p class="small">${conditionsText(comparison.conditions)}</p></div>`;
}

function answer(view: View, comparison: Comparison, id: string): Markup | undefined {
  const crossover = view.crossover(comparison, 'mean') ?? view.crossover(comparison, 'median');
  return crossover === undefined
    ? undefined
    : html`<li class="${crossover.verdict}"><p id="${id}">${said(view, crossover)}</p>${territoryBar(crossover, id)}<p class="small">${agreement(crossover)}</p>`;
}

function said(view: View, crossover: Crossover) {
  return sentence(crossover, view.title(crossover.scheme), view.title(crossover.against));
}

/** Means of both schemes at both ends, where both were measured. */
function ends(view: View, { scheme, against, conditions }: Comparison): Markup | undefined {
  const group = view.group(conditions);
  if (group === undefined) return undefined;
  const means = [scheme, against].flatMap((id) => {
    const mean = (kind: 'cross' | 'intra') => view.purest(group, id, kind)?.latency[kind]?.mean.value;
    const [zero, full] = [mean('cross'), mean('intra')];
    if (zero === undefined || full === undefined) return [];
    return [extremes(view.title(id), { zero: milliseconds(zero), full: milliseconds(full) })];
  });
  return html`${means.map((text, index) => html`${index === 0 ? '' : html`<br>`}${text}`)}`;
}

/** How many comparisons came to each verdict, as one bar. */
function tally(crossovers: readonly Crossover[]): Markup {
  const counted = LOSING_FIRST.map((verdict) => ({
    verdict,
    number: crossovers.filter((each) => each.verdict === verdict).length,
  }));
  let left = 0;
  const pieces = counted.map(({ verdict, number }) => {
    const width = (360 * number) / crossovers.length;
    const piece = svg`<rect class="${verdict}" x="${round(left)}" y="0" width="${round(Math.max(0, width - 1))}" height="8"/>`;
    left += width;
    return piece;
  });
  return html`<figure class="tally"><figcaption id="tally">${TEXTS.tally}</figcaption>${drawing({ width: 360, height: 8 }, 'tally', pieces)}
<ul>${counted.map(({ verdict, number }) => html`<li><span class="swatch ${verdict}"></span>${VERDICTS[verdict]} <b>${count(number)}</b>`)}</ul></figure>`;
}

function everyCrossover(view: View): Markup {
  const rows = view.evaluation.crossovers
    .toSorted((a, b) => LOSING_FIRST.indexOf(a.verdict) - LOSING_FIRST.indexOf(b.verdict))
    .map(({ verdict, scheme, against, metric, crossover, predicted, verdicts, conditions }) => [
      html`<span class="swatch ${verdict}"></span>${VERDICTS[verdict]}`,
      view.title(scheme),
      view.title(against),
      METRICS[metric],
      crossover === undefined ? '—' : percent(crossover.value),
      crossover === undefined ? '—' : `${percent(crossover.low)} – ${percent(crossover.high)}`,
      predicted === undefined ? '—' : percent(predicted),
      percent(verdicts[verdict] * 100),
      html`<small>${conditionsText(conditions)}</small>`,
    ]);
  return longTable(COLUMNS, rows, { shown: 0, summary: TEXTS.everyComparison });
}

const COLUMNS = [
  words(TEXTS.verdict),
  words(TEXTS.scheme),
  words(TEXTS.against),
  words(TEXTS.metric),
  numbers('p*'),
  numbers(TEXTS.interval95),
  numbers(TEXTS.predicted),
  numbers(TEXTS.resamplesAgree),
  words(TEXTS.conditions),
];
