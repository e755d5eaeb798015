import type { Cell, Kind, Validation } from '../results.ts';
import { mean } from '../statistics/index.ts';
import { type Calibrated, imitate } from './calibrate.ts';
import type { Scenario } from './scenario.ts';
import { run } from './simulate.ts';

/** Not the seed of the calibration: an error that another run makes shall show. */
const SEED = 2;

/** Simulates each cell as it was measured, each kind by itself where they were apart, and compares mean latencies. */
export function validate(
  { costs, machine, cells: known }: Pick<Calibrated, 'costs' | 'machine' | 'cells'>,
  cells: readonly Cell[],
): readonly Validation[] {
  return imitate(cells, machine).flatMap(({ cell, scenarios }) =>
    (Object.entries(scenarios) as [Kind | 'all', Scenario][]).flatMap(([kind, scenario]) => {
      const measuredMs = cell.latency[kind]?.mean.value;
      if (measuredMs === undefined) return [];
      const { latencies } = run(scenario, costs, SEED);
      const simulatedMs = mean([...latencies.intra, ...latencies.cross]);
      const errorPercent = (100 * (simulatedMs - measuredMs)) / measuredMs;
      return [{ cell: cell.id, kind, measuredMs, simulatedMs, errorPercent, calibrated: known.includes(cell.id) }];
    }),
  );
}
