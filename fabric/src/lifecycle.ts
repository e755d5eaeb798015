import type { Binaries } from './binaries.ts';
import { command } from './command.ts';
import { FabricError } from './errors.ts';
import type { CredentialFiles } from './msp.ts';

/** An administrator of an organisation at one of its peers, with the `peer` command. */
export interface Administrator {
  readonly program: string;
  /** Folder of its `core.yaml`. */
  readonly config: string;
  readonly address: string;
  readonly roots: string;
}

/** Where an orderer takes transactions, and the file of its TLS roots. */
export interface OrdererAccess {
  readonly address: string;
  readonly roots: string;
}

/** What an orderer says of itself on a channel. */
export interface OrdererStatus {
  readonly relation: 'consenter' | 'follower' | 'config-tracker' | 'other';
  readonly status: 'active' | 'onboarding' | 'inactive' | 'failed';
  /** How many blocks it has. */
  readonly height: number;
}

/** Joins an orderer to the channel; one that has joined stays. @throws FabricError FABRIC_COMMAND */
export async function joinOrderer(
  { osnadmin }: Binaries,
  channel: string,
  address: string,
  files: CredentialFiles & { readonly roots: string; readonly genesis: string },
  signal?: AbortSignal,
): Promise<void> {
  const args = ['join', ...flags({ 'config-block': files.genesis }), ...administration(channel, address, files)];
  const said = await command(osnadmin, ['channel', ...args], { signal });
  requireSaid(/Status: 201|already exists/, said, `orderer ${address} does not join ${channel}`);
}

/** Takes an orderer from the channel; one that is not on it stays so. @throws FabricError FABRIC_COMMAND */
export async function leaveOrderer(
  { osnadmin }: Binaries,
  channel: string,
  address: string,
  files: CredentialFiles & { readonly roots: string },
  signal?: AbortSignal,
): Promise<void> {
  const said = await command(osnadmin, ['channel', 'remove', ...administration(channel, address, files)], { signal });
  requireSaid(/Status: (204|404)/, said, `orderer ${address} does not leave ${channel}`);
}

/** The exit code of `osnadmin` is 0 whatever the orderer answered. @throws FabricError FABRIC_COMMAND */
function requireSaid(done: RegExp, said: string, otherwise: string): void {
  if (!done.test(said)) throw new FabricError('FABRIC_COMMAND', `${otherwise}: ${said.trim().slice(0, 500)}`);
}

/** Undefined when it does not answer, or does not know the channel. */
export async function ordererStatus(
  { osnadmin }: Binaries,
  channel: string,
  address: string,
  files: CredentialFiles & { readonly roots: string },
  signal?: AbortSignal,
): Promise<OrdererStatus | undefined> {
  try {
    const args = ['channel', 'list', '--no-status', ...administration(channel, address, files)];
    const said = JSON.parse(await command(osnadmin, args, { signal })) as {
      readonly consensusRelation?: OrdererStatus['relation'];
      readonly status: OrdererStatus['status'];
      readonly height: number;
    };
    const { consensusRelation: relation, status, height } = said;
    return relation && { relation, status, height };
  } catch {
    signal?.throwIfAborted();
    return undefined;
  }
}

function administration(
  channel: string,
  address: string,
  { certificate, privateKey, roots }: CredentialFiles & { readonly roots: string },
): string[] {
  return [
    ...flags({ channelID: channel, 'orderer-address': address }),
    ...flags({ 'ca-file': roots, 'client-cert': certificate, 'client-key': privateKey }),
  ];
}

/**
 * How many blocks of a channel a peer has; none where it has not come to the one that takes its organisation in, since
 * until then it lets its own administrator read nothing.
 * @throws FabricError FABRIC_COMMAND
 */
export async function peerHeight(admin: Administrator, channel: string, signal?: AbortSignal): Promise<number> {
  let said: string;
  try {
    said = await peer(admin, ['channel', 'getinfo', '-c', channel], signal);
  } catch (error) {
    if (isSaid(/access denied for \[GetChainInfo\]/, error)) return 0;
    throw error;
  }
  const [, height] = /"height":\s*(\d+)/.exec(said) ?? [];
  if (height === undefined) throw new FabricError('FABRIC_COMMAND', `peer ${admin.address} does not tell its height`);
  return Number(height);
}

/** Whether a peer has joined the channel. @throws FabricError FABRIC_COMMAND when it does not answer */
export async function hasJoined(admin: Administrator, channel: string, signal?: AbortSignal): Promise<boolean> {
  const said = await peer(admin, ['channel', 'list'], signal);
  return said.split('\n').some((line) => line.trim() === channel);
}

/** Joins a peer to the channel; one that has joined stays. @throws FabricError FABRIC_COMMAND */
export async function joinPeer(admin: Administrator, genesis: string, signal?: AbortSignal): Promise<void> {
  await unless(/already exists/, peer(admin, ['channel', 'join', '-b', genesis], signal));
}

/** Installs a package at one peer; one that is there stays. @throws FabricError FABRIC_COMMAND */
export async function installPackage(admin: Administrator, file: string, signal?: AbortSignal): Promise<void> {
  await unless(/already successfully installed/, lifecycle(admin, ['install', file], signal));
}

/** The package for which an organisation has approved a definition. @throws FabricError FABRIC_COMMAND */
export async function approvalOf(
  admin: Administrator,
  channel: string,
  name: string,
  sequence: number,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const args = ['queryapproved', ...flags({ channelID: channel, name, sequence: `${sequence}`, output: 'json' })];
  try {
    const { source } = JSON.parse(await lifecycle(admin, args, signal)) as Approval;
    return source.Type.LocalPackage?.package_id;
  } catch (error) {
    if (isSaid(/could not fetch approved chaincode definition|channel '[^']*' not found/, error)) return undefined;
    throw error;
  }
}

interface Approval {
  readonly source: { readonly Type: { readonly LocalPackage?: { readonly package_id: string } } };
}

/** A command of the chaincode lifecycle. @throws FabricError FABRIC_COMMAND */
export function lifecycle(admin: Administrator, args: readonly string[], signal?: AbortSignal): Promise<string> {
  return peer(admin, ['lifecycle', 'chaincode', ...args], signal);
}

/** What makes a `peer` command go to an orderer. */
export function orderingFlags({ address, roots }: OrdererAccess): readonly string[] {
  return ['-o', address, '--tls', '--cafile', roots];
}

export function flags(given: Readonly<Record<string, string>>): string[] {
  return Object.entries(given).flatMap(([name, value]) => [`--${name}`, value]);
}

/** A `peer` command at an administrator's peer. @throws FabricError FABRIC_COMMAND */
export function peer(admin: Administrator, args: readonly string[], signal: AbortSignal | undefined): Promise<string> {
  return command(admin.program, args, { config: admin.config, signal });
}

/** Lets a refusal pass that says the work is done. */
async function unless(done: RegExp, work: Promise<string>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!isSaid(done, error)) throw error;
  }
}

/** Whether a program of Fabric failed saying this. */
export function isSaid(pattern: RegExp, error: unknown): boolean {
  const { cause } = error as { readonly cause?: { readonly stderr?: string } };
  return error instanceof FabricError && pattern.test(cause?.stderr ?? '');
}
