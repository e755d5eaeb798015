import { type Markup, type Part, svg, type Text } from './markup.ts';

/** A drawing of so many units, with room for axes around the data. */
export interface Frame {
  readonly width: number;
  readonly height: number;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** From data to units of the drawing. */
export type Scale = (value: number) => number;
export type Span = readonly [low: number, high: number];

export interface Axis {
  readonly scale: Scale;
  readonly ticks: readonly number[];
  readonly format: (value: number) => string;
  readonly label: Text;
}

/** One panel of a figure: as wide as a phone, so that its letters keep their size there. */
export const PANEL: Frame = { width: 360, height: 236, left: 44, right: 12, top: 22, bottom: 36 };

export const across = (frame: Frame): Span => [frame.left, frame.width - frame.right];
export const upward = (frame: Frame): Span => [frame.height - frame.bottom, frame.top];

export function linear([low, high]: Span, [from, to]: Span): Scale {
  const factor = (to - from) / (high - low || 1);
  return (value) => from + (value - low) * factor;
}

function logarithmic([low, high]: Span, range: Span): Scale {
  const scale = linear([Math.log(low), Math.log(high)], range);
  return (value) => scale(Math.log(value));
}

/** About `wanted` round numbers that cover `low` to `high`: steps of 1, 2 or 5 times a power of ten. */
export function ticks([low, high]: Span, wanted = 5): readonly number[] {
  const rough = (high - low || 1) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * (rough / power <= 1 ? 1 : rough / power <= 2 ? 2 : rough / power <= 5 ? 5 : 10);
  const first = Math.floor(low / step);
  const steps = Math.ceil(high / step - 1e-9) - first;
  return Array.from({ length: steps + 1 }, (_, index) => Number(((first + index) * step).toPrecision(12)));
}

/** 1, 2 and 5 times the powers of ten that cover `low` to `high`; the powers alone over more than two decades. */
export function logarithmicTicks([low, high]: Span): readonly number[] {
  const from = Math.floor(Math.log10(low));
  const to = Math.ceil(Math.log10(high));
  const factors = high / low > 100 ? [1] : [1, 2, 5];
  const all = Array.from({ length: to - from + 1 }, (_, index) =>
    factors.map((factor) => factor * 10 ** (from + index)),
  );
  const fine = all.flat();
  const start = fine.findLastIndex((tick) => tick <= low);
  const end = fine.findIndex((tick) => tick >= high);
  return fine.slice(Math.max(0, start), end < 0 ? fine.length : end + 1).map((tick) => Number(tick.toPrecision(12)));
}

/** A scale over the whole of its ticks. */
export function axis(values: Span, range: Span, label: Text, format: (value: number) => string): Axis {
  const all = ticks(values);
  return { scale: linear([all[0] ?? 0, all.at(-1) ?? 1], range), ticks: all, format, label };
}

export function logarithmicAxis(values: Span, range: Span, label: Text, format: (value: number) => string): Axis {
  const all = logarithmicTicks(values);
  return { scale: logarithmic([all[0] ?? 1, all.at(-1) ?? 10], range), ticks: all, format, label };
}

export type Point = readonly [x: number, y: number];

/** Units with a tenth, as path data. */
export function path(points: readonly Point[]): string {
  return points.map(([x, y], index) => `${index === 0 ? 'M' : 'L'}${round(x)} ${round(y)}`).join('');
}

/** The closed outline between two lines over the same abscissae. */
export function outline(upper: readonly Point[], lower: readonly Point[]): string {
  return upper.length === 0 ? '' : `${path([...upper, ...lower.toReversed()])}Z`;
}

export function round(units: number): number {
  return Math.round(units * 10) / 10;
}

/** A drawing with its axes; `labelledBy` is the id of its caption. */
export function plot(frame: Frame, x: Axis, y: Axis, labelledBy: string, body: Part): Markup {
  const [left, right] = across(frame);
  const [base, top] = upward(frame);
  return drawing(
    frame,
    labelledBy,
    svg`<g class="grid">${y.ticks.map((tick) => svg`<path d="M${left} ${round(y.scale(tick))}H${right}"/>`)}</g>
<g class="axis y">${y.ticks.map((tick) => svg`<text x="${left - 6}" y="${round(y.scale(tick))}" dy="0.32em" data-tick="${tick}">${y.format(tick)}</text>`)}
<text class="label" x="${4}" y="${top - 11}">${y.label}</text></g>
<g class="axis x">${x.ticks.map((tick) => svg`<text x="${round(x.scale(tick))}" y="${base + 15}" data-tick="${tick}">${x.format(tick)}</text>`)}
<text class="label" x="${right}" y="${base + 31}">${x.label}</text></g>
${body}
<path class="base" d="M${left} ${base}H${right}"/>`,
  );
}

export function drawing({ width, height }: Pick<Frame, 'width' | 'height'>, labelledBy: string, body: Part): Markup {
  return svg`<svg viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="${labelledBy}">${body}</svg>`;
}
