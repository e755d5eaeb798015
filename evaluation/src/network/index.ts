export { Clock } from './clock.ts';
export type { Distance } from './link.ts';
export { type Distances, type MovedBytes, Network, type NetworkOptions, readDistances } from './network.ts';
export { probeNetwork } from './probe.ts';
