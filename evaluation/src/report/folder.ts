import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Evaluation } from '../results.ts';
import { cellsCsv, crossoverCsv } from './csv.ts';
import { renderReport } from './report.ts';

/** Its presence says that the folder is whole: it is the first to go and the last to come. */
const LAST = 'evaluation.json';

/**
 * Writes `report.html`, `cells.csv`, `crossover.csv` and, last, `evaluation.json` into a folder, which may hold other files.
 * Whatever fails leaves no `evaluation.json` beside parts of another evaluation.
 */
export async function writeResults(folder: string, evaluation: Evaluation): Promise<void> {
  const files = {
    'report.html': renderReport(evaluation),
    'cells.csv': cellsCsv(evaluation.cells),
    'crossover.csv': crossoverCsv(evaluation.crossovers),
    [LAST]: `${JSON.stringify(evaluation, undefined, 2)}\n`,
  };
  await mkdir(folder, { recursive: true });
  const beside = await mkdtemp(join(folder, '.writing-'));
  try {
    for (const [name, text] of Object.entries(files)) await writeFile(join(beside, name), text, { flush: true });
    await rm(join(folder, LAST), { force: true });
    for (const name of Object.keys(files)) await rename(join(beside, name), join(folder, name));
  } finally {
    await rm(beside, { recursive: true, force: true });
  }
}
