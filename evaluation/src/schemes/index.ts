export type { Deployment, DeploymentOptions, Question } from './deployment.ts';
export { openScheme, SCHEMES, schemeOf } from './open.ts';
export type { Phases } from './query.ts';
export { placesOf } from './topology.ts';
