/**
 * `node campaign/src/run.ts [--seed N] [--minutes M] [--production] [--log LEVEL]`: a random campaign. The seed chooses
 * what happens; when it happens to which instruction is the machine's. Ends with 1 at the first violation, and leaves the
 * folder with ledgers and logs then.
 */
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { Random } from '@yilian/testbed/random';
import type { Violation } from './checker.ts';
import { blackout, targetsOf } from './faults.ts';
import { raceRevocation, underLoad } from './load.ts';
import { violationsAtRest } from './rest.ts';
import { type Cast, cast } from './steps.ts';
import { Tally } from './tally.ts';
import { BRISK, World } from './world.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    minutes: { type: 'string', default: '5' },
    production: { type: 'boolean', default: false },
    log: { type: 'string', default: 'silent' },
  },
});
const QUERIES = 6;
const SPREAD_MS = 2500;
const MINUTE_MS = 60_000;

const seed = Number(values.seed);
const random = new Random(seed);
const tally = new Tally();
const end = Date.now() + Number(values.minutes) * MINUTE_MS;
say(`seed ${seed}, ${values.minutes} minutes, ${values.production ? 'production' : 'brisk'} limits`);

const world = await World.open({ limits: values.production ? {} : BRISK, logLevel: values.log });
const violations = await campaign(await cast(world)).catch(told);
say(tally.report(world));
if (violations.length === 0) {
  await world.audit();
  say('both regional chains verified from their first block');
  say(`0 violations; with 95 % confidence fewer than ${(300 / tally.rounds).toFixed(1)} % of such rounds have one`);
  await world[Symbol.asyncDispose]();
} else {
  for (const { rule, of, detail } of violations) say(`violation ${rule} of ${of}: ${detail}`);
  say(`seed ${seed}; ledgers and logs are in ${await world.keep()}`);
  process.exitCode = 1;
}

async function campaign(all: Cast): Promise<readonly Violation[]> {
  while (Date.now() < end) {
    const began = Date.now();
    await round(all);
    const found = await violationsAtRest(all.world);
    if (found.length > 0) return found;
    tally.ended(Date.now() - began);
  }
  return [];
}

/** One to three parts are struck under load; now and then all of them, or a grant is revoked meanwhile. */
async function round(all: Cast): Promise<void> {
  const kind = random.integer(1, 10);
  await underLoad(all, { random, queries: QUERIES, spreadMs: SPREAD_MS }, async () => {
    if (kind === 1) {
      tally.struck('everything killed at once');
      await blackout(all.world, random);
      return;
    }
    const faults = random.some(targetsOf(all.world), random.integer(1, 3)).map((fitting) => random.pick(fitting));
    for (const { name } of faults) tally.struck(name);
    await Promise.all(faults.map(({ strike }) => strike(random)));
  });
  if (kind > 7) {
    tally.struck('a grant revoked under queries');
    await raceRevocation(all, random, QUERIES);
  }
}

/** A query that did not end, or a part that did not come back, is a violation too. */
function told(error: unknown): readonly Violation[] {
  const { code = 'UNFORESEEN', message = String(error), cause } = error as { code?: string } & Partial<Error>;
  const why = cause instanceof Error ? ` (${cause.message})` : '';
  return [{ rule: 'STILL_PENDING', of: code, detail: `${message}${why}; load average ${loadavg().join(' ')}` }];
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
