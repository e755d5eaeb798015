import type { Kind } from '../results.ts';
import { percentAxis } from './axes.ts';
import { short } from './format.ts';
import { html, type Markup, svg } from './markup.ts';
import { across, type Frame, logarithmicAxis, PANEL, path, plot, upward } from './plot.ts';
import { KINDS, TEXTS } from './texts.ts';
import type { Group, View } from './view.ts';

const FRAME: Frame = { ...PANEL, height: 200 };
const KINDS_DRAWN = ['intra', 'cross'] as const;

interface Curve {
  readonly kind: Kind;
  readonly cell: string;
  readonly latencies: readonly number[];
}

/** Cumulative distributions of each scheme, the federation's behind them. */
export function distributionPanels(view: View, group: Group): readonly Markup[] {
  const schemes = view
    .schemes(group)
    .map((scheme) => ({ scheme, curves: curvesOf(view, group, scheme) }))
    .filter(({ curves }) => curves.length > 0);
  const all = schemes.flatMap(({ curves }) => curves.flatMap(({ latencies }) => latencies));
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const x = logarithmicAxis([low, high], across(FRAME), TEXTS.latencyAxis, short);
  const y = percentAxis(upward(FRAME), TEXTS.cumulativeAxis, 25);
  const federation = schemes.find(({ scheme }) => view.role(scheme) === 'ours')?.curves ?? [];
  return schemes.map(({ scheme, curves }, index) => {
    const id = `distribution-${index}`;
    const d = (latencies: readonly number[]) =>
      path(latencies.map((latencyMs, percentile) => [x.scale(latencyMs), y.scale(percentile)] as const));
    const ghosts = view.role(scheme) === 'ours' ? [] : federation;
    return html`<figure class="panel ${view.role(scheme)}"><figcaption id="${id}"><span class="key">${view.title(scheme)}</span></figcaption>
${plot(
  FRAME,
  x,
  y,
  id,
  svg`${ghosts.map(({ kind, latencies }) => svg`<path class="ghost ${kind}" d="${d(latencies)}"/>`)}
${curves.map(({ kind, cell, latencies }) => svg`<path class="line ${kind}" d="${d(latencies)}" data-cell="${cell}"><title>${KINDS[kind].zh} ${KINDS[kind].en} · ${cell}</title></path>`)}`,
)}</figure>`;
  });
}

function curvesOf(view: View, group: Group, scheme: string): readonly Curve[] {
  return KINDS_DRAWN.flatMap((kind) => {
    const cell = view.purest(group, scheme, kind);
    // A latency of nothing has no place on a logarithmic axis.
    const latencies = cell?.percentiles[kind]?.map((latencyMs) => Math.max(latencyMs, 0.01));
    return cell === undefined || latencies === undefined || latencies.length < 2
      ? []
      : [{ kind, cell: cell.id, latencies }];
  });
}
