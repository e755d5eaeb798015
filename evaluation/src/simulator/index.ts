export { type Calibrated, calibrate, type Measured, type Origin } from './calibrate.ts';
export { COST_SOURCES, type CostName, type Costs, DOCUMENTED_COSTS } from './costs.ts';
export { type NationwideOptions, overCities, overProvinces, type Scenario } from './scenario.ts';
export { SCHEMES, type SchemeId } from './schemes.ts';
export { type Run, run, simulate } from './simulate.ts';
export { validate } from './validate.ts';
