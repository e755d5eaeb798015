import type { Scheme } from '../results.ts';
import { count } from './format.ts';
import { html, type Markup, svg } from './markup.ts';
import { round } from './plot.ts';
import { outOf, ROLES, TEXTS } from './texts.ts';
import type { View } from './view.ts';

const BAR = { width: 160, height: 12 };

/** Who could read metadata, who learns of a query and how many copies there are, scheme by scheme. */
export function exposureTable(view: View): Markup {
  return html`<div class="scroll"><table class="exposure"><thead><tr><th>${TEXTS.scheme}<th>${TEXTS.metadataReaders}<th>${TEXTS.queryWitnesses}<th class="number">${TEXTS.copies}</thead>
<tbody>${view.evaluation.schemes.map(
    (
      scheme,
    ) => html`<tr class="${scheme.role}"><th scope="row"><span class="key">${view.title(scheme.id)}</span> <small>${ROLES[scheme.role]} · ${scheme.id}</small><p>${{ zh: scheme.aboutZh, en: scheme.about }}</p>
<td>${boxes(scheme, scheme.metadataReaders)}<td>${boxes(scheme, scheme.queryWitnesses)}<td class="number">${count(scheme.copies)}`,
  )}</tbody></table></div>`;
}

/** One box for each organisation, as many filled as are concerned. */
function boxes({ organisations }: Scheme, filled: number): Markup {
  const width = BAR.width / Math.max(1, organisations);
  const gap = width > 4 ? 1.5 : 0;
  return html`<svg class="boxes" viewBox="0 0 ${BAR.width} ${BAR.height}" aria-hidden="true" data-filled="${filled}">${Array.from(
    { length: organisations },
    (_, index) =>
      svg`<rect class="${index < filled ? 'filled' : 'empty'}" x="${round(index * width)}" y="0" width="${round(width - gap)}" height="${BAR.height}" rx="1"/>`,
  )}</svg> <small>${outOf(filled, organisations)}</small>`;
}
