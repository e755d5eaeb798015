import type { Authority } from '@yilian/ledger';

/** Where something listens: `host` is what certificates and others say. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  /** The address of this machine it listens on; `host` when left out. */
  readonly listen?: string;
}

/** An organisation of a network, with its own authorities for identities and for TLS. */
export interface OrganisationPlan {
  readonly mspId: string;
  /** Its keys and nodes are on another machine: nothing but the roots of its authorities is known here. */
  readonly isElsewhere?: boolean;
  readonly authority: Authority;
  readonly tlsAuthority: Authority;
  /**
   * Where its contract servers serve each chaincode: by its name or, for one version of it alone, by `name_version`, so
   * that two versions can be served side by side. Left out for an organisation that does not endorse.
   */
  readonly contracts?: Readonly<Record<string, Endpoint>>;
  readonly peers: readonly PeerPlan[];
  /** Takes blocks and asks its own peers, but has no voice: not in the channel's policies, nor about its contracts. */
  readonly reads?: true;
  /** The folder in which another network has this organisation's files: its peers are run there, and join here too. */
  readonly home?: string;
}

export interface PeerPlan {
  /** Unique in its organisation. */
  readonly name: string;
  readonly endpoint: Endpoint;
  /** Where contracts would come to if they were not services; Fabric opens it all the same. */
  readonly chaincode: Endpoint;
  /** Health and Prometheus metrics, on the loopback. */
  readonly operations: Endpoint;
}

export interface OrdererPlan {
  /** Unique in its network. */
  readonly name: string;
  readonly mspId: string;
  readonly endpoint: Endpoint;
  /** `osnadmin` comes here, by mutual TLS. */
  readonly admin: Endpoint;
  readonly operations: Endpoint;
  /** Runs until it is no longer a consenter. */
  readonly leaves?: true;
  /** PEM; of an orderer whose organisation is elsewhere. */
  readonly certificates?: OrdererCertificates;
}

/** What a channel knows of an orderer. */
export interface OrdererCertificates {
  readonly identity: string;
  readonly tls: string;
}

/** When a block is cut, for Raft and SmartBFT alike. */
export interface BatchPlan {
  readonly timeoutMs: number;
  readonly maxMessages: number;
}

export interface ChaincodePlan {
  readonly name: string;
  /** Signature policy in Fabric's language. */
  readonly endorsement: string;
  /** URL of the module whose `contracts` are its contracts. */
  readonly module: string;
  /** Of the definition and its package. Default: `1`. */
  readonly version?: string;
  /** What is still served until the version above is committed everywhere. */
  readonly previous?: { readonly version: string; readonly module: string } | undefined;
}

/** One Fabric network of one channel. */
export interface NetworkPlan {
  readonly channel: string;
  readonly consensus: 'raft' | 'bft';
  readonly batch: BatchPlan;
  readonly organisations: readonly OrganisationPlan[];
  readonly orderers: readonly OrdererPlan[];
  readonly chaincodes: readonly ChaincodePlan[];
}

export function addressOf({ host, port }: Endpoint): string {
  return `${host}:${port}`;
}

/** Where it listens on its own machine. */
export function listeningOf({ host, port, listen = host }: Endpoint): string {
  return addressOf({ host: listen, port });
}

const FIRST_VERSION = '1';

/** The version of a chaincode that is wanted. */
export function versionOf({ version = FIRST_VERSION }: ChaincodePlan): string {
  return version;
}

/** The organisations of a plan that have a voice. */
export function votersOf({ organisations }: NetworkPlan): readonly string[] {
  return organisations.filter(({ reads }) => reads !== true).map(({ mspId }) => mspId);
}

/** What is to be served of a chaincode, the wanted version first. */
export function versionsOf(chaincode: ChaincodePlan): readonly { readonly version: string; readonly module: string }[] {
  const { module, previous } = chaincode;
  return [{ version: versionOf(chaincode), module }, ...(previous === undefined ? [] : [previous])];
}

/** What a package of a chaincode's version is called. */
export function labelOf(name: string, version: string): string {
  return `${name}_${version}`;
}
