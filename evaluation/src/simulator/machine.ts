import type { EventQueue } from './event-queue.ts';
import { Station } from './station.ts';

export type Role = 'peer' | 'orderer' | 'relay' | 'proxy' | 'registry';

/** A machine with one role, or the one that has them all. */
export interface Machine {
  readonly role: Role;
  readonly place: number;
  /** Calls: one server for each core. */
  readonly work: Station;
  /** Blocks, one after another; a peer’s only. */
  readonly blocks?: Station;
}

export interface Placement {
  /** Of each machine. */
  readonly cores: number;
  /**
   * Everything, doctors included, on one machine and in one process, as it is measured: what a block costs is then paid once, because
   * the embedded node validates once.
   */
  readonly shared: boolean;
  /** Share of the processor that other things than questions take all the time, 0..1. */
  readonly restShare: number;
}

/** The machines of a federation. */
export class Machines {
  readonly placement: Placement;
  readonly all: Machine[] = [];
  readonly #events: EventQueue;
  readonly #everything: Station | undefined;

  constructor(events: EventQueue, placement: Placement) {
    this.placement = placement;
    this.#events = events;
    this.#everything = placement.shared
      ? new Station(events, 'everything', placement.cores, placement.restShare)
      : undefined;
  }

  /** Each once. */
  get stations(): readonly Station[] {
    if (this.#everything !== undefined) return [this.#everything];
    return this.all.flatMap(({ work, blocks }) => (blocks === undefined ? [work] : [work, blocks]));
  }

  add(role: Role, place: number): Machine {
    const everything = this.#everything;
    const { cores, restShare } = this.placement;
    const name = `${role} ${this.all.length} in ${place}`;
    const work = everything ?? new Station(this.#events, name, cores, restShare);
    const blocks = everything ?? new Station(this.#events, `${name}, blocks`, 1, restShare);
    const machine = { role, place, work, ...(role === 'peer' && { blocks }) };
    this.all.push(machine);
    return machine;
  }

  /** On the doctor’s own machine, which nobody else uses. */
  atDoctor(workMs: number, done: () => void): void {
    if (this.#everything === undefined) this.#events.after(workMs, done);
    else this.#everything.serve(workMs, done);
  }

  /** How long a block of so many transactions keeps a peer: signatures are checked on all cores of a machine of its own. */
  blockMs(blockMs: number, transactionMs: number, transactions: number): number {
    const { cores, shared } = this.placement;
    return blockMs + (transactionMs * transactions) / (shared ? 1 : cores);
  }
}
