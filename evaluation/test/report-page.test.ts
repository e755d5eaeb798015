import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { isModelled, mixedMs, predict } from '../src/model.ts';
import { renderReport } from '../src/report/report.ts';
import { termsFrom } from '../src/report/what-if.ts';
import type { Evaluation } from '../src/results.ts';
import { evaluationFixture, HOSTILE } from './fixture/evaluation.ts';

const executablePath = (process.env['PATH'] ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'chromium'))
  .find(isExecutable);

const evaluation = evaluationFixture();

describe.skipIf(executablePath === undefined)('in Chromium, which is skipped when PATH has no chromium', () => {
  let folder: string;
  let browser: Browser;
  /** What a page complained of or asked the network for. */
  let noise: string[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'yilian-report-'));
    browser = await chromium.launch({ executablePath: executablePath ?? '', args: ['--no-sandbox'] });
  }, 60_000);
  afterAll(async () => {
    await browser.close();
    await rm(folder, { recursive: true, force: true });
  });
  afterEach(async () => {
    await Promise.all(browser.contexts().map((context) => context.close()));
    expect(noise).toEqual([]);
  });

  async function open(shown: Evaluation, options: BrowserContextOptions = {}): Promise<Page> {
    const file = join(folder, 'report.html');
    await writeFile(file, renderReport(shown));
    const page = await (await browser.newContext({ locale: 'en', ...options })).newPage();
    noise = [];
    page.on('console', (message) => noise.push(message.text()));
    page.on('pageerror', (error) => noise.push(error.message));
    page.on('request', (request) => {
      if (request.url() !== pathToFileURL(file).href) noise.push(request.url());
    });
    await page.goto(pathToFileURL(file).href);
    return page;
  }

  test('a point lies where the axis puts its value, for each metric and both schemes', async () => {
    const page = await open(evaluation);
    for (const metric of ['mean', 'median', 'p99'] as const) {
      await page.locator(`label:has(#metric-${metric})`).click();
      const panel = `#latency .panel:has(#latency-0-0) .for-${metric} svg`;
      expect(await page.locator(panel).isVisible()).toBe(true);
      const [x, y] = [await scaleOf(page, panel, 'x'), await scaleOf(page, panel, 'y')];
      const found = await attributes(page, `${panel} .dot`, ['data-cell', 'cx', 'cy', 'x', 'y', 'width', 'height']);
      const dots = found.map(([cell, cx, cy, left, top, width, height]) => ({
        cell,
        at:
          cx === null ? [Number(left) + Number(width) / 2, Number(top) + Number(height) / 2] : [Number(cx), Number(cy)],
      }));
      const expected = evaluation.cells.filter(
        ({ conditions, marks }) =>
          ['federation', 'national'].includes(conditions.scheme) &&
          conditions.rttMs === 30 &&
          !marks.some(({ weight }) => weight === 'void'),
      );
      expect(dots.map(({ cell }) => String(cell)).toSorted()).toEqual(expected.map(({ id }) => id).toSorted());
      for (const { id, conditions, latency } of expected) {
        const [left = 0, top = 0] = dots.find(({ cell }) => cell === id)?.at ?? [];
        expect(Math.abs(x(left) - conditions.intraPercent)).toBeLessThan(0.2);
        const value = latency.all?.[metric].value ?? 0;
        expect(Math.abs(y(top) / value - 1)).toBeLessThan(0.01);
      }
      expect(await page.locator(`${panel} .dot.flagged`).count()).toBe(metric === 'p99' ? 1 : 0);
      expect(await page.locator(`${panel} .void`).getAttribute('data-cell')).toBe('national/30/40');
    }
  });

  test('p* stands in its band, and a comparison without a number has none', async () => {
    const page = await open(evaluation);
    const panel = (id: string) => `#latency .panel:has(#${id}) .for-mean svg`;
    const thin = panel('latency-0-1');
    const x = await scaleOf(page, thin, 'x');
    const [[left, width] = []] = await attributes(page, `${thin} .p-band`, ['x', 'width']);
    expect(x(Number(left))).toBeCloseTo(24.4, 0);
    expect(x(Number(left) + Number(width))).toBeCloseTo(33.1, 0);
    expect(await page.locator(`${thin} .p-label`).textContent()).toBe('p* 28.6\u00a0%');
    expect(await page.locator(`${panel('latency-0-0')} .p-band`).count()).toBe(0);
  });

  test('each column over a distance is divided as its comparison was', async () => {
    const page = await open(evaluation);
    const columns = (rttMs: number) =>
      attributes(page, `#distance .panel:has(#distance-1) .for-mean .column[data-rtt="${rttMs}"] .territory rect`, [
        'class',
        'data-from',
        'data-to',
      ]);
    expect(await columns(10)).toEqual([
      ['behind', '0', '54.5'],
      ['ahead', '54.5', '100'],
    ]);
    expect(await columns(30)).toEqual([
      ['behind', '0', '28.6'],
      ['ahead', '28.6', '100'],
    ]);
    expect(await columns(60)).toEqual([['undecided', '0', '100']]);
  });

  test('phases are as long as measured, one after the other', async () => {
    const page = await open(evaluation);
    const steps = await attributes(page, '#phases [data-cell="federation/30/0"] rect', ['data-phase', 'data-ms']);
    const measured = evaluation.cells.find(({ id }) => id === 'federation/30/0')?.phases.cross ?? {};
    expect(steps.map(([name]) => name)).toEqual(Object.keys(measured));
    for (const [name, ms] of steps) expect(Number(ms)).toBeCloseTo(measured[name ?? ''] ?? 0, 9);
  });

  test('each language shows its own words and none of the other’s', async () => {
    const page = await open(evaluation, { locale: 'zh-CN' });
    expect(await page.title()).toBe('医链评估报告');
    const visible = (language: string) => page.locator(`body [lang="${language}"]:visible`).count();
    expect([(await visible('zh-CN')) > 200, await visible('en')]).toEqual([true, 0]);
    await page.locator('label:has(#language-en)').click();
    expect([await visible('zh-CN'), (await visible('en')) > 200]).toEqual([0, true]);
    expect(await page.title()).toBe('Yilian evaluation');
    expect(await page.locator('html').getAttribute('lang')).toBe('en');
    expect(await page.locator('#what-if-sliders select').textContent()).not.toMatch(/\p{Script=Han}/u);
    expect(await page.evaluate<string>('document.querySelector("main").innerText')).not.toMatch(/\p{Script=Han}/u);
  });

  test('without a script the switches and every figure still work', async () => {
    const page = await open(evaluation, { javaScriptEnabled: false });
    await page.locator('label:has(#language-en)').click();
    await page.locator('label:has(#metric-p99)').click();
    expect(await page.getByRole('heading', { name: 'Yilian evaluation', exact: true }).count()).toBe(1);
    expect(await page.locator('#latency .for-p99 svg').first().isVisible()).toBe(true);
    expect(await page.locator('#latency .for-mean svg').first().isVisible()).toBe(false);
    expect(await page.locator('#what-if-answer svg').isVisible()).toBe(true);
  });

  test('dark and light pages differ, and letters stand out on both', async () => {
    const grounds: string[] = [];
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await open(evaluation, { colorScheme });
      const [ink, ground] = await page.evaluate<[string, string]>(
        "['color', 'backgroundColor'].map((property) => getComputedStyle(document.body)[property])",
      );
      expect(contrast(ink, ground)).toBeGreaterThan(7);
      grounds.push(ground);
    }
    expect(new Set(grounds).size).toBe(2);
  });

  test('paper is white under a dark screen too', async () => {
    const page = await open(evaluation, { colorScheme: 'dark' });
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe('rgb(255, 255, 255)');
    expect(await page.evaluate('getComputedStyle(document.documentElement).colorScheme')).toBe('light');
  });

  test('nothing scrolls sideways at 390 pixels but tables in their own frame', async () => {
    const page = await open(evaluation, { viewport: { width: 390, height: 844 } });
    for (const details of await page.locator('summary').all()) await details.click();
    for (const language of ['zh', 'en']) {
      await page.locator(`label:has(#language-${language})`).click();
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390);
    }
  });

  test('sliders change the prediction to what the model says', async () => {
    const page = await open(evaluation);
    const ends = async () =>
      (await attributes(page, '#what-if-answer .line', ['data-intra', 'data-cross'])).map((line) => line.map(Number));
    const expected = (against: string, changes: object) => {
      const terms = { ...termsFrom(evaluation.terms), regions: 4, rttMs: 30, cutMs: 30, ...changes };
      return [against, 'federation'].filter(isModelled).map((scheme) => {
        const { intraMs, crossMs } = predict(scheme, terms);
        return [intraMs, crossMs];
      });
    };
    expect(await ends()).toEqual(expected('national', {}));
    expect(await page.locator('#what-if-answer .dot').count()).toBe(13);
    const changes = { regions: 8, rttMs: 90, commitMs: 40, cutMs: 100, relayMs: 55 };
    for (const [name, value] of Object.entries(changes)) {
      const before = JSON.stringify(await ends());
      await page.locator(`#${name}`).fill(String(value));
      expect(JSON.stringify(await ends())).not.toBe(before);
    }
    expect(await ends()).toEqual(expected('national', changes));
    expect(await page.locator('#what-if-answer .dot').count()).toBe(0);
    await page.locator('#what-if-sliders select').selectOption('national-thin');
    expect(await ends()).toEqual(expected('national-thin', changes));
    await page.locator('#intraPercent').fill('80');
    const own = mixedMs(predict('federation', { ...termsFrom(evaluation.terms), ...changes }), 80);
    expect(await page.locator('#what-if-said').textContent()).toContain(
      `With 80\u00a0% staying: the federation ${Math.round(own)}\u00a0ms`,
    );
  });

  test('hostile titles and reasons stay letters', async () => {
    const hostile = evaluation.schemes.map((scheme) => ({
      ...scheme,
      title: HOSTILE,
      titleZh: HOSTILE,
      about: HOSTILE,
    }));
    const page = await open({ ...evaluation, schemes: hostile });
    await page.locator('#rttMs').fill('44');
    expect(await page.locator('img').count()).toBe(0);
    expect(await page.locator('script').count()).toBe(1);
    expect(await page.title()).toBe('Yilian evaluation');
    expect(await page.locator('#what-if-said').textContent()).toContain(HOSTILE);
  });

  test('the policy of the page refuses the network, pictures and foreign scripts', async () => {
    const page = await open(evaluation);
    const refused = await page.evaluate(`new Promise((resolve) => {
      const directives = [];
      document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) => {
        directives.push(effectiveDirective);
        if (directives.length === 3) resolve(directives);
      });
      fetch('http://127.0.0.1:9/').catch(() => undefined);
      document.body.append(Object.assign(new Image(), { src: 'http://127.0.0.1:9/' }));
      document.body.append(Object.assign(document.createElement('script'), { text: 'document.title = "taken"' }));
    })`);
    expect(refused).toEqual(expect.arrayContaining(['connect-src', 'img-src', 'script-src-elem']));
    expect(await page.title()).toBe('Yilian evaluation');
    // Each refusal was told to the console.
    noise = [];
  });

  test('an evaluation that holds nothing opens as well', async () => {
    const page = await open({
      ...evaluation,
      cells: [],
      crossovers: [],
      simulations: [],
      validations: [],
      schemes: [],
    });
    expect(await page.locator('main > section').count()).toBe(11);
    expect(await page.locator('.none:visible').count()).toBeGreaterThan(6);
  });
});

/** Attributes of all that a selector finds. What runs in the page is text: its types are not known here. */
function attributes(page: Page, selector: string, names: readonly string[]): Promise<(string | null)[][]> {
  const found = `[...document.querySelectorAll(${JSON.stringify(selector)})]`;
  return page.evaluate(`${found}.map((each) => ${JSON.stringify(names)}.map((name) => each.getAttribute(name)))`);
}

/** From units of a drawing back to data, as a reader would: by two ticks of its axis. */
async function scaleOf(page: Page, drawing: string, axis: 'x' | 'y'): Promise<(units: number) => number> {
  const found = await attributes(page, `${drawing} .axis.${axis} [data-tick]`, ['data-tick', axis]);
  const [low, high] = [found[0], found.at(-1)].map((tick) => tick?.map(Number));
  const [[value = 0, at = 0], [otherValue = 0, otherAt = 0]] = [low ?? [], high ?? []];
  return (units) => value + ((units - at) / (otherAt - at)) * (otherValue - value);
}

/** The ratio of WCAG 2.2, 1 to 21, of two colours as `rgb(r, g, b)`. */
function contrast(...colours: readonly [string, string]): number {
  const [dark = 0, light = 0] = colours.map((colour) => luminance(colour)).toSorted((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = (colour.match(/\d+/g) ?? []).map((part) => {
    const share = Number(part) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
