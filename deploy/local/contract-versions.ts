import { join } from 'node:path';
import { CHAINCODE as MAIN_CHAINCODE } from '@yilian/main-chain';
import { CHAINCODE as REGIONAL_CHAINCODE } from '@yilian/regional-chain';
import { writeWhole } from '@yilian/service';
import { MAIN } from './description.ts';
import { DeployError } from './errors.ts';
import { readJsonIfThere } from './files.ts';

/** A version of a network's contracts, and the URL of the module that has them. */
export interface ContractVersion {
  readonly version: string;
  readonly module: string;
}

/** What a network runs or is about to; `previous` is served until an upgrade has ended. */
export interface NetworkContracts extends ContractVersion {
  readonly previous?: ContractVersion;
}

/** By network. One that is not there runs the first version, which is this installation's own. */
export type ContractVersions = Readonly<Record<string, NetworkContracts>>;

export const FIRST_VERSION = '1';
const OWN: Readonly<Record<string, string>> = {
  [MAIN_CHAINCODE]: import.meta.resolve('@yilian/main-chain/contracts'),
  [REGIONAL_CHAINCODE]: import.meta.resolve('@yilian/regional-chain/contracts'),
};

export function chaincodeOf(network: string): string {
  return network === MAIN ? MAIN_CHAINCODE : REGIONAL_CHAINCODE;
}

export function contractsOf(versions: ContractVersions, network: string): NetworkContracts {
  return versions[network] ?? { version: FIRST_VERSION, module: OWN[chaincodeOf(network)] ?? '' };
}

/** The versions of a network that are served. */
export function servedVersions({ version, previous }: NetworkContracts): readonly string[] {
  return [version, ...(previous === undefined ? [] : [previous.version])];
}

/**
 * What is served while a network goes over to another version; one that has begun goes on.
 * @throws DeployError CHANGE_UNSUPPORTED for a version that was or is in force with another module
 */
export function upgraded(versions: ContractVersions, network: string, next: ContractVersion): ContractVersions {
  const { previous, ...now } = contractsOf(versions, network);
  const begun = previous !== undefined;
  const isSame = now.version === next.version && now.module === next.module;
  if (isSame || (!begun && now.version !== next.version))
    return { ...versions, [network]: { ...next, ...(begun ? { previous } : isSame ? {} : { previous: now }) } };
  throw new DeployError(
    'CHANGE_UNSUPPORTED',
    begun
      ? `${network} is on its way to ${now.version} of ${now.module}; bring that to its end first`
      : `${network} runs ${now.version} of ${now.module} already; another module needs another version`,
  );
}

/** What a state's networks run. @throws DeployError STATE_DAMAGED */
export async function readContractVersions(state: string): Promise<ContractVersions> {
  return ((await readJsonIfThere(fileOf(state))) ?? {}) as ContractVersions;
}

export function writeContractVersions(state: string, versions: ContractVersions): void {
  writeWhole(fileOf(state), JSON.stringify(versions, null, 2));
}

function fileOf(state: string): string {
  return join(state, 'contracts.json');
}
