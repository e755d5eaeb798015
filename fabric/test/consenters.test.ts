import { describe, expect, it } from 'vitest';
import type { ChannelConfig } from '../src/channel-config.ts';
import { consentersOf, hasConsenter, partsFor, putConsenter, removeConsenter } from '../src/consenters.ts';

const consenter = (mspId: string, port: number, tls = `tls ${port}`) => ({
  host: 'orderer',
  port,
  mspId,
  identity: `identity ${port}`,
  tls,
});
const base64 = (text: string) => Buffer.from(text).toString('base64');
const value = <T>(of: T) => ({ mod_policy: 'Admins', version: '0', value: of });
const group = { values: { MSP: value({ config: {} }), AnchorPeers: value({ anchor_peers: [] }) } };

function configOf(consensus: 'raft' | 'bft', count: number): ChannelConfig {
  const values =
    consensus === 'raft'
      ? { ConsensusType: value({ metadata: { consenters: [] } }) }
      : { ConsensusType: value({ metadata: {} }), Orderers: value({ consenter_mapping: [] }) };
  const config = {
    sequence: '1',
    channel_group: {
      groups: {
        Application: { groups: {} },
        Orderer: { groups: {}, values, policies: { BlockValidation: { policy: { type: 3, value: 'ANY Writers' } } } },
      },
    },
  } as unknown as ChannelConfig;
  for (let port = 1; port <= count; port += 1) putConsenter(config, consenter(`O${port}`, port), group);
  return config;
}

describe.each(['raft', 'bft'] as const)('consenters of %s', (consensus) => {
  it('come with their organisation and endpoint, once', () => {
    const config = configOf(consensus, 4);
    expect(partsFor(config, consenter('O5', 5))).toEqual(['Orderer']);
    expect(partsFor(config, consenter('O4', 5))).toEqual(['Orderer', { mspId: 'O4' }]);
    putConsenter(config, consenter('O4', 5), group);
    const once = JSON.stringify(config);
    putConsenter(config, consenter('O4', 5), group);
    expect(JSON.stringify(config)).toBe(once);
    expect(consentersOf(config)).toHaveLength(5);
    const { groups } = config.channel_group.groups.Orderer;
    expect(groups['O4']?.values.Endpoints?.value.addresses).toEqual(['orderer:4', 'orderer:5']);
    expect(groups['O4']?.values.AnchorPeers).toBeUndefined();
  });

  it('go with their endpoint, and the last one with its organisation', () => {
    const config = configOf(consensus, 4);
    putConsenter(config, consenter('O4', 5), group);
    putConsenter(config, consenter('O4', 6), group);
    removeConsenter(config, consenter('O4', 5));
    removeConsenter(config, consenter('O1', 1));
    const once = JSON.stringify(config);
    removeConsenter(config, consenter('O1', 1));
    expect(JSON.stringify(config)).toBe(once);
    expect(consentersOf(config).map(({ port }) => port)).toEqual([2, 3, 4, 6]);
    const { groups } = config.channel_group.groups.Orderer;
    expect(Object.keys(groups)).toEqual(['O2', 'O3', 'O4']);
    expect(groups['O4']?.values.Endpoints?.value.addresses).toEqual(['orderer:4', 'orderer:6']);
  });

  it('change their certificates where they stand', () => {
    const config = configOf(consensus, 4);
    const renewed = consenter('O2', 2, 'new');
    expect(hasConsenter(config, renewed)).toBe(false);
    putConsenter(config, renewed, group);
    expect(hasConsenter(config, renewed)).toBe(true);
    expect(consentersOf(config).map(({ port }) => port)).toEqual([1, 2, 3, 4]);
  });

  it('do not go below what orders', () => {
    const config = configOf(consensus, consensus === 'raft' ? 1 : 4);
    expect(() => removeConsenter(config, consenter('O1', 1))).toThrow(/have to stay/);
  });
});

describe('the block validation policy of SmartBFT', () => {
  it.each([
    [4, 3],
    [5, 4],
    [6, 4],
    [7, 5],
    [10, 7],
  ])('asks of %i consenters for %i, each by its identity, in the order of the mapping', (count, quorum) => {
    const config = configOf('bft', count);
    const { policy } = config.channel_group.groups.Orderer.policies['BlockValidation']!;
    const ports = Array.from({ length: count }, (_, index) => index + 1);
    expect(policy).toEqual({
      type: 1,
      value: {
        identities: ports.map((port) => ({
          principal: { id_bytes: base64(`identity ${port}`), mspid: `O${port}` },
          principal_classification: 'IDENTITY',
        })),
        rule: { n_out_of: { n: quorum, rules: ports.map((_, index) => ({ signed_by: index })) } },
        version: 0,
      },
    });
  });

  it('never gives an id twice while it is in use', () => {
    const config = configOf('bft', 5);
    removeConsenter(config, consenter('O2', 2));
    putConsenter(config, consenter('O6', 6), group);
    expect(consentersOf(config).map((each) => Reflect.get(each, 'id') as unknown)).toEqual([1, 3, 4, 5, 6]);
  });
});
