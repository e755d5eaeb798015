import { isModelled } from '../model.ts';
import { html, type Markup } from './markup.ts';
import { TEXTS } from './texts.ts';
import { isVoid, marksFor, type View } from './view.ts';
import { SLIDER_NAMES, SLIDERS, termsFrom, type WhatIf, whatIfAnswer } from './what-if.ts';

/** Sliders, and what the model says of the primary conditions until they are moved. */
export function whatIfPanel(view: View): Markup {
  const data = whatIfOf(view);
  const rivals = Object.entries(data.titles).filter(([id]) => id !== data.scheme);
  if (data.titles[data.scheme] === undefined || rivals.length === 0) return html`<p class="none">${TEXTS.noWhatIf}</p>`;
  return html`<div class="what-if"><form id="what-if-sliders" class="sliders" autocomplete="off" data-what-if="${JSON.stringify(data)}">
<label>${TEXTS.against}<select name="against">${rivals.map(
    ([id, { zh, en }]) =>
      html`<option value="${id}" ${id === data.against ? 'selected' : ''} data-zh="${zh}" data-en="${en}">${zh}</option>`,
  )}</select></label>
${SLIDER_NAMES.map((name) => {
  const { label, unit, min, max, step } = SLIDERS[name];
  const value = data.setting[name];
  return html`<label><span>${label}</span><output for="${name}">${value}${unit}</output><input type="range" id="${name}" name="${name}" min="${min}" max="${Math.max(max, value)}" step="${step}" value="${value}"></label>`;
})}
<noscript><p class="small">${TEXTS.needsScript}</p></noscript></form>
<div id="what-if-answer" aria-live="polite">${whatIfAnswer(data, data.against, data.setting)}</div></div>`;
}

function whatIfOf(view: View): WhatIf {
  const { primary, cells, schemes } = view.evaluation;
  const terms = termsFrom(view.evaluation.terms);
  const ids = schemes.map(({ id }) => id).filter(isModelled);
  const cutMs = view.main?.conditions.cutMs ?? terms.cutMs;
  return {
    scheme: primary.scheme,
    against: ids.find((id) => id === primary.against) ?? ids.find((id) => id !== primary.scheme) ?? '',
    titles: Object.fromEntries(ids.map((id) => [id, view.title(id)])),
    terms,
    setting: {
      regions: primary.regions,
      rttMs: primary.rttMs,
      cutMs,
      commitMs: terms.commitMs,
      relayMs: terms.relayMs,
      intraPercent: 50,
    },
    measured: cells.flatMap((cell) => {
      const meanMs = cell.latency.all?.mean.value;
      const { scheme, regions, rttMs, cutMs: measuredCutMs, intraPercent } = cell.conditions;
      const marks = marksFor(cell, 'mean');
      if (isVoid(cell) || meanMs === undefined || !isModelled(scheme)) return [];
      return [{ cell: cell.id, scheme, regions, rttMs, cutMs: measuredCutMs, intraPercent, meanMs, marks }];
    }),
  };
}
