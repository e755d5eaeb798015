import { milliseconds, short } from './format.ts';
import { html, type Markup, type Part, type Text } from './markup.ts';
import { numbers, table, words } from './table.ts';
import { cellsCounted, ENGINES, TEXTS } from './texts.ts';
import { isVoid, type View } from './view.ts';

/** Where and how it was measured, and how to measure it again. */
export function environmentTable({ evaluation: { environment, terms } }: View): Markup {
  const { engine, network, seed, machine, versions, command, startedAt, endedAt } = environment;
  return html`<h3>${TEXTS.command}</h3><pre><code>${command}</code></pre>
<dl>${[
    entry(TEXTS.engine, html`${engine} <small>${ENGINES[engine]}</small>`),
    entry(TEXTS.network, network),
    entry(TEXTS.seed, html`<code>${seed}</code>`),
    entry(TEXTS.started, startedAt),
    entry(TEXTS.ended, endedAt),
    entry(TEXTS.machine, list(machine)),
    entry(TEXTS.versions, list(versions)),
    entry(TEXTS.terms, list(Object.fromEntries(Object.entries(terms).map((term) => [term[0], inItsUnit(...term)])))),
  ]}</dl>`;
}

function entry(name: Text, value: Part): Markup {
  return html`<div class="fact"><dt>${name}<dd>${value}</div>`;
}

/** Names of terms say their units. */
function inItsUnit(name: string, value: number): string {
  return name.endsWith('Ms') ? milliseconds(value) : short(value);
}

function list(values: Readonly<Record<string, string | number>>): Markup {
  return html`<ul class="values">${Object.entries(values).map(([name, value]) => html`<li><span>${name}</span> ${value}`)}</ul>`;
}

/** Distances as asked and as they were before and after. */
export function calibrationTable({ evaluation: { calibrations } }: View): Markup {
  if (calibrations.length === 0) return html`<p class="none">${TEXTS.noCalibration}</p>`;
  const columns = [
    words(TEXTS.from),
    words(TEXTS.to),
    numbers(TEXTS.asked),
    numbers(TEXTS.before),
    numbers(TEXTS.after),
  ];
  return table(
    [...columns, numbers(TEXTS.throughput)],
    calibrations.map(({ from, to, askedMs, beforeMs, afterMs, mbitPerSecond }) => [
      from,
      to,
      milliseconds(askedMs),
      milliseconds(beforeMs),
      milliseconds(afterMs),
      `${short(mbitPerSecond)} Mbit/s`,
    ]),
  );
}

/** Cells that count for nothing or only with care, with their reasons. */
export function marksTable({ evaluation: { cells } }: View): Markup {
  const marked = cells.filter(({ marks }) => marks.length > 0);
  const voids = marked.filter(isVoid).length;
  const summary = html`<p>${cellsCounted(cells.length, voids, marked.length - voids)}</p>`;
  if (marked.length === 0) return html`${summary}<p class="none">${TEXTS.noMarks}</p>`;
  const rows = marked.flatMap(({ id, marks }) =>
    marks.map(({ weight, code, detail }) => [
      html`<code>${id}</code>`,
      weight === 'void' ? html`<b>× ${TEXTS.voidCell}</b>` : html`○ ${TEXTS.flaggedCell}`,
      html`<code>${code}</code> ${detail}`,
    ]),
  );
  return html`${summary}${table([words(TEXTS.cell), words(TEXTS.weight), words(TEXTS.reason)], rows)}`;
}
