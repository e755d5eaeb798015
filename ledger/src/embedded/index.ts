export type { Audit } from './audit.ts';
export type { BatchOptions } from './committer.ts';
export type { EmbeddedChaincode, EmbeddedConfig, EmbeddedOrderer, EmbeddedOrganisation } from './config.ts';
export { EmbeddedError, type EmbeddedErrorCode } from './errors.ts';
export { type EmbeddedLimits, type EmbeddedNode, type EmbeddedOptions, openEmbedded } from './node.ts';
export type { Served, ServeOptions } from './server.ts';
