import type { Kind } from '../results.ts';
import { milliseconds, short } from './format.ts';
import { html, type Markup, svg } from './markup.ts';
import { type Axis, across, axis, drawing, type Frame, round } from './plot.ts';
import { KINDS, TEXTS } from './texts.ts';
import type { Group, View } from './view.ts';

const ROW = 17;
const FRAME: Omit<Frame, 'height'> = { width: 360, left: 104, right: 46, top: 8, bottom: 30 };
/** Letters that fit beside a bar. */
const NAME_LENGTH = 18;

interface Waterfall {
  readonly kind: Kind;
  readonly cell: string;
  readonly steps: readonly { readonly name: string; readonly fromMs: number; readonly toMs: number }[];
}

/** For each scheme the phases of both kinds one after the other, on one scale for all. */
export function phasePanels(view: View, group: Group): readonly Markup[] {
  const panels = view.schemes(group).flatMap((scheme) => {
    const falls = (['intra', 'cross'] as const).flatMap((kind) => waterfall(view, group, scheme, kind));
    return falls.length === 0 ? [] : [{ scheme, falls }];
  });
  const longest = Math.max(1, ...panels.flatMap(({ falls }) => falls.map(({ steps }) => steps.at(-1)?.toMs ?? 0)));
  const range = across({ ...FRAME, height: 0 });
  const x = axis([0, longest], range, TEXTS.latencyAxis, short);
  return panels.map(({ scheme, falls }, index) => {
    const id = `phases-${index}`;
    return html`<figure class="panel ${view.role(scheme)}"><figcaption id="${id}"><span class="key">${view.title(scheme)}</span></figcaption>${drawn(falls, x, id)}</figure>`;
  });
}

function waterfall(view: View, group: Group, scheme: string, kind: Kind): readonly Waterfall[] {
  const cell = view.purest(group, scheme, kind);
  const phases = Object.entries(cell?.phases[kind] ?? {});
  if (cell === undefined || phases.length === 0) return [];
  let end = 0;
  const steps = phases.map(([name, ms]) => {
    const fromMs = end;
    end += ms;
    return { name, fromMs, toMs: end };
  });
  return [{ kind, cell: cell.id, steps }];
}

function drawn(falls: readonly Waterfall[], x: Axis, id: string): Markup {
  let next = FRAME.top;
  const blocks = falls.map((fall) => {
    const top = next;
    next += (fall.steps.length + 1) * ROW + 8;
    return block(fall, x, top);
  });
  return drawing(
    { width: FRAME.width, height: next + FRAME.bottom - 12 },
    id,
    svg`<g class="grid">${x.ticks.map((tick) => svg`<path d="M${round(x.scale(tick))} ${FRAME.top}V${next}"/>`)}</g>
${blocks}
<g class="axis x">${x.ticks.map((tick) => svg`<text x="${round(x.scale(tick))}" y="${next + 13}" data-tick="${tick}">${x.format(tick)}</text>`)}
<text class="label" x="${FRAME.width - 4}" y="${next + 13}">${x.label}</text></g>`,
  );
}

function block({ kind, cell, steps }: Waterfall, x: Axis, top: number): Markup {
  const total = steps.at(-1)?.toMs ?? 0;
  return svg`<g class="waterfall ${kind}" data-cell="${cell}"><title>${cell}</title><text class="group" x="4" y="${top + 12}">${KINDS[kind]}</text>
<text class="total" x="${round(x.scale(total) + 4)}" y="${top + 12}">${short(total)}</text>
<path class="span" d="M${round(x.scale(0))} ${top + 8.5}H${round(x.scale(total))}"/>
${steps.map(({ name, fromMs, toMs }, index) => {
  const y = top + (index + 1) * ROW;
  const shown = name.length > NAME_LENGTH ? `${name.slice(0, NAME_LENGTH - 1)}…` : name;
  return svg`<g><title>${name} · ${milliseconds(toMs - fromMs)}</title><text class="name" x="${FRAME.left - 6}" y="${y + 11}">${shown}</text>
<rect class="step" x="${round(x.scale(fromMs))}" y="${y + 2}" width="${round(Math.max(0.8, x.scale(toMs) - x.scale(fromMs)))}" height="${ROW - 5}" rx="1.5" data-phase="${name}" data-ms="${toMs - fromMs}"/>
<text class="ms" x="${round(x.scale(toMs) + 4)}" y="${y + 11}">${short(toMs - fromMs)}</text></g>`;
})}</g>`;
}
