export { ProxyConfig } from './config.ts';
export { ProxyError, type ProxyErrorCode } from './errors.ts';
export { type BuiltProxy, buildProxy, type ProxyDependencies, type RunningProxy, startProxy } from './proxy.ts';
export type { Readiness } from './server.ts';
