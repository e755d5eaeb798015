import { parseArgs } from 'node:util';
import { EvaluationError } from './errors.ts';
import type { EngineName, Temperature } from './results.ts';
import { MOST_REGIONS, SCHEMES } from './schemes/index.ts';
import { isMix, MIXES, type Mix } from './workload.ts';

/** What an evaluation is asked to measure. */
export interface Options {
  readonly profile: 'quick' | 'full';
  readonly engine: EngineName;
  readonly schemes: readonly string[];
  /** Shares of queries that stay in their region, 0..100; measured beside the kinds alone. */
  readonly ratios: readonly number[];
  /** Round trips between regions, milliseconds. */
  readonly rttsMs: readonly number[];
  readonly regions: readonly number[];
  readonly cutsMs: readonly number[];
  readonly temperatures: readonly Temperature[];
  readonly mix: Mix;
  readonly runs: number;
  /** Of each kind in a run, or of both together where they are mixed. */
  readonly requests: number;
  /** Of each kind, before anything counts. */
  readonly warmUp: number;
  readonly perSecond: number;
  readonly writesPerSecond: readonly number[];
  /** Records there are before a run. */
  readonly records: readonly number[];
  readonly seed: string;
  readonly folder: string;
}

const FLAGS = {
  quick: { type: 'boolean' },
  full: { type: 'boolean' },
  engine: { type: 'string' },
  schemes: { type: 'string' },
  ratio: { type: 'string' },
  rtt: { type: 'string' },
  regions: { type: 'string' },
  cut: { type: 'string' },
  temperature: { type: 'string' },
  mix: { type: 'string' },
  runs: { type: 'string' },
  requests: { type: 'string' },
  'warm-up': { type: 'string' },
  rate: { type: 'string' },
  writers: { type: 'string' },
  records: { type: 'string' },
  seed: { type: 'string' },
  out: { type: 'string' },
  help: { type: 'boolean' },
} as const;

export const USAGE = `usage: pnpm evaluate [--quick | --full] [options]

  --quick              the primary cell and one mixture, in less than ten minutes (default)
  --full               every ratio, distance, block cut and load: hours
  --ratio 0,50,78.5    percent of the queries that stay in their region, measured as mixtures
  --rtt 10,30          round trip between two regions, milliseconds
  --regions 2,4        regions
  --cut 20,100         longest that an orderer waits for more transactions, milliseconds
  --temperature cold,warm   first query under a grant, or a later one
  --mix NAME           sizes of records: ${Object.keys(MIXES).join(', ')}
  --schemes a,b        of ${SCHEMES.join(', ')}
  --runs N             runs of each cell; --requests N of each kind in a run, after --warm-up N;
                       --rate N queries a second
  --writers 0,5        records published in each second meanwhile; --records N there are before
  --engine embedded | fabric   chains in the process of a run, or networks of Hyperledger Fabric
  --seed TEXT --out FOLDER   an interrupted evaluation goes on when its folder is named again
`;

const QUICK = {
  // What a national chain, the strongest rival and no chain at all say of the federation; the others take too long.
  schemes: ['federation', 'national', 'national-remote', 'national-thin', 'multi-channel', 'no-chain'],
  ratios: [50],
  rttsMs: [30],
  regions: [4],
  cutsMs: [20],
  temperatures: ['cold'],
  runs: 3,
  requests: 12,
  writesPerSecond: [0],
  records: [32],
} as const;
const FULL = {
  schemes: SCHEMES,
  ratios: [0, 10, 20, 30, 40, 50, 60, 70, 78.5, 80, 90, 95, 100],
  rttsMs: [10, 20, 30, 45, 60],
  regions: [2, 4, 8],
  cutsMs: [20, 50, 100, 250, 500, 2000],
  temperatures: ['cold', 'warm'],
  runs: 10,
  requests: 40,
  writesPerSecond: [0, 1, 5],
  records: [32, 1000],
} as const;

/**
 * The options on a command line; `undefined` when help is wanted.
 * @param seedOf the seed of the evaluation a folder holds, if it holds one: it goes on
 * @throws EvaluationError OPTION_INVALID in words for whoever typed it
 */
export function parseOptions(
  args: readonly string[],
  seedOf: (folder: string) => string | undefined = () => undefined,
): Options | undefined {
  const given = flags(args);
  if (given.help === true) return undefined;
  if (given.quick === true && given.full === true) throw wrong('--quick and --full exclude each other');
  const profile = given.full === true ? 'full' : 'quick';
  const defaults = profile === 'full' ? FULL : QUICK;
  const numbers = (
    name: 'ratio' | 'rtt' | 'regions' | 'cut' | 'writers' | 'records',
    otherwise: readonly number[],
    bounds: Bounds,
  ) => (given[name] === undefined ? otherwise : given[name].split(',').map((text) => number(name, text, bounds)));
  const one = (name: 'runs' | 'requests' | 'warm-up' | 'rate', otherwise: number, bounds: Bounds) =>
    given[name] === undefined ? otherwise : number(name, given[name], bounds);
  const seed = given.seed ?? (given.out === undefined ? undefined : seedOf(given.out)) ?? new Date().toISOString();
  const mix = given.mix ?? 'documents';
  if (!isMix(mix)) throw wrong(`--mix ${mix} is none of ${Object.keys(MIXES).join(', ')}`);
  const engine = given.engine ?? 'embedded';
  if (engine !== 'embedded' && engine !== 'fabric') throw wrong(`--engine ${engine} is neither embedded nor fabric`);
  return {
    profile,
    engine,
    schemes: schemes(given.schemes) ?? defaults.schemes,
    ratios: numbers('ratio', defaults.ratios, { least: 0, most: 100, unit: 'percent' }),
    rttsMs: numbers('rtt', defaults.rttsMs, { least: 0, most: 2000, unit: 'milliseconds' }),
    regions: numbers('regions', defaults.regions, { least: 2, most: MOST_REGIONS, unit: 'regions', whole: true }),
    // Fabric's orderers have to wait for something.
    cutsMs: numbers('cut', defaults.cutsMs, { least: engine === 'fabric' ? 1 : 0, most: 10_000, unit: 'milliseconds' }),
    temperatures: temperatures(given.temperature) ?? defaults.temperatures,
    mix,
    runs: one('runs', defaults.runs, { least: 2, most: 1000, unit: 'runs', whole: true }),
    requests: one('requests', defaults.requests, { least: 2, most: 100_000, unit: 'requests', whole: true }),
    warmUp: one('warm-up', 12, { least: 0, most: 1000, unit: 'requests', whole: true }),
    perSecond: one('rate', 1.5, { least: 0.01, most: 1000, unit: 'queries a second' }),
    writesPerSecond: numbers('writers', defaults.writesPerSecond, { least: 0, most: 1000, unit: 'records a second' }),
    records: numbers('records', defaults.records, { least: 1, most: 1_000_000, unit: 'records', whole: true }),
    seed,
    folder: given.out ?? `results/${seed.replaceAll(/[^A-Za-z0-9]+/g, '-')}`,
  };
}

interface Bounds {
  readonly least: number;
  readonly most: number;
  readonly unit: string;
  readonly whole?: boolean;
}

function flags(args: readonly string[]) {
  try {
    return parseArgs({ args: args.filter((arg) => arg !== '--'), options: FLAGS }).values;
  } catch (cause) {
    throw new EvaluationError('OPTION_INVALID', (cause as Error).message, { cause });
  }
}

function number(name: string, text: string, { least, most, unit, whole = false }: Bounds): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most && (!whole || Number.isInteger(value))) return value;
  throw wrong(`--${name} ${text}: a ${whole ? 'whole ' : ''}number of ${unit} from ${least} to ${most} is wanted`);
}

function schemes(text: string | undefined): readonly string[] | undefined {
  return text?.split(',').map((id) => {
    if (!SCHEMES.includes(id)) throw wrong(`--schemes ${id} is none of ${SCHEMES.join(', ')}`);
    return id;
  });
}

function temperatures(text: string | undefined): readonly Temperature[] | undefined {
  return text?.split(',').map((each) => {
    if (each !== 'cold' && each !== 'warm') throw wrong(`--temperature ${each} is neither cold nor warm`);
    return each;
  });
}

function wrong(message: string): EvaluationError {
  return new EvaluationError('OPTION_INVALID', message);
}
