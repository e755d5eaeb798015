import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Binaries } from '@yilian/fabric';
import { canonicalJson } from '@yilian/protocol';
import { writeWhole } from '@yilian/service';
import { DESCRIPTION_FILE, type Description, readDescription } from '../local/description.ts';
import { type Engines, rememberEngines, requireSameEngines } from '../local/engines.ts';
import { DeployError } from '../local/errors.ts';
import { genesisFile, makeGenesis, ordererNames, publishOrderers, requireGenesis } from '../local/fabric.ts';
import { readIfThere } from '../local/files.ts';
import { kuboNames, kuboPeers } from '../local/kubo.ts';
import { AGREEMENT_FILE, HOST_FILE, Layout } from '../local/layout.ts';
import { namesOf } from '../local/pki.ts';
import { findSources, type Sources } from '../local/sources.ts';
import {
  type Agreement,
  type Bundle,
  hashOf,
  parseAgreement,
  parseBundle,
  requireConfined,
  requireCurrent,
} from './bundle.ts';
import { membersOn } from './host.ts';

/** Holds the secret of the private swarm of all Kubo nodes. */
export const SWARM_FILE = 'swarm-secret';

/**
 * Makes a state folder that of one host of a description, with the keys of everybody on it, and gives what the other
 * hosts need. What is there already stays.
 * @throws DeployError NAME_UNKNOWN, STATE_FOREIGN, ENGINE_DIFFERS, and what {@link findSources} throws
 */
export async function makeKeys(
  state: string,
  descriptionFile: string,
  name: string,
  vault: Engines['vault'] | undefined,
): Promise<Bundle> {
  const description = await readDescription(descriptionFile);
  const names = (description.hosts ?? []).map((host) => host.name);
  if (!names.includes(name))
    throw new DeployError('NAME_UNKNOWN', `the description has no host ${name}; it has ${names.join(', ') || 'none'}`);
  const engines = { engine: 'fabric', ...(vault !== undefined && { vault }) } as const;
  const kept = await readIfThere(join(state, DESCRIPTION_FILE));
  if (kept === undefined) {
    const sources = await findSources(engines);
    rememberEngines(state, engines);
    writeWhole(join(state, HOST_FILE), JSON.stringify({ name }));
    writeWhole(join(state, DESCRIPTION_FILE), JSON.stringify(description, null, 2));
    return bundleOf(await Layout.open(state, description), sources);
  }
  const layout = await Layout.open(state, description);
  if (kept !== JSON.stringify(description, null, 2) || layout.host?.name !== name)
    throw new DeployError('STATE_FOREIGN', `${state} is another host or of another federation; choose another folder`);
  return bundleOf(layout, await findSources(await requireSameEngines(state, engines)));
}

/** The state folder of a host, with the programs it needs. @throws DeployError NOT_AGREED when it is none */
export async function openHost(state: string): Promise<{ readonly layout: Layout; readonly sources: Sources }> {
  const file = join(state, DESCRIPTION_FILE);
  if ((await readIfThere(file)) === undefined)
    throw new DeployError('NOT_AGREED', `${state} is no host yet; begin with: yilian host keys`);
  const layout = await Layout.open(state, await readDescription(file));
  return { layout, sources: await findSources(layout.engines) };
}

/** What a host tells the others. */
async function bundleOf(layout: Layout, { fabric, kubo }: Sources): Promise<Bundle> {
  const { description, host, regions, pki } = layout;
  if (host === undefined || fabric === undefined)
    throw new DeployError('USAGE', 'hosts run on Hyperledger Fabric, and the description has to name them');
  const organisations: Bundle['organisations'] = {};
  for (const mspId of membersOn(description, host)) {
    const [{ rootPem: root }, { rootPem: tlsRoot }] = [await pki.authority(mspId), await pki.tlsAuthority(mspId)];
    organisations[mspId] = { root, tlsRoot };
  }
  const relays: Bundle['relays'] = {};
  for (const region of regions) [relays[region.region] = ''] = await layout.relayCertificates(region);
  return {
    federation: description.federation,
    host: host.name,
    description: hashOf(canonicalJson(description)),
    vault: layout.engines.vault,
    organisations,
    orderers: await publishOrderers(layout, fabric),
    relays,
    kubo: kubo === undefined ? {} : await kuboPeers(layout, kubo),
  };
}

/**
 * Makes the agreement of all hosts' bundles, with the main chain's first block, and the swarm's secret where there is one.
 * @returns the agreement as it is to be carried to every host
 * @throws DeployError BUNDLE_INVALID; STATE_FOREIGN when this host has agreed already
 */
export async function agree(state: string, files: readonly string[]): Promise<string> {
  const { layout, sources } = await openHost(state);
  if (layout.agreement !== undefined)
    throw new DeployError('STATE_FOREIGN', `${layout.host?.name} has agreed already; a federation is founded once`);
  const bundles = await Promise.all(files.map(async (file) => parseBundle(await readText(file))));
  for (const bundle of bundles) requireCurrent(bundle);
  requireComplete(layout.description, bundles);
  await requireOwn(layout, sources, bundles);
  const sorted = bundles.toSorted((one, other) => (one.host < other.host ? -1 : 1));
  const block = await makeGenesis(layout.knowing({ bundles: sorted, genesis: '' }), fabricOf(sources));
  if (layout.engines.vault === 'kubo') await layout.secret(SWARM_FILE);
  return canonicalJson({ bundles: sorted, genesis: Buffer.from(block).toString('base64') } satisfies Agreement);
}

/**
 * Makes an agreement this host's own, once.
 * @throws DeployError BUNDLE_INVALID when it does not fit what this host made or a certificate has expired;
 * STATE_FOREIGN when this host agreed on another; USAGE when the swarm's secret is missing; FabricError FABRIC_GENESIS
 * when the main chain's first block is not what the bundles and the description make it
 */
export async function adopt(state: string, agreementFile: string, swarmKeyFile: string | undefined): Promise<void> {
  const text = await readText(agreementFile);
  const kept = await readIfThere(join(state, AGREEMENT_FILE));
  if (kept !== undefined) {
    if (kept === text) return;
    throw new DeployError('STATE_FOREIGN', `${state} was founded on another agreement, ${hashOf(kept)}`);
  }
  const { layout, sources } = await openHost(state);
  const agreement = parseAgreement(text);
  const { bundles } = agreement;
  const genesis = Buffer.from(agreement.genesis, 'base64');
  for (const bundle of bundles) requireCurrent(bundle);
  requireComplete(layout.description, bundles);
  await requireOwn(layout, sources, bundles);
  await requireGenesis(layout.knowing(agreement), fabricOf(sources), genesis);
  if (layout.engines.vault === 'kubo') await adoptSwarmKey(layout, swarmKeyFile);
  writeWhole(genesisFile(layout), genesis);
  writeWhole(join(state, AGREEMENT_FILE), text);
}

function fabricOf({ fabric }: Sources): Binaries {
  if (fabric === undefined) throw new DeployError('USAGE', 'hosts run on Hyperledger Fabric');
  return fabric;
}

async function adoptSwarmKey(layout: Layout, file: string | undefined): Promise<void> {
  const own = await readIfThere(layout.path(SWARM_FILE));
  const given = file === undefined ? own : (await readText(file)).trim();
  if (given === undefined || !/^[0-9a-f]{64}$/.test(given))
    throw new DeployError('USAGE', 'Kubo nodes need the secret that `yilian host agree` made: --swarm-key FILE');
  writeWhole(layout.path(SWARM_FILE), given);
}

/** One bundle for each host, and in each exactly what the description puts there. @throws DeployError BUNDLE_INVALID */
function requireComplete(description: Description, bundles: readonly Bundle[]): void {
  const { hosts = [], regions, federation } = description;
  const refuse = (message: string): never => {
    throw new DeployError('BUNDLE_INVALID', message);
  };
  const hash = hashOf(canonicalJson(description));
  for (const { name } of hosts) {
    const count = bundles.filter(({ host }) => host === name).length;
    if (count !== 1) refuse(count === 0 ? `the bundle of ${name} is missing` : `${name} has ${count} bundles`);
  }
  const vaults = new Set(bundles.map(({ vault }) => vault));
  if (vaults.size > 1) refuse('some hosts keep sealed bodies in Kubo and some do not');
  for (const bundle of bundles) {
    const host = hosts.find(({ name }) => name === bundle.host) ?? refuse(`the description has no host ${bundle.host}`);
    if (bundle.federation !== federation || bundle.description !== hash)
      refuse(`${bundle.host} goes by another description`);
    const members = membersOn(description, host);
    const own = regions.filter(({ region }) => host.regions.includes(region));
    const holders = own.flatMap((region) => (bundle.vault === 'kubo' ? kuboNames(region) : []));
    for (const [what, told, expected] of [
      ['organisations', bundle.organisations, members],
      ['orderers', bundle.orderers, ordererNames(description, members)],
      ['relays', bundle.relays, own.map(({ region }) => region)],
      ['Kubo nodes', bundle.kubo, holders],
    ] as const)
      if (Object.keys(told).length !== expected.length || !expected.every((name) => Object.hasOwn(told, name)))
        refuse(`the bundle of ${bundle.host} does not tell of exactly its ${what}`);
    requireConfined(bundle, namesOf(host));
  }
}

/** @throws DeployError BUNDLE_INVALID unless this host's bundle says what it would say now */
async function requireOwn(layout: Layout, sources: Sources, bundles: readonly Bundle[]): Promise<void> {
  const own = await bundleOf(layout, sources);
  const said = bundles.find(({ host }) => host === own.host);
  if (said === undefined || canonicalJson(said) !== canonicalJson(own))
    throw new DeployError('BUNDLE_INVALID', `the bundle of ${own.host} is not what this host made`);
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new DeployError('FILE_UNREADABLE', `cannot read ${file}`, { cause });
  }
}
