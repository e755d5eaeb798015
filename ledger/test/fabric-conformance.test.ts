import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type Credential, createAuthority } from '../src/ca.ts';
import { openEmbedded } from '../src/embedded/index.ts';
import { ledgerConformance } from './conformance.ts';
import { ConformanceContract } from './conformance-contract.ts';
import { type FabricNetworkFile, openFabricNetwork } from './fabric-network.ts';
import { authority, CHANNEL, configOf, POLICIES } from './fixture/embedded.ts';

const VARIABLE = 'YILIAN_FABRIC_NETWORK';
const file = process.env[VARIABLE];

if (file === undefined)
  it.skip(`a Fabric network behaves like one (skipped: ${VARIABLE} names no file that describes one)`, () => undefined);
else {
  // A network in production cuts a block every two seconds, and some tests wait for ten.
  vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });
  ledgerConformance(`The Fabric network of ${file}`, async () => openFabricNetwork(file));
}

describe('the file that describes a Fabric network', () => {
  const MSP_IDS = ['AMSP', 'BMSP', 'CMSP'];
  const chaincodes = { any: 'any', every: 'every', two: 'two' };

  async function folder(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), 'fabric-network-'));
    onTestFinished(() => rm(path, { recursive: true }));
    return path;
  }

  async function write(path: string, name: string, { certificate, privateKey }: Credential) {
    await writeFile(join(path, `${name}.pem`), certificate);
    await writeFile(join(path, `${name}.key`), privateKey);
    return { certificate: `${name}.pem`, privateKey: `${name}.key` };
  }

  /** An embedded network on a port with mutual TLS, as if it were somebody else's, and its file. */
  async function foreign(identities: 'authority' | 'members') {
    const path = await folder();
    const tlsAuthority = createAuthority({ mspId: 'TLS' });
    const server = tlsAuthority.issue({ commonName: 'peer.elsewhere', role: 'peer' });
    const contracts = [ConformanceContract];
    const deployed = Object.entries(POLICIES).map(([name, endorsement]) => ({
      name,
      version: '1.0',
      endorsement,
      contracts,
    }));
    const node = await openEmbedded(configOf(deployed), { folder: ':memory:' });
    onTestFinished(() => node.close());
    const { address } = await node.serve({ tls: { ...server, clientRoots: tlsAuthority.rootPem } });
    await writeFile(join(path, 'roots.pem'), tlsAuthority.rootPem);
    const client = await write(path, 'tls', tlsAuthority.issue({ commonName: 'client', role: 'client' }));
    const tls = { roots: 'roots.pem', serverName: 'peer.elsewhere', ...client };
    const organisations: FabricNetworkFile['organisations'] = await Promise.all(
      MSP_IDS.map(async (mspId) => {
        const common = { mspId, address, tls };
        if (identities === 'authority') {
          const { certificate, privateKey } = authority(mspId).record();
          return { ...common, authority: await write(path, mspId, { certificate, privateKey }) };
        }
        const plain = authority(mspId).issue({ commonName: 'plain', role: 'client' });
        const doctor = authority(mspId).issue({ commonName: 'doctor', role: 'client', attributes: { role: 'doctor' } });
        const members = [await write(path, `${mspId}1`, plain), await write(path, `${mspId}2`, doctor)];
        return { ...common, members };
      }),
    );
    const described: FabricNetworkFile = { channel: CHANNEL, chaincodes, organisations };
    const name = join(path, 'network.json');
    await writeFile(name, JSON.stringify(described));
    return name;
  }

  it.each(['authority', 'members'] as const)('leads to it, with identities by its %s', async (identities) => {
    await using network = openFabricNetwork(await foreign(identities));
    expect(network.mspIds).toEqual(MSP_IDS);
    for (const [mspId, role] of [
      ['AMSP', 'doctor'],
      ['BMSP', undefined],
    ] as const) {
      using gateway = network.connect(await network.member(mspId, role && { role }));
      const contract = gateway.getNetwork(network.channel).getContract(network.chaincodes.two);
      await contract.submitTransaction('put', mspId, 'value');
      const seen: unknown = JSON.parse(Buffer.from(await contract.evaluateTransaction('whoami')).toString());
      expect(seen).toMatchObject({ mspId, role: role ?? null });
    }
    using stranger = network.connect(await network.stranger('AMSP'));
    const contract = stranger.getNetwork(network.channel).getContract(network.chaincodes.two);
    await expect(contract.evaluateTransaction('get', 'AMSP')).rejects.toThrow('access denied');
  });

  it('says what it lacks', async () => {
    const name = join(await folder(), 'network.json');
    const organisation = { mspId: 'AMSP', address: 'localhost:7051', members: [{ certificate: 'a', privateKey: 'b' }] };
    const organisations = MSP_IDS.map((mspId) => ({ ...organisation, mspId }));
    const whole = { channel: CHANNEL, chaincodes, organisations };
    const lacking = async (change: object) => {
      await writeFile(name, JSON.stringify({ ...whole, ...change }));
      return () => openFabricNetwork(name);
    };
    expect(await lacking({ channel: undefined })).toThrow('names no channel');
    expect(await lacking({ chaincodes: { any: 'any' } })).toThrow('the chaincodes any, every and two');
    expect(await lacking({ organisations: organisations.slice(1) })).toThrow('fewer than three organisations');
    expect(await lacking({ organisations: organisations.map((one) => ({ ...one, address: '' })) })).toThrow('address');
    const nobody = organisations.map((one) => ({ ...one, members: [] }));
    expect(await lacking({ organisations: nobody })).toThrow('gives AMSP neither an authority nor members');
    expect(await lacking({})).not.toThrow();
  });
});
