import { type Axis, linear, type Span } from './plot.ts';
import { TEXTS } from './texts.ts';

/** Shares of queries that stay in their region, 0 to 100 %, over a range of the drawing. */
export function shareAxis(range: Span): Axis {
  return percentAxis(range, TEXTS.shareAxis, 20);
}

/** 0 to 100 % with a tick every so many. */
export function percentAxis(range: Span, label: Axis['label'], step: number): Axis {
  return {
    scale: linear([0, 100], range),
    ticks: Array.from({ length: 100 / step + 1 }, (_, index) => index * step),
    format: String,
    label: { zh: `${label.zh}，%`, en: `${label.en}, %` },
  };
}
