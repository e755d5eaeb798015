export { Actors, type OpenHospital, type Person } from './actors.ts';
export { type Engines, parseEngines } from './engines.ts';
export { DeployError, type DeployErrorCode } from './errors.ts';
export { attach, up } from './federation.ts';
export { Layout } from './layout.ts';
export { type Published, publish, type Source } from './publishing.ts';
export { down, type Running, running } from './running.ts';
