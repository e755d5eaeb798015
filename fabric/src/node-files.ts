import { chmodSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { writeElsewhere, writeOrdererElsewhere } from './elsewhere.ts';
import { write, writeYaml } from './files.ts';
import { type CredentialFiles, writeLocalMsp, writeOrganisationMsp, writeTls } from './msp.ts';
import { ordererConfig } from './orderer-config.ts';
import { administratorConfig, peerConfig } from './peer-config.ts';
import { addressOf, type OrganisationPlan } from './plan.ts';
import type { Site } from './site.ts';

/** Configuration of `contract-main.ts`. */
export interface ContractServerConfig {
  readonly chaincodes: readonly { readonly module: string; readonly packageId: string; readonly address: string }[];
  readonly tls: CredentialFiles & { readonly roots: string };
}

/** What the builder's `build` reads. */
const BUILDER_VARIABLE = 'CHAINCODE_AS_A_SERVICE_BUILDER_CONFIG';

/** MSPs, administrators and contract servers of every organisation; of those elsewhere only what they are known by. */
export function writeOrganisations(site: Site): void {
  for (const organisation of site.plan.organisations) {
    if (organisation.isElsewhere === true) {
      writeElsewhere(site, organisation);
      continue;
    }
    const { mspId, contracts } = organisation;
    const folder = site.home(mspId);
    writeOrganisationMsp(join(folder, 'msp'), organisation);
    writeLocalMsp(join(folder, 'admin/msp'), organisation, { commonName: `admin.${mspId}`, role: 'admin' });
    writeTls(join(folder, 'admin/tls'), organisation, `admin.${mspId}`, 'admin', []);
    if (contracts === undefined) continue;
    const hosts = [...new Set(Object.values(contracts).map(({ host }) => host))];
    const tls = writeTls(join(folder, 'contracts/tls'), organisation, `contracts.${mspId}`, 'client', hosts);
    for (const { file, packages } of site.served(organisation)) {
      const chaincodes = packages.map(({ module, id, address }) => ({ module, packageId: id, address }));
      const config: ContractServerConfig = { chaincodes, tls };
      write(file, JSON.stringify(config, null, 2));
    }
  }
  for (const each of site.packages) write(site.packageFile(each), each.bytes);
}

export function writeOrderers(site: Site): void {
  const roots = site.plan.organisations.map(({ mspId }) => site.administratorTls(mspId).roots);
  for (const orderer of site.plan.orderers) {
    const { name, mspId, endpoint, admin } = orderer;
    const folder = site.path('orderers', name);
    const organisation = site.organisation(mspId);
    if (organisation.isElsewhere === true) {
      writeOrdererElsewhere(site, orderer);
      continue;
    }
    const msp = writeLocalMsp(join(folder, 'msp'), organisation, { commonName: `${name}.${mspId}`, role: 'orderer' });
    const tls = writeTls(join(folder, 'tls'), organisation, `${name}.${mspId}`, 'orderer', [
      ...new Set([endpoint.host, admin.host]),
    ]);
    const data = join(folder, 'data');
    mkdirSync(data, { recursive: true, mode: 0o700 });
    writeYaml(join(folder, 'orderer.yaml'), ordererConfig(orderer, { msp, tls, roots, ownRoots: tls.roots, data }));
  }
}

export function writePeers(site: Site): void {
  for (const organisation of site.held) {
    const { mspId } = organisation;
    for (const peer of organisation.peers) {
      const folder = join(site.home(mspId), 'peers', peer.name);
      const commonName = `${peer.name}.${mspId}`;
      const msp = writeLocalMsp(join(folder, 'msp'), organisation, { commonName, role: 'peer' });
      const tls = writeTls(join(folder, 'tls'), organisation, commonName, 'peer', [peer.endpoint.host]);
      const data = join(folder, 'data');
      mkdirSync(data, { recursive: true, mode: 0o700 });
      const builder = writeBuilder(site, join(folder, 'builder'), organisation, peer.name);
      writeYaml(join(folder, 'core.yaml'), peerConfig(organisation, peer, { msp, tls, data, builder }));
      const admin = join(site.home(mspId), 'admin/msp');
      const config = administratorConfig(mspId, admin, addressOf(peer.endpoint), tls.roots);
      writeYaml(join(folder, 'admin/core.yaml'), config);
    }
  }
}

/**
 * Fabric wants its builder's programs under other names than it ships them. What `build` fills into a package it is
 * told anew each time, so that a peer that runs learns the address of a new contract server.
 */
function writeBuilder(site: Site, folder: string, organisation: OrganisationPlan, peer: string): string {
  const { ccaas_build, ccaas_detect, ccaas_release } = site.binaries;
  for (const [step, program] of [
    ['detect', ccaas_detect],
    ['release', ccaas_release],
  ] as const) {
    mkdirSync(join(folder, 'bin'), { recursive: true, mode: 0o700 });
    rmSync(join(folder, 'bin', step), { force: true });
    symlinkSync(program, join(folder, 'bin', step));
  }
  const file = site.writeBuilderConfig(organisation, peer);
  const variable = `${BUILDER_VARIABLE}="$(cat ${quoted(file)})"`;
  write(join(folder, 'bin/build'), `#!/bin/sh\n${variable} exec ${quoted(ccaas_build)} "$@"\n`);
  chmodSync(join(folder, 'bin/build'), 0o700);
  return folder;
}

/** As one word of a shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
