import { enableCompileCache } from 'node:module';
import { parseArgs } from 'node:util';
import { COMPILE_CACHE } from './compile-cache.ts';
import type { DemoOptions } from './demonstration.ts';
import { ENGINES, parseEngines } from './engines.ts';
import { DeployError } from './errors.ts';
import { EXIT, run } from './exit.ts';

enableCompileCache(COMPILE_CACHE);

const HELP = `pnpm demo [--file PATH] [--engine ENGINE] [--vault ENGINE] [--keep]

Runs the main job of a federation on this machine, on real input.
  --file PATH  publish this file too (a PDF, a DICOM study)
  --engine     what the chains run on: ${ENGINES.engine.join(' or ')}
  --vault      where hospitals keep sealed bodies: ${ENGINES.vault.join(' or ')}
  --keep       leave the federation up, in .yilian`;

function options(): DemoOptions {
  const given = process.argv.slice(2);
  const known = {
    file: { type: 'string', multiple: true },
    engine: { type: 'string' },
    vault: { type: 'string' },
    keep: { type: 'boolean' },
    help: { type: 'boolean' },
  } as const;
  try {
    const { values } = parseArgs({ args: given[0] === '--' ? given.slice(1) : given, options: known });
    if (values.help === true) {
      process.stdout.write(`${HELP}\n`);
      process.exit(EXIT.done);
    }
    const [file, another] = values.file ?? [];
    if (another !== undefined) throw new Error(`only one file can be published, not ${another} too`);
    const engines = parseEngines(values);
    if (engines === undefined)
      throw new Error(`--engine takes ${ENGINES.engine.join(' or ')}, --vault takes ${ENGINES.vault.join(' or ')}`);
    return { keep: values.keep === true, ...(file !== undefined && { file }), ...engines };
  } catch (cause) {
    throw new DeployError('USAGE', cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

await run(async (signal) => {
  const given = options();
  await (await import('./demonstration.ts')).demonstrate(given, signal);
}, false);
