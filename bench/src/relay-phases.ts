/** Seconds a relay has spent in each phase since it started, read from its metrics. */
export type PhaseSums = ReadonlyMap<string, number>;

const LINE = /^yilian_relay_phase_seconds_sum\{phase="([a-z]+)"\} ([0-9.e+-]+)$/gm;

export async function readPhases(relayUrl: string): Promise<PhaseSums> {
  const response = await fetch(`${relayUrl}/metrics`);
  const text = await response.text();
  return new Map([...text.matchAll(LINE)].map(([, phase, sum]) => [phase ?? '', Number(sum)]));
}

/** Milliseconds spent in a phase between two readings. */
export function spent(before: PhaseSums, after: PhaseSums, phase: string): number {
  return ((after.get(phase) ?? 0) - (before.get(phase) ?? 0)) * 1000;
}
