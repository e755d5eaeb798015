import type { Costs } from './costs.ts';
import type { EventQueue } from './event-queue.ts';
import type { Links } from './link.ts';
import type { Machines } from './machine.ts';
import type { Draw } from './service-time.ts';

/** What every part of a simulated federation stands on. */
export interface Ground {
  readonly events: EventQueue;
  readonly links: Links;
  readonly machines: Machines;
  readonly costs: Costs;
  readonly draw: Draw;
}
