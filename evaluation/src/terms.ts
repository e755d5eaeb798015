import { ASSUMED, isModelled, mixedMs, predict, type Terms } from './model.ts';
import type { Primary } from './plan.ts';
import type { Cell, Conditions } from './results.ts';

/**
 * The model's terms from one measured cell, the federation's of the primary comparison: a commit and what comes after it from
 * the queries inside a region, what relays add from those across. So the model meets that cell by construction, and every
 * other cell, distance and scheme is a prediction.
 */
export function termsOf(cells: readonly Cell[], { scheme, regions, rttMs }: Primary): Terms {
  const found = cells.find(
    ({ conditions }) =>
      conditions.scheme === scheme && conditions.apart && conditions.regions === regions && conditions.rttMs === rttMs,
  );
  const { intra, cross } = found?.latency ?? {};
  const phases = found?.phases.intra;
  if (found === undefined || intra === undefined || cross === undefined || phases === undefined) return ASSUMED;
  const { cutMs } = found.conditions;
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
  };
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
