import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { EmbeddedConfig } from '@yilian/ledger/embedded';
import { CHAINCODE as MAIN_CHAINCODE } from '@yilian/main-chain';
import { type Genesis, type Organisation, ROLE_ATTRIBUTE, type Trust } from '@yilian/protocol';
import { CHAINCODE as REGIONAL_CHAINCODE } from '@yilian/regional-chain';
import {
  authorityOf,
  commission,
  type Description,
  hospitals,
  proxyHosts,
  type RegionDescription,
} from './description.ts';
import { type CredentialFiles, Pki, readIfThere } from './pki.ts';

/** Configuration of `chain-main.ts`. */
export interface ChainConfig {
  readonly chaincode: string;
  readonly endorsement: string;
  readonly folder: string;
  readonly port: number;
  readonly network: Omit<EmbeddedConfig, 'chaincodes'>;
}

/** Configuration of `vault-main.ts`. */
export interface VaultConfig {
  readonly holders: readonly { readonly folder: string; readonly port: number; readonly others: readonly string[] }[];
}

/** The name of the main chain as a network and as a channel. */
export const MAIN = 'main';

/**
 * Where everything of one local federation lies: folders, ports (chosen by the system the first time, kept from
 * then on, because relays' addresses are registered on the main chain), credentials and trust roots.
 */
export class Layout {
  readonly state: string;
  readonly description: Description;
  readonly pki: Pki;
  readonly #ports: ReadonlyMap<string, number>;

  private constructor(state: string, description: Description, ports: ReadonlyMap<string, number>) {
    this.state = state;
    this.description = description;
    this.pki = new Pki(join(state, 'pki'));
    this.#ports = ports;
  }

  static async open(state: string, description: Description): Promise<Layout> {
    await mkdir(join(state, 'logs'), { recursive: true, mode: 0o700 });
    const file = join(state, 'ports.json');
    const names = portNames(description);
    const stored = new Map(Object.entries(JSON.parse((await readIfThere(file)) ?? '{}') as Record<string, number>));
    const missing = names.filter((name) => !stored.has(name));
    const free = await freePorts(missing.length);
    for (const [index, name] of missing.entries()) stored.set(name, free[index] ?? 0);
    await writeFile(file, JSON.stringify(Object.fromEntries(stored), null, 2));
    return new Layout(state, description, stored);
  }

  port(name: string): number {
    const port = this.#ports.get(name);
    if (port === undefined) throw new Error(`no port is laid out for ${name}`);
    return port;
  }

  address(name: string): string {
    return `127.0.0.1:${this.port(name)}`;
  }

  url(name: string): string {
    return `http://${this.address(name)}`;
  }

  path(...parts: string[]): string {
    return join(this.state, ...parts);
  }

  async folder(...parts: string[]): Promise<string> {
    const folder = this.path(...parts);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return folder;
  }

  /** A client credential with a `yilian.role`. */
  credential(
    mspId: string,
    role: string,
    name = role,
  ): Promise<{ certificate: string; privateKey: string } & CredentialFiles> {
    return this.pki.credential(mspId, name, {
      commonName: name,
      role: 'client',
      attributes: { [ROLE_ATTRIBUTE]: role },
    });
  }

  /** Trust roots, version 1, of a region or of the main chain. */
  async trust(network: string): Promise<Trust> {
    const { members, quorum, attesters, attestationQuorum } = this.#network(network);
    const organisations: Organisation[] = [];
    for (const mspId of members) organisations.push({ mspId, roots: [(await this.pki.authority(mspId)).rootPem] });
    return {
      network,
      channel: network,
      chaincode: network === MAIN ? MAIN_CHAINCODE : REGIONAL_CHAINCODE,
      version: 1,
      endorsement: outOf(quorum, members, 'peer'),
      attestation: outOf(attestationQuorum, attesters, 'client'),
      attesters: { [ROLE_ATTRIBUTE]: 'proxy' },
      organisations,
      validFrom: 0,
    };
  }

  async genesis(): Promise<Genesis> {
    return { federation: this.description.federation, main: await this.trust(MAIN) };
  }

  async chain(network: string): Promise<ChainConfig> {
    const trust = await this.trust(network);
    const organisations = await Promise.all(
      trust.organisations.map(async ({ mspId, roots }) => {
        const peer = await this.pki.credential(mspId, 'peer', { commonName: `peer.${mspId}`, role: 'peer' });
        return { mspId, roots, peer: { certificate: peer.certificate, privateKey: peer.privateKey } };
      }),
    );
    const [first] = trust.organisations;
    const mspId = first?.mspId ?? '';
    const orderer = await this.pki.credential(mspId, 'orderer', { commonName: `orderer.${mspId}`, role: 'orderer' });
    return {
      chaincode: trust.chaincode,
      endorsement: trust.endorsement,
      folder: await this.folder(network, 'chain'),
      port: this.port(`${network}/chain`),
      network: {
        network,
        channel: network,
        organisations,
        orderer: { mspId, certificate: orderer.certificate, privateKey: orderer.privateKey },
      },
    };
  }

  /** Trustless gateways of a region's holders. */
  holders(region: RegionDescription): readonly string[] {
    return hospitals(region).map(({ mspId }) => this.url(`${region.region}/vault/${mspId}`));
  }

  async vaults(region: RegionDescription): Promise<VaultConfig> {
    const holders = [];
    for (const { mspId } of hospitals(region)) {
      const own = this.url(`${region.region}/vault/${mspId}`);
      holders.push({
        folder: await this.folder(region.region, 'vault', mspId),
        port: this.port(`${region.region}/vault/${mspId}`),
        others: this.holders(region).filter((url) => url !== own),
      });
    }
    return { holders };
  }

  /** Writes a JSON file that only its owner reads. */
  async write(name: string, value: unknown): Promise<string> {
    const file = this.path(name);
    await mkdir(join(file, '..'), { recursive: true, mode: 0o700 });
    await writeFile(file, JSON.stringify(value, null, 2), { mode: 0o600 });
    return file;
  }

  /** A file with fresh random bytes (hex), made the first time. */
  async secret(name: string): Promise<string> {
    const file = this.path(name);
    if ((await readIfThere(file)) === undefined)
      await writeFile(file, randomBytes(32).toString('hex'), { mode: 0o600 });
    return file;
  }

  #network(network: string): { members: string[]; quorum: number; attesters: string[]; attestationQuorum: number } {
    if (network === MAIN) {
      const members = this.description.authorities.map(({ mspId }) => mspId);
      const quorum = Math.floor(members.length / 2) + 1;
      return { members, quorum, attesters: members, attestationQuorum: quorum };
    }
    const region = this.region(network);
    const members = region.organisations.map(({ mspId }) => mspId);
    const attesters = proxyHosts(region).map(({ mspId }) => mspId);
    return {
      members,
      quorum: Math.min(2, members.length),
      attesters,
      attestationQuorum: Math.min(2, attesters.length),
    };
  }

  region(name: string): RegionDescription {
    const found = this.description.regions.find(({ region }) => region === name);
    if (found === undefined) throw new Error(`no region ${name} in the description`);
    return found;
  }

  /** The identity a region's relay has on its own chain and on the main chain. */
  async relayIdentities(region: RegionDescription) {
    const own = commission(region).mspId;
    const authority = authorityOf(this.description, region.region).mspId;
    return {
      own: { mspId: own, ...(await this.credential(own, 'relay')) },
      main: { mspId: authority, ...(await this.credential(authority, 'relay')) },
    };
  }
}

function outOf(quorum: number, mspIds: readonly string[], role: 'peer' | 'client'): string {
  return `OutOf(${quorum}, ${mspIds.map((mspId) => `'${mspId}.${role}'`).join(', ')})`;
}

function portNames({ regions, authorities }: Description): string[] {
  return [
    'main/chain',
    'pseudonyms',
    ...authorities.map(({ mspId }) => `main/attester/${mspId}`),
    ...regions.flatMap((region) => [
      `${region.region}/chain`,
      `${region.region}/redis`,
      `${region.region}/relay`,
      ...proxyHosts(region).map(({ mspId }) => `${region.region}/proxy/${mspId}`),
      ...hospitals(region).map(({ mspId }) => `${region.region}/vault/${mspId}`),
    ]),
  ];
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => {
        server.listen(0, '127.0.0.1', resolve);
      });
      return server;
    }),
  );
  return Promise.all(
    servers.map(async (server) => {
      const address = server.address();
      await new Promise((resolve) => server.close(resolve));
      return typeof address === 'object' && address !== null ? address.port : 0;
    }),
  );
}
