import type { Metrics } from './metrics.ts';
import type { Route } from './server.ts';

/** What a proxy is on one network. */
export interface Node {
  readonly routes: readonly Route[];
  /** Makes everything ready for serving, and throws while something is missing. Tried until it succeeds. */
  prepare(url: string, signal: AbortSignal): Promise<void>;
  /** What goes on beside serving, until the signal. Runs from the start. */
  run(signal: AbortSignal): Promise<void>;
  /** Brings the figures up to date. */
  refresh(metrics: Metrics): void;
  close(): void;
}
