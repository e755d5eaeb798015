import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Evaluation } from '../results.ts';
import { answerSection } from './answer.ts';
import { costPanels } from './costs.ts';
import { distancePanels } from './distance.ts';
import { distributionPanels } from './distribution.ts';
import { exposureTable } from './exposure.ts';
import { latencyPanel, metricSwitch } from './latency.ts';
import { html, Markup, type Part, svg, type Text } from './markup.ts';
import { pageScript } from './page-script.ts';
import { phasePanels } from './phases.ts';
import { predictionFigure } from './prediction.ts';
import { calibrationTable, environmentTable, marksTable } from './provenance.ts';
import { simulationFigure, validationTable } from './simulation.ts';
import { conditionsText, ENGINES, TEXTS } from './texts.ts';
import { type Comparison, keyOf, View } from './view.ts';
import { whatIfPanel } from './what-if-panel.ts';

const STYLE = readFileSync(new URL('report.css', import.meta.url), 'utf8');

/**
 * An evaluation as one HTML page that asks the network for nothing: its policy admits this style and this script by their
 * hashes and nothing else. Figures are drawn here; the script runs the what-if panel and chooses the first language.
 */
export function renderReport(evaluation: Evaluation): string {
  const view = new View(evaluation);
  const script = pageScript();
  const policy = `default-src 'none'; style-src '${hashOf(STYLE)}'; script-src '${hashOf(script)}'; base-uri 'none'; form-action 'none'`;
  const { environment } = evaluation;
  return html`<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer">
<title>${TEXTS.title.zh} · ${TEXTS.title.en}</title><style>${Markup.trusted(STYLE)}</style></head>
<body>
<header><p class="kicker">${TEXTS.kicker}</p><h1>${TEXTS.title}</h1><p class="about">${TEXTS.lead}</p>
<p class="small">${environment.startedAt} · ${environment.engine} · ${environment.network}<br>${ENGINES[environment.engine]}</p>
<nav aria-label="${TEXTS.contents.zh} ${TEXTS.contents.en}">${SECTIONS.map(({ id, title }) => html`<a href="#${id}">${title}</a>`)}</nav></header>
<div class="controls">${metricSwitch()}${languageSwitch()}</div>
${HATCH}
<main>${SECTIONS.map(({ id, title, about, body }) => html`<section id="${id}"><h2>${title}</h2>${about && html`<p class="about">${about}</p>`}${body(view)}</section>`)}</main>
<footer>${TEXTS.title} · ${evaluation.format} · ${environment.endedAt}</footer>
<script>${Markup.trusted(script)}</script>
</body></html>
`.toString();
}

interface Section {
  readonly id: string;
  readonly title: Text;
  readonly about?: Text;
  readonly body: (view: View) => Part;
}

const SECTIONS: readonly Section[] = [
  { id: 'answer', title: TEXTS.answer, body: answerSection },
  { id: 'latency', title: TEXTS.latency, about: TEXTS.latencyAbout, body: latencySection },
  {
    id: 'distance',
    title: TEXTS.distance,
    about: TEXTS.distanceAbout,
    body: (view) => panels(distancePanels(view), TEXTS.noCrossovers),
  },
  {
    id: 'phases',
    title: TEXTS.phases,
    about: TEXTS.phasesAbout,
    body: (view) => ofMain(view, phasePanels, TEXTS.noPhases),
  },
  {
    id: 'distribution',
    title: TEXTS.distribution,
    about: TEXTS.distributionAbout,
    body: (view) => ofMain(view, distributionPanels, TEXTS.noSoundCells),
  },
  {
    id: 'costs',
    title: TEXTS.costs,
    about: TEXTS.costsAbout,
    body: (view) => ofMain(view, costPanels, TEXTS.noSoundCells),
  },
  { id: 'exposure', title: TEXTS.exposure, about: TEXTS.exposureAbout, body: exposureTable },
  {
    id: 'simulation',
    title: TEXTS.simulation,
    about: TEXTS.simulationAbout,
    body: (view) => html`${simulationFigure(view)}<h3>${TEXTS.validation}</h3>${validationTable(view)}`,
  },
  { id: 'model', title: TEXTS.model, about: TEXTS.modelAbout, body: predictionFigure },
  { id: 'what-if', title: TEXTS.whatIf, about: TEXTS.whatIfAbout, body: whatIfPanel },
  {
    id: 'environment',
    title: TEXTS.environment,
    body: (view) =>
      html`${environmentTable(view)}<h3>${TEXTS.calibration}</h3>${calibrationTable(view)}<h3>${TEXTS.marks}</h3>${marksTable(view)}`,
  },
];

/** A panel for each comparison; those under other than the main conditions are folded away. */
function latencySection(view: View): Part {
  const places = [...Map.groupBy(view.comparisons(), ({ conditions }) => keyOf(conditions)).values()];
  const drawn = places.map((comparisons, place) => latencyPanels(view, comparisons, `latency-${place}`));
  const [first, ...others] = drawn;
  if (first === undefined) return html`<p class="none">${TEXTS.noCrossovers}</p>`;
  return html`<p class="small">${TEXTS.tooFew} ${TEXTS.voidLegend}</p>${first}${
    others.length === 0
      ? undefined
      : html`<details><summary>${TEXTS.otherConditions} (${others.length})</summary>${others}</details>`
  }`;
}

function latencyPanels(view: View, comparisons: readonly Comparison[], id: string): Markup {
  const [first] = comparisons;
  return html`${first && html`<p class="small conditions">${conditionsText(first.conditions)}</p>`}
<div class="panels">${comparisons.map((each, index) => latencyPanel(view, each, `${id}-${index}`))}</div>`;
}

function ofMain(
  view: View,
  draw: (view: View, group: NonNullable<View['main']>) => readonly Markup[],
  none: Text,
): Part {
  const { main } = view;
  if (main === undefined) return html`<p class="none">${none}</p>`;
  return html`<p class="small conditions">${conditionsText(main.conditions)}</p>${panels(draw(view, main), none)}`;
}

function panels(drawn: readonly Markup[], none: Text): Markup {
  return drawn.length === 0 ? html`<p class="none">${none}</p>` : html`<div class="panels">${drawn}</div>`;
}

function languageSwitch(): Markup {
  return html`<fieldset class="switch"><legend>${TEXTS.language}</legend>
<label><input type="radio" name="language" id="language-zh" value="zh" checked>中文</label><label><input type="radio" name="language" id="language-en" value="en">English</label></fieldset>`;
}

/** What fills a stretch of shares of which nothing can be said. */
const HATCH = svg`<svg class="patterns" width="0" height="0" aria-hidden="true"><defs><pattern id="undecided" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path class="hatch" d="M0 0V6"/></pattern></defs></svg>`;

function hashOf(source: string): string {
  return `sha256-${createHash('sha256').update(source).digest('base64')}`;
}
