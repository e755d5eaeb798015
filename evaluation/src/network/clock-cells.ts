/** What {@link Clock} and its thread share: 16 bytes, the next moment as nanoseconds of `process.hrtime` and a bell. */
export const CELLS_BYTES = 16;
/** Index among 64-bit integers. */
export const DUE = 0;
/** Index among 32-bit integers; rung whenever the moment changes. */
export const BELL = 2;
/** No moment to wait for. */
export const IDLE = 2n ** 63n - 1n;
export const CLOSED = -1n;
