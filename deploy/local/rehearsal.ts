import { cp, mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { findBinaries } from '@yilian/fabric';
import { type ContractVersion, upgraded, writeContractVersions } from './contract-versions.ts';
import { DESCRIPTION_FILE, type Description } from './description.ts';
import { FabricChains } from './fabric.ts';
import { consentLine, networksOf, requireNetwork } from './fabric-networks.ts';
import { requireAlone, requireGrowth } from './growth.ts';
import { Layout } from './layout.ts';
import { Registrar } from './registrar.ts';
import { renewalSteps } from './renewal.ts';

/**
 * What a change would do. The networks that run are asked, under a copy of what their administrators have; nothing is
 * started and nothing written.
 * @throws DeployError CHANGE_UNSUPPORTED; FabricError
 */
export async function rehearseChange(
  live: Layout,
  after: Description,
  signal: AbortSignal,
): Promise<readonly string[]> {
  requireAlone(live);
  requireGrowth(live.description, after);
  await using copy = await copied(live);
  const layout = await Layout.open(copy.path, after, live.description);
  const chains = await FabricChains.prepare(layout, await findBinaries());
  using registrar = await Registrar.open(layout, live.description);
  const entries = await registrar.proposed();
  return [...entries, ...(await chains.proposed(signal))];
}

/** What an upgrade would do. @throws DeployError CHANGE_UNSUPPORTED NAME_UNKNOWN; FabricError */
export async function rehearseUpgrade(
  live: Layout,
  network: string,
  next: ContractVersion,
  signal: AbortSignal,
): Promise<readonly string[]> {
  requireAlone(live);
  requireNetwork(live.description, network);
  await using copy = await copied(live);
  writeContractVersions(copy.path, upgraded(live.contractVersions, network, next));
  const chains = await FabricChains.prepare(await Layout.open(copy.path, live.description), await findBinaries());
  const { steps, consents } = await chains.upgrade(network, { dryRun: true, signal });
  return [...steps, ...consents.map(consentLine)];
}

/** What a renewal would do. @throws DeployError CHANGE_UNSUPPORTED; FabricError */
export async function rehearseRenewal(
  live: Layout,
  withinDays: number,
  signal: AbortSignal,
): Promise<readonly string[]> {
  requireAlone(live);
  const services = await renewalSteps(live, withinDays);
  if (live.engines.engine === 'embedded') return services;
  await using copy = await copied(live);
  const layout = await Layout.open(copy.path, live.description);
  const chains = await FabricChains.prepare(layout, await findBinaries(), { evenExpired: true });
  const restart = async (): Promise<void> => undefined;
  return [...(await chains.renew({ withinDays, restart, dryRun: true, signal }, () => undefined)), ...services];
}

/** Identities, ports and configurations of a state, without what its processes keep. */
async function copied({ state, description, contractVersions }: Layout) {
  const copy = await mkdtempDisposable(join(tmpdir(), 'yilian-rehearsal-'));
  const parts = ['pki', 'ports.json', 'engines.json', 'genesis.json', DESCRIPTION_FILE];
  if (Object.keys(contractVersions).length > 0) writeContractVersions(copy.path, contractVersions);
  const networks = networksOf(description).map(({ name }) => join(name, 'fabric'));
  const filter = (source: string): boolean => basename(source) !== 'data';
  for (const part of [...parts, ...networks])
    await cp(join(state, part), join(copy.path, part), { recursive: true, filter });
  return copy;
}
