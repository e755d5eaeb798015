import type { Random } from '@yilian/testbed/random';

/** One run of one cell. */
export interface Turn<Cell> {
  readonly cell: Cell;
  /** From 0. */
  readonly run: number;
}

/**
 * In which order to measure: blocks that hold one run of every cell, each shuffled anew. Whatever drifts slowly (heat, a
 * neighbour on the machine) then falls on all cells alike, and no cell always follows the same other one.
 */
export function interleave<Cell>(cells: readonly Cell[], runs: number, random: Random): Turn<Cell>[] {
  return Array.from({ length: runs }, (_, run) =>
    random.some(cells, cells.length).map((cell) => ({ cell, run })),
  ).flat();
}
