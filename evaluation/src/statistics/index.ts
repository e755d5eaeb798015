export { crossover } from './crossover.ts';
export { deviationPercent, fewSamples } from './doubts.ts';
export { latencyIntervals, type ResampleOptions } from './intervals.ts';
export { mean } from './mean.ts';
export { latencies, type Observations, type Run } from './observations.ts';
export { interleave, type Turn } from './order.ts';
export { percentiles, quantile } from './quantile.ts';
