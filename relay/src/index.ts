export { Limits, parseConfig, RelayConfig, readConfig } from './config.ts';
export { RelayError, type RelayErrorCode } from './errors.ts';
export { buildRelay, type Relay, type RelayDependencies, startRelay } from './relay.ts';
