/** `pnpm evaluate`: measures the federation beside its rivals and writes a folder whose report.html says what came of it. */
import { join, resolve } from 'node:path';
import { writeWhole } from '@yilian/service';
import { environmentOf } from './environment.ts';
import { EvaluationError } from './errors.ts';
import { evaluationOf } from './evaluation.ts';
import { parseOptions, USAGE } from './options.ts';
import { planned } from './plan.ts';
import { writeResults } from './report/folder.ts';
import { measureAll, seedOf } from './runner.ts';
import { findEngine } from './schemes/index.ts';

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort());

try {
  const options = parseOptions(process.argv.slice(2), seedOf);
  if (options === undefined) say(USAGE);
  else {
    const { version } = await findEngine(options.engine);
    const startedAt = new Date().toISOString();
    const cells = planned(options);
    const { folder } = options;
    const records = await measureAll(cells, options, interrupted.signal, say);
    const evaluation = evaluationOf(cells, records, options, environmentOf(options, version, startedAt));
    writeWhole(
      join(folder, 'raw.jsonl'),
      records.flatMap(({ samples }) => samples.map((sample) => `${JSON.stringify(sample)}\n`)).join(''),
    );
    await writeResults(folder, evaluation);
    say(join(resolve(folder), 'report.html'));
  }
} catch (error) {
  if (interrupted.signal.aborted)
    say('interrupted: what was measured is kept; the same options with --out and its folder go on');
  else if (error instanceof EvaluationError) say(`${error.code}: ${error.message}`);
  else throw error;
  process.exitCode = 1;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
