export type { Deployment, DeploymentOptions } from './deployment.ts';
export { type Engine, findEngine } from './engine.ts';
export { MOST_REGIONS, openScheme, SCHEMES, schemeOf } from './open.ts';
export type { Phases } from './query.ts';
export type { Question } from './roster.ts';
export { placesOf } from './topology.ts';
