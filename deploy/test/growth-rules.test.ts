import { describe, expect, it } from 'vitest';
import { type ContractVersions, contractsOf, upgraded } from '../local/contract-versions.ts';
import { type Description, readDescription } from '../local/description.ts';
import { requireGrowth } from '../local/growth.ts';

const before = await readDescription(new URL('../local/federation.json', import.meta.url));
const [a, b, c] = before.regions as [Description['regions'][number], ...Description['regions']];
const hospital = { mspId: 'HospitalA9', name: 'Ninth Hospital', kind: 'hospital' as const };
const region = {
  region: 'region-d',
  name: 'Region D',
  organisations: [
    { mspId: 'CommissionD', name: 'D', kind: 'commission' as const },
    { mspId: 'HospitalD1', name: 'D1', kind: 'hospital' as const },
  ],
};
const speaker = { mspId: 'AuthorityD', name: 'D', region: 'region-d' };

function refusal(after: Description): string {
  try {
    requireGrowth(before, after);
    return 'accepted';
  } catch (error) {
    return (error as Error).message;
  }
}

describe('a federation can become', () => {
  it.each<readonly [string, Partial<Description>]>([
    ['what it is', {}],
    ['one with another hospital', { regions: [{ ...a, organisations: [...a.organisations, hospital] }, b!, c!] }],
    ['one with more orderers', { regions: [{ ...a, orderers: ['CommissionA', 'HospitalA1', 'HospitalA2'] }, b!, c!] }],
    [
      'one with a second peer',
      {
        regions: [{ ...a, organisations: [{ ...a.organisations[0]!, peers: 2 }, ...a.organisations.slice(1)] }, b!, c!],
      },
    ],
    [
      'one with a region for which an authority speaks that spoke for none',
      {
        regions: [...before.regions, region],
        authorities: [{ ...before.authorities[0]!, region: 'region-d' }, ...before.authorities.slice(1)],
      },
    ],
    [
      'one with a region and its authority',
      { regions: [...before.regions, region], authorities: [...before.authorities, speaker] },
    ],
  ])('%s', (_, changed) => {
    expect(refusal({ ...before, ...changed })).toBe('accepted');
  });
});

describe('a federation cannot become', () => {
  it.each<readonly [string, Partial<Description>, string]>([
    ['another one', { federation: 'another' }, 'only organisations'],
    ['one with another threshold', { threshold: 1 }, 'only organisations'],
    ['one with other blocks', { block: { timeoutMs: 5, maxMessages: 5 } }, 'only organisations'],
    ['one without a region', { regions: [a, b!] }, 'region-c cannot go'],
    ['one with a renamed region', { regions: [{ ...a, name: 'Other' }, b!, c!] }, 'region-a keeps its name'],
    [
      'one without an organisation',
      { regions: [{ ...a, organisations: a.organisations.slice(0, 3) }, b!, c!] },
      'AuditorA stays as it is',
    ],
    ['one without an authority', { authorities: before.authorities.slice(1) }, 'NationalCentre cannot go'],
    [
      'one with two authorities more',
      { authorities: [...before.authorities, { mspId: 'One', name: '1' }, { mspId: 'Two', name: '2' }] },
      '2 authorities come at once',
    ],
    [
      'one whose authority speaks for another region',
      {
        authorities: before.authorities.map((each) =>
          each.region === 'region-a' ? { ...each, region: 'region-d' } : each,
        ),
      },
      'AuthorityA can only come to speak',
    ],
    ['one of another consensus', { orderers: ['NationalCentre'] }, 'main cannot go from 4 to 1 orderers'],
    [
      'one with a region by SmartBFT',
      { regions: [{ ...a, orderers: a.organisations.map(({ mspId }) => mspId) }, b!, c!] },
      'region-a cannot go from 1 to 4 orderers',
    ],
  ])('%s', (_, changed, why) => {
    expect(refusal({ ...before, ...changed })).toContain(why);
  });
});

describe('a network goes over to another version of its contracts', () => {
  const two = { version: '2', module: 'file:///two.ts' };
  const first = contractsOf({}, 'region-a');

  it('beside the one before, and goes on when it was interrupted', () => {
    const going = upgraded({}, 'region-a', two);
    expect(going).toEqual({ 'region-a': { ...two, previous: first } });
    expect(upgraded(going, 'region-a', two)).toEqual(going);
    const done: ContractVersions = { 'region-a': two };
    expect(upgraded(done, 'region-a', two)).toEqual(done);
  });

  it('but to no other one meanwhile, nor with another module under the same version', () => {
    const going = upgraded({}, 'region-a', two);
    expect(() => upgraded(going, 'region-a', { ...two, version: '3' })).toThrow('region-a is on its way to 2');
    expect(() => upgraded({}, 'region-a', { ...first, module: two.module })).toThrow('another module needs another');
    expect(contractsOf(going, 'region-b')).toEqual(first);
  });
});
