import { describe, expect, it } from 'vitest';
import { isPolicy } from '../src/chaincode-definition.ts';
import { majorityOf, requireConsent } from '../src/change.ts';
import { addMember, type ChannelConfig, membersOf, removeMember, signaturesFor } from '../src/channel-config.ts';
import { setVoters, votersOf } from '../src/voting.ts';

const group = (mspId: string) => ({
  values: {
    MSP: { mod_policy: 'Admins', version: '0', value: { config: { revocation_list: [mspId] } } },
    Endpoints: { mod_policy: 'Admins', version: '0', value: { addresses: ['o:1'] } },
  },
});
/** As it is before anybody set it. */
const votingOf = (voters: readonly string[]) => {
  const identities = voters.map((msp_identifier) => ({ principal: { msp_identifier } }));
  const names = ['Admins', 'Endorsement', 'LifecycleEndorsement', 'Readers'];
  return Object.fromEntries(names.map((name) => [name, { policy: { type: 1, value: { identities } } }]));
};
const configOf = (members: readonly string[], ordering: readonly string[]): ChannelConfig => {
  const groups = (mspIds: readonly string[]) => Object.fromEntries(mspIds.map((mspId) => [mspId, group(mspId)]));
  return {
    sequence: '1',
    channel_group: {
      groups: {
        Application: { groups: groups(members), policies: votingOf(members) },
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

describe('voters of a channel', () => {
  const policiesOf = (config: ChannelConfig) => config.channel_group.groups.Application.policies;

  it('are those whose majority every policy about the channel and its contracts asks for', () => {
    const config = configOf(['AMSP', 'BMSP', 'ReaderMSP'], ['AMSP']);
    setVoters(config, ['CMSP', 'AMSP', 'BMSP']);
    expect(votersOf(config)).toEqual(['AMSP', 'BMSP', 'CMSP']);
    const { Admins, Endorsement, LifecycleEndorsement, Readers } = policiesOf(config);
    const principals = (role: string) =>
      ['AMSP', 'BMSP', 'CMSP'].map((msp_identifier) => ({
        principal_classification: 'ROLE',
        principal: { msp_identifier, role },
      }));
    const rule = { n_out_of: { n: 2, rules: [{ signed_by: 0 }, { signed_by: 1 }, { signed_by: 2 }] } };
    expect(Admins?.policy).toEqual({ type: 1, value: { version: 0, identities: principals('ADMIN'), rule } });
    expect(Endorsement?.policy).toEqual({ type: 1, value: { version: 0, identities: principals('PEER'), rule } });
    expect(LifecycleEndorsement).toEqual(Endorsement);
    expect(Readers).toEqual(votingOf(['AMSP', 'BMSP', 'ReaderMSP'])['Readers']);
    expect(signaturesFor(config, ['Application'])).toEqual([{ needed: 2, of: ['AMSP', 'BMSP', 'CMSP'] }]);
  });

  it('stay as they are when they are set to what they are', () => {
    const config = configOf(['BMSP', 'AMSP'], ['AMSP']);
    const before = JSON.stringify(config);
    setVoters(config, ['AMSP', 'BMSP']);
    expect(JSON.stringify(config)).toBe(before);
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
