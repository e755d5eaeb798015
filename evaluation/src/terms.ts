import { ASSUMED, isModelled, mixedMs, predict, type Terms } from './model.ts';
import type { Primary } from './plan.ts';
import type { PerQuestion } from './processor.ts';
import type { Cell, Conditions } from './results.ts';

/**
 * The model's terms from two measured cells: of the federation's of the primary comparison a commit and what comes after it, from
 * the queries inside a region, and what relays add, from those across; and of the floor's how often a connection had to be opened. So the
 * model meets these cells by construction, and every other cell, distance and scheme is a prediction.
 */
export function termsOf(cells: readonly Cell[], primary: Primary, perQuestion?: PerQuestion): Terms {
  const { regions, rttMs } = primary;
  const found = calibrationCell(cells, primary);
  const { intra, cross } = found?.latency ?? {};
  const phases = found?.phases.intra;
  if (found === undefined || intra === undefined || cross === undefined || phases === undefined) return ASSUMED;
  const { cutMs, perSecond } = found.conditions;
  const commitMs = Math.max(0, (phases['ask'] ?? 0) - cutMs);
  const reencryptMs = Math.max(0, intra.mean.value - commitMs - cutMs);
  const relayMs = Math.max(0, cross.mean.value - rttMs - commitMs - cutMs - reencryptMs);
  return {
    ...ASSUMED,
    regions,
    rttMs,
    cutMs,
    commitMs,
    readMs: 0,
    payloadMs: 0,
    reencryptMs,
    relayMs,
    awayShare: 1 - 1 / regions,
    intraLookups: 1,
    coldShare: coldShareOf(cells, primary),
    shareTrips: 1 / 2,
    workMs: perQuestion === undefined ? 0 : Math.max(0, perQuestion.cross - perQuestion.intra),
    perSecond,
  };
}

/** The cell that model and simulator take their costs from, with its kinds apart. */
export function calibrationCell(
  cells: readonly Cell[],
  { scheme, regions, rttMs }: Pick<Primary, 'scheme' | 'regions' | 'rttMs'>,
): Cell | undefined {
  return cells.find(
    ({ conditions }) =>
      conditions.scheme === scheme && conditions.apart && conditions.regions === regions && conditions.rttMs === rttMs,
  );
}

/**
 * Of the calls to another region, those that had to open a connection: without a chain a query makes one call, and takes a round trip more
 * across regions, or two. 0 where that was not measured.
 */
export function coldShareOf(cells: readonly Cell[], { regions, rttMs }: Primary): number {
  const { intra, cross } = calibrationCell(cells, { scheme: 'no-chain', regions, rttMs })?.latency ?? {};
  if (intra === undefined || cross === undefined || rttMs === 0) return 0;
  return Math.min(1, Math.max(0, (cross.mean.value - intra.mean.value) / rttMs - 1));
}

/** Mean milliseconds; `undefined` for a scheme the model has no formula for. */
export function predictedMs(conditions: Conditions, terms: Terms): number | undefined {
  const { scheme, regions, rttMs, cutMs, intraPercent } = conditions;
  if (!isModelled(scheme)) return undefined;
  return mixedMs(predict(scheme, at(terms, { regions, rttMs, cutMs })), intraPercent);
}

export function at(terms: Terms, { regions, rttMs, cutMs }: Pick<Conditions, 'regions' | 'rttMs' | 'cutMs'>): Terms {
  return { ...terms, regions, rttMs, cutMs, awayShare: 1 - 1 / regions, intraLookups: 1 };
}
