import type { Authority } from '@yilian/ledger';
import { freePorts } from '@yilian/service';
import type { Endpoint, OrdererPlan, OrganisationPlan } from './plan.ts';

/** Gives a free port of the loopback interface, another one each time. */
export type NextEndpoint = () => Endpoint;

/** What an organisation whose processes are all on this machine is planned of. */
export interface LoopbackOrganisation {
  readonly authority: Authority;
  readonly tlsAuthority: Authority;
  /** Names of what its contract servers serve. */
  readonly chaincodes: readonly string[];
  /** Their names. Default: one. */
  readonly peers?: readonly string[];
}

const HOST = '127.0.0.1';

/**
 * Plans what listens on this machine alone. All ports are of one row that is free now, so that nothing of one plan comes in
 * the way of another.
 * @param plan called twice: first to see how many ports it takes
 */
export async function onLoopback<T>(plan: (next: NextEndpoint) => T): Promise<T> {
  let count = 0;
  plan(() => ({ host: HOST, port: ++count }));
  const ports = (await freePorts(count)).values();
  return plan(() => ({ host: HOST, port: ports.next().value as number }));
}

export function organisationPlan(
  { authority, tlsAuthority, chaincodes, peers = ['peer0'] }: LoopbackOrganisation,
  next: NextEndpoint,
): OrganisationPlan {
  return {
    mspId: authority.mspId,
    authority,
    tlsAuthority,
    contracts: Object.fromEntries(chaincodes.map((name) => [name, next()])),
    peers: peers.map((name) => ({ name, endpoint: next(), chaincode: next(), operations: next() })),
  };
}

export function ordererPlan(name: string, mspId: string, next: NextEndpoint): OrdererPlan {
  return { name, mspId, endpoint: next(), admin: next(), operations: next() };
}
