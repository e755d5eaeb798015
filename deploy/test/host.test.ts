import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { faultOfHosts, type Host, hostOf, placesOf } from '../hosts/host.ts';
import type { Description } from '../local/description.ts';
import { DESCRIPTION } from './fixture/world.ts';

let alone: Description;
let hosts: Host[];
beforeAll(async () => {
  alone = JSON.parse(await readFile(DESCRIPTION, 'utf8')) as Description;
  hosts = [
    { name: 'a', address: '10.0.0.1', regions: ['region-a'], authorities: ['AuthorityA'] },
    { name: 'b', address: 'b.example', regions: ['region-b'], authorities: ['AuthorityB'], firstPort: 9000 },
    { name: 'c', address: '10.0.0.3', listen: '192.168.0.3', regions: [], authorities: ['NationalCentre'] },
  ];
});

const described = (): Description => ({ ...alone, hosts });
const change = (index: number, changed: Partial<Host>): Description => ({
  ...alone,
  hosts: hosts.map((host, at) => (at === index ? { ...host, ...changed } : host)),
});

describe('the hosts of a description', () => {
  it('fit when every region and authority is on one', () => {
    expect([faultOfHosts(alone), faultOfHosts(described())]).toEqual([undefined, undefined]);
  });

  it.each<[string, () => Description, RegExp]>([
    ['a region on none', () => change(1, { regions: [] }), /region region-b is on no host/],
    ['a region on two', () => change(2, { regions: ['region-a'] }), /region region-a is on two hosts/],
    ['a region nobody knows', () => change(2, { regions: ['region-z'] }), /there is no region region-z/],
    ['an authority on none', () => change(2, { authorities: [] }), /authority NationalCentre is on no host/],
    ['an authority on two', () => change(2, { authorities: ['NationalCentre', 'AuthorityA'] }), /AuthorityA is on two/],
    [
      'a region apart from the authority it enters by',
      () => ({
        ...alone,
        hosts: hosts.map((host, at) => ({ ...host, authorities: hosts[(at + 1) % 3]?.authorities ?? [] })),
      }),
      /AuthorityA, through which region-a enters the main chain, has to be on a/,
    ],
    ['one name twice', () => change(1, { name: 'a' }), /the same name/],
    ['one address twice', () => change(1, { address: '10.0.0.1' }), /the same address/],
    ['an address that is none', () => change(1, { address: '10.0.0.256' }), /the address of b is none/],
    ['ports beyond the last', () => change(0, { firstPort: 65_500 }), /the ports of a do not suffice/],
  ])('are refused with %s', (_, description, message) => {
    expect(faultOfHosts(description())).toMatch(message);
  });
});

describe('the places of what listens', () => {
  const names = ['main/peer/AuthorityB', 'region-b/relay', 'region-b/redis', 'region-b/vault/HospitalB1', 'pseudonyms'];

  it('follow from the description alone: a block of ports for each organisation, what is nobody else’s on the loopback', () => {
    const places = placesOf(described(), names);
    const of = (name: string) => {
      const { address, listen, port, isWeb, owner } = places.get(name) ?? {};
      return [address, listen, port, isWeb, owner];
    };
    expect(of('main/peer/AuthorityB')).toEqual(['b.example', '0.0.0.0', 9000, false, 'AuthorityB']);
    expect(of('region-b/relay')).toEqual(['b.example', '0.0.0.0', 9032, true, 'CommissionB']);
    expect(of('region-b/redis')).toEqual(['127.0.0.1', '127.0.0.1', 9033, false, 'CommissionB']);
    expect(of('region-b/vault/HospitalB1')).toEqual(['b.example', '0.0.0.0', 9064, true, 'HospitalB1']);
    expect(of('pseudonyms')).toEqual(['10.0.0.3', '192.168.0.3', 7000, true, 'NationalCentre']);
  });

  it('stay when an organisation is added at the end of its region', () => {
    const before = placesOf(described(), names);
    const [a, b] = alone.regions;
    if (a === undefined || b === undefined) throw new Error('no region');
    const added = { mspId: 'HospitalB2', name: 'Second', kind: 'hospital' as const };
    const after = placesOf({ ...described(), regions: [a, { ...b, organisations: [...b.organisations, added] }] }, [
      ...names,
      'region-b/vault/HospitalB2',
    ]);
    for (const name of names) expect(after.get(name)).toEqual(before.get(name));
    expect(after.get('region-b/vault/HospitalB2')?.port).toBe(9096);
  });

  it('are on the host of whoever runs them', () => {
    expect(names.map((name) => hostOf(described(), name)?.name)).toEqual(['b', 'b', 'b', 'b', 'c']);
  });
});
