import type { Cell, Crossover } from '../results.ts';
import { reasons } from './marks.ts';
import { isVoid } from './view.ts';

type Field = string | number | undefined;

/** RFC 4180: lines end in CRLF, what holds a comma, a quote or a line break is quoted. */
export function csv(header: readonly string[], rows: readonly (readonly Field[])[]): string {
  return [header, ...rows].map((row) => `${row.map(field).join(',')}\r\n`).join('');
}

function field(value: Field): string {
  if (value === undefined || (typeof value === 'number' && !Number.isFinite(value))) return '';
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** What a column is called, units included, and how it is read from a record. */
type Column<Item> = readonly [header: string, read: (item: Item) => Field];

function table<Item>(columns: readonly Column<Item>[], items: readonly Item[]): string {
  return csv(
    columns.map(([header]) => header),
    items.map((item) => columns.map(([, read]) => read(item))),
  );
}

/** One line a cell; latencies with both ends of their 95 % interval. Of a void cell there are conditions and reasons only. */
export function cellsCsv(cells: readonly Cell[]): string {
  return table([...CELL_COLUMNS, ...MEASURED_COLUMNS.map(unlessVoid)], cells);
}

/** One line a comparison and metric; no number where there is no crossing. */
export function crossoverCsv(crossovers: readonly Crossover[]): string {
  return table(CROSSOVER_COLUMNS, crossovers);
}

const CONDITION_COLUMNS: readonly Column<Pick<Crossover, 'conditions'>>[] = [
  ['regions', ({ conditions }) => conditions.regions],
  ['round trip (ms)', ({ conditions }) => conditions.rttMs],
  ['cut (ms)', ({ conditions }) => conditions.cutMs],
  ['temperature', ({ conditions }) => conditions.temperature],
  ['queries (1/s)', ({ conditions }) => conditions.perSecond],
  ['writes (1/s)', ({ conditions }) => conditions.writesPerSecond],
  ['records on chain', ({ conditions }) => conditions.records],
];

const CELL_COLUMNS: readonly Column<Cell>[] = [
  ['cell', ({ id }) => id],
  ['scheme', ({ conditions }) => conditions.scheme],
  ...CONDITION_COLUMNS,
  ['intra (%)', ({ conditions }) => conditions.intraPercent],
  ['runs', ({ runs }) => runs],
  ['samples', ({ samples }) => samples],
  ['timeouts', ({ timeouts }) => timeouts],
  ['weight', (cell) => (isVoid(cell) ? 'void' : cell.marks.length > 0 ? 'flag' : 'sound')],
  ['marks', ({ marks }) => reasons(marks)],
];

const MEASURED_COLUMNS: readonly Column<Cell>[] = [
  ...(['all', 'intra', 'cross'] as const).flatMap((scope) =>
    (['mean', 'median', 'p90', 'p99'] as const).flatMap((statistic) =>
      (['value', 'low', 'high'] as const).map(
        (end): Column<Cell> => [`${scope} ${statistic} ${end} (ms)`, ({ latency }) => latency[scope]?.[statistic][end]],
      ),
    ),
  ),
  ['goodput (requests/s)', ({ goodput }) => goodput],
  ['CPU per request (ms)', ({ perRequest }) => perRequest.cpuMs],
  ['between regions per request (bytes)', ({ perRequest }) => perRequest.bytesBetween],
  ['within regions per request (bytes)', ({ perRequest }) => perRequest.bytesWithin],
  ['chains per request (bytes)', ({ perRequest }) => perRequest.chainBytes],
  ['CPU share (0..1)', ({ cpuShare }) => cpuShare],
  ['idle, of one processor (0..1)', ({ idleShare }) => idleShare],
  ['model mean (ms)', ({ predicted }) => predicted],
];

function unlessVoid([header, read]: Column<Cell>): Column<Cell> {
  return [header, (cell) => (isVoid(cell) ? undefined : read(cell))];
}

const CROSSOVER_COLUMNS: readonly Column<Crossover>[] = [
  ['scheme', ({ scheme }) => scheme],
  ['against', ({ against }) => against],
  ...CONDITION_COLUMNS,
  ['metric', ({ metric }) => metric],
  ['verdict', ({ verdict }) => verdict],
  ['crossover (%)', ({ crossover }) => crossover?.value],
  ['low (%)', ({ crossover }) => crossover?.low],
  ['high (%)', ({ crossover }) => crossover?.high],
  ['model (%)', ({ predicted }) => predicted],
  ...(['always', 'above', 'never', 'below'] as const).map(
    (verdict): Column<Crossover> => [`${verdict} (0..1)`, ({ verdicts }) => verdicts[verdict]],
  ),
  ['resamples', ({ resamples }) => resamples],
];
