import { ASSUMED, isModelled, mixedMs, predict, predictedCrossover, type Terms } from '../model.ts';
import type { Mark } from '../results.ts';
import { shareAxis } from './axes.ts';
import { milliseconds, short } from './format.ts';
import { dot, reasons } from './marks.ts';
import { html, type Markup, svg, type Text } from './markup.ts';
import { across, axis, PANEL, path, plot, round, upward } from './plot.ts';
import { strip } from './territory.ts';
import { modelSaid, TEXTS } from './texts.ts';

type SliderName = 'regions' | 'rttMs' | 'commitMs' | 'cutMs' | 'relayMs' | 'intraPercent';
/** What the sliders say. */
export type Setting = Readonly<Record<SliderName, number>>;

/** What the page's script needs of an evaluation. */
export interface WhatIf {
  readonly scheme: string;
  readonly against: string;
  /** Of all schemes that the model knows. */
  readonly titles: Readonly<Record<string, Text>>;
  readonly terms: Terms;
  readonly setting: Setting;
  readonly measured: readonly Measured[];
}

interface Measured extends Pick<Setting, 'regions' | 'rttMs' | 'cutMs' | 'intraPercent'> {
  readonly cell: string;
  readonly scheme: string;
  readonly meanMs: number;
  readonly marks: readonly Mark[];
}

interface Slider {
  readonly label: Text;
  readonly unit: string;
  readonly min: number;
  readonly max: number;
  readonly step: number;
}

export const SLIDERS: Readonly<Record<SliderName, Slider>> = {
  intraPercent: { label: TEXTS.intraShare, unit: ' %', min: 0, max: 100, step: 0.5 },
  regions: { label: TEXTS.regions, unit: '', min: 2, max: 32, step: 1 },
  rttMs: { label: TEXTS.roundTrip, unit: ' ms', min: 0, max: 200, step: 1 },
  cutMs: { label: TEXTS.cut, unit: ' ms', min: 0, max: 2000, step: 5 },
  commitMs: { label: TEXTS.commit, unit: ' ms', min: 0, max: 200, step: 0.1 },
  relayMs: { label: TEXTS.relay, unit: ' ms', min: 0, max: 100, step: 0.1 },
};

export const SLIDER_NAMES = Object.keys(SLIDERS) as readonly SliderName[];

export function isSlider(name: string): name is SliderName {
  return Object.hasOwn(SLIDERS, name);
}

/** Terms as measured; those that were not, and the share of queries from outside the capital, as assumed. */
export function termsFrom(measured: Readonly<Record<string, number>>): Terms {
  const known = Object.entries(measured).filter(
    ([name, value]) => Object.hasOwn(ASSUMED, name) && Number.isFinite(value),
  );
  return { ...ASSUMED, ...Object.fromEntries(known) };
}

/** The sentence and the drawing for one setting: the same when the report is written and under the reader's sliders. */
export function whatIfAnswer({ scheme, titles, terms, measured }: WhatIf, against: string, setting: Setting): Markup {
  const [title, otherTitle] = [titles[scheme], titles[against]];
  if (!isModelled(scheme) || !isModelled(against) || title === undefined || otherTitle === undefined)
    return html`<p class="none">${TEXTS.noWhatIf}</p>`;
  const { intraPercent, ...changed } = setting;
  const [own, other] = [scheme, against].map((id) => predict(id, { ...terms, ...changed })) as [Means, Means];
  const lead = predictedCrossover(own, other);
  const [ownMs, otherMs] = [mixedMs(own, intraPercent), mixedMs(other, intraPercent)];
  const shown = measured.filter(
    (each) =>
      (each.scheme === scheme || each.scheme === against) &&
      each.regions === setting.regions &&
      each.rttMs === setting.rttMs &&
      each.cutMs === setting.cutMs,
  );
  const highest = Math.max(
    own.intraMs,
    own.crossMs,
    other.intraMs,
    other.crossMs,
    ...shown.map(({ meanMs }) => meanMs),
  );
  const y = axis([0, highest], upward(PANEL), TEXTS.latencyAxis, short);
  const x = shareAxis(across(PANEL));
  const [base, top] = upward(PANEL);
  const at = round(x.scale(intraPercent));
  const sides = [
    { side: 'theirs', id: against, means: other },
    { side: 'ours', id: scheme, means: own },
  ] as const;
  return html`<p class="said" id="what-if-said">${modelSaid(title, otherTitle, { percent: intraPercent, ownMs, otherMs, lead })}</p>
<figure class="panel pair"><figcaption><span class="key ours">${title}</span> <span class="key theirs">${otherTitle}</span></figcaption>
${plot(
  PANEL,
  x,
  y,
  'what-if-said',
  svg`${strip(asCrossing(lead), x.scale, top - 5, 4)}<path class="chosen" d="M${at} ${top}V${base}"/>
${sides.map(({ side, id, means: { crossMs, intraMs } }) => {
  const ends = [
    [x.scale(0), y.scale(crossMs)],
    [x.scale(100), y.scale(intraMs)],
  ] as const;
  const points = shown.filter((each) => each.scheme === id);
  return svg`<g class="${side}"><path class="line" d="${path(ends)}" data-cross="${crossMs}" data-intra="${intraMs}"/>
${points.map((each) => dot(side, x.scale(each.intraPercent), y.scale(each.meanMs), each.marks, each.cell, told(each)))}</g>`;
})}
<circle class="chosen" cx="${at}" cy="${round(y.scale(ownMs))}" r="5"/>`,
)}</figure>
<p class="small">${shown.length === 0 ? TEXTS.nothingMeasured : TEXTS.measuredToo}</p>`;
}

type Means = ReturnType<typeof predict>;

function told({ cell, meanMs, marks }: Measured): string {
  return [cell, milliseconds(meanMs), ...(marks.length === 0 ? [] : [reasons(marks)])].join(' · ');
}

/** The model's crossing, which knows no doubt. */
function asCrossing({ verdict, percent }: ReturnType<typeof predictedCrossover>) {
  return percent === undefined ? { verdict } : { verdict, crossover: { value: percent, low: percent, high: percent } };
}
