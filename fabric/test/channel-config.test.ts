import { describe, expect, it } from 'vitest';
import { isPolicy } from '../src/chaincode-definition.ts';
import { majorityOf, requireConsent } from '../src/change.ts';
import { addMember, type ChannelConfig, membersOf, removeMember, signaturesFor } from '../src/channel-config.ts';

const group = (mspId: string) => ({
  values: {
    MSP: { mod_policy: 'Admins', version: '0', value: { config: { revocation_list: [mspId] } } },
    Endpoints: { mod_policy: 'Admins', version: '0', value: { addresses: ['o:1'] } },
  },
});
const configOf = (members: readonly string[], ordering: readonly string[]): ChannelConfig => {
  const groups = (mspIds: readonly string[]) => Object.fromEntries(mspIds.map((mspId) => [mspId, group(mspId)]));
  return {
    sequence: '1',
    channel_group: {
      groups: {
        Application: { groups: groups(members) },
        Orderer: { groups: groups(ordering), values: {}, policies: {} },
      },
    },
  };
};

describe('members of a channel', () => {
  it('come with their anchor peers and without endpoints of orderers, once', () => {
    const config = configOf(['AMSP', 'BMSP'], ['AMSP']);
    const anchors = [{ host: 'peer', port: 7051 }];
    addMember(config, 'CMSP', group('CMSP'), anchors);
    const once = JSON.stringify(config);
    addMember(config, 'CMSP', group('CMSP'), []);
    expect(JSON.stringify(config)).toBe(once);
    expect(membersOf(config)).toEqual(['AMSP', 'BMSP', 'CMSP']);
    expect(config.channel_group.groups.Application.groups['CMSP']?.values).toEqual({
      MSP: group('CMSP').values.MSP,
      AnchorPeers: { mod_policy: 'Admins', version: '0', value: { anchor_peers: anchors } },
    });
  });

  it('go, and going twice is as good as once', () => {
    const config = configOf(['AMSP', 'BMSP'], ['AMSP']);
    removeMember(config, 'BMSP');
    removeMember(config, 'BMSP');
    expect(membersOf(config)).toEqual(['AMSP']);
  });

  it('sign by majorities of their part, and for themselves alone', () => {
    const config = configOf(['AMSP', 'BMSP', 'CMSP', 'DMSP'], ['AMSP', 'BMSP', 'EMSP']);
    expect(signaturesFor(config, ['Application', 'Orderer', { mspId: 'EMSP' }])).toEqual([
      { needed: 3, of: ['AMSP', 'BMSP', 'CMSP', 'DMSP'] },
      { needed: 2, of: ['AMSP', 'BMSP', 'EMSP'] },
      { needed: 1, of: ['EMSP'] },
    ]);
  });
});

describe('consent', () => {
  it('is refused with the names of those who do not agree', () => {
    const consent = majorityOf(['A', 'B', 'C', 'D']);
    expect(() => requireConsent('FABRIC_APPROVALS', 'it', consent, ['A', 'B', 'C'])).not.toThrow();
    expect(() => requireConsent('FABRIC_APPROVALS', 'it', consent, ['A', 'B', 'X'])).toThrow(
      'it needs 3 of 4, 2 agree; not: C, D',
    );
  });
});

describe('a committed policy', () => {
  const policy = (n: number, ...principals: readonly string[]) => ({
    signature_policy: {
      identities: principals.map((principal) => ({ principal })),
      rule: { n_out_of: { n, rules: principals.map((_, index) => ({ signed_by: index })) } },
    },
  });
  const [a, b] = ['CgRBTVNQEAM=', 'CgRCTVNQEAM='] as const;

  it('is known by what it means', () => {
    expect(isPolicy(policy(2, a, b), "AND('AMSP.peer', 'BMSP.peer')")).toBe(true);
    expect(isPolicy(policy(2, a, b), "OutOf(2, 'AMSP.peer','BMSP.peer')")).toBe(true);
    expect(isPolicy(policy(1, 'CgRBTVNQ'), "OR('AMSP.member')")).toBe(true);
  });

  it.each(["OR('AMSP.peer', 'BMSP.peer')", "AND('AMSP.peer', 'BMSP.member')", "AND('AMSP.peer', 'CMSP.peer')"])(
    'is not %s',
    (text) => {
      expect(isPolicy(policy(2, a, b), text)).toBe(false);
      expect(isPolicy({}, text)).toBe(false);
    },
  );
});
