import { setPriority } from 'node:os';

/** For suites that only compute: whoever waits for an answer goes first. */
setPriority(10);
