export type { Audit } from './audit.ts';
export type {
  ChannelConfig,
  EmbeddedChaincode,
  EmbeddedConfig,
  EmbeddedOrderer,
  EmbeddedOrganisation,
  Orderer,
} from './config.ts';
export { EmbeddedError, type EmbeddedErrorCode } from './errors.ts';
export { type FollowerNode, type FollowerOptions, openFollower } from './follower.ts';
export type { Host, HostLimits, HostOptions } from './host.ts';
export { type EmbeddedLimits, type EmbeddedNode, type EmbeddedOptions, openEmbedded } from './node.ts';
export type { BatchOptions } from './orderer.ts';
export type { Served, ServeOptions } from './server.ts';
export type { UpstreamOptions } from './upstream.ts';
