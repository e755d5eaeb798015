import type { Cell, Validation } from '../results.ts';
import { imitate } from './calibrate.ts';
import type { Costs } from './costs.ts';
import { mean, run } from './simulate.ts';

/** Not the seed of the calibration: an error that another run makes shall show. */
const SEED = 2;

/**
 * Simulates each cell as it was measured and compares mean latencies. Cells that costs were calibrated by are no evidence for them:
 * give others.
 */
export function validate(costs: Costs, cells: readonly Cell[]): readonly Validation[] {
  return imitate(cells).flatMap(({ cell, scenario }) => {
    const measuredMs = (cell.latency.all ?? cell.latency.intra ?? cell.latency.cross)?.mean.value;
    if (measuredMs === undefined) return [];
    const { latencies } = run(scenario, costs, SEED);
    const simulatedMs = mean([...latencies.intra, ...latencies.cross]);
    return [{ cell: cell.id, measuredMs, simulatedMs, errorPercent: (100 * (simulatedMs - measuredMs)) / measuredMs }];
  });
}
