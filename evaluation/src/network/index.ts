export { calibrationsOf, drift, type Measured, type MeasureOptions, measureNetwork } from './calibration.ts';
export { type ChainDistance, distant } from './chain-distance.ts';
export { type ChainProfile, HERE, type NationalOptions, nationalProfile, thinProfile } from './chain-profile.ts';
export { Clock } from './clock.ts';
export { ClockWatch, type Readings } from './clock-watch.ts';
export { Commits } from './commits.ts';
export type { Distance } from './link.ts';
export { type Distances, type MovedBytes, Network, type NetworkOptions, readDistances } from './network.ts';
export { probeNetwork } from './probe.ts';
