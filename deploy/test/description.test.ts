import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  authorityOf,
  commission,
  type Description,
  hospitals,
  proxyHosts,
  readDescription,
} from '../local/description.ts';
import { DESCRIPTION } from './fixture/world.ts';

type Changed = { -readonly [K in keyof Description]: Description[K] };

let folder: string;
let good: Description;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'yilian-description-'));
  good = await readDescription(DESCRIPTION);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Reads the description after a change to it. */
async function changed(change: (description: Changed) => void): Promise<Description> {
  const description = JSON.parse(await readFile(DESCRIPTION, 'utf8')) as Changed;
  change(description);
  const file = join(folder, 'changed.json');
  await writeFile(file, JSON.stringify(description));
  return readDescription(file);
}

describe('the description of a federation', () => {
  it('says who hosts proxies and vaults, who runs the relay and who speaks for a region', () => {
    const [a] = good.regions;
    if (a === undefined) throw new Error('no region');
    expect(proxyHosts(a).map(({ mspId }) => mspId)).toEqual(['CommissionA', 'HospitalA1', 'HospitalA2']);
    expect(hospitals(a).map(({ mspId }) => mspId)).toEqual(['HospitalA1', 'HospitalA2']);
    expect(commission(a).mspId).toBe('CommissionA');
    expect(authorityOf(good, 'region-a').mspId).toBe('AuthorityA');
  });

  it('is what the launcher starts without one', async () => {
    const own = await readDescription(new URL('../local/federation.json', import.meta.url));
    expect([own.regions.length, own.authorities.length, own.threshold]).toEqual([3, 4, 2]);
  });

  it.each<[string, (description: Changed) => void, RegExp]>([
    ['an MSP id twice', (d) => Object.assign(d.authorities[0] ?? {}, { mspId: 'HospitalA1' }), /MSP id/],
    ['a region twice', (d) => Object.assign(d.regions[1] ?? {}, { region: 'region-a' }), /listed twice/],
    ['more fragments than proxies', (d) => Object.assign(d, { threshold: 3 }), /threshold/],
    ['no commission', (d) => void d.regions[0]?.organisations.shift(), /commission/],
    ['no authority for a region', (d) => void d.authorities.pop(), /authority/],
    ['a property nobody knows', (d) => void Object.assign(d, { password: 'x' }), /description/],
    ['a region whose name is no name', (d) => void Object.assign(d.regions[0] ?? {}, { region: '../x' }), /region/],
  ])('refuses %s', async (_, change, message) => {
    await expect(changed(change)).rejects.toMatchObject({
      code: 'DESCRIPTION_INVALID',
      message: expect.stringMatching(message) as string,
    });
  });

  it('names the file that is missing or no JSON', async () => {
    await expect(readDescription(join(folder, 'none.json'))).rejects.toMatchObject({ code: 'FILE_UNREADABLE' });
    await writeFile(join(folder, 'broken.json'), '{');
    await expect(readDescription(join(folder, 'broken.json'))).rejects.toMatchObject({ code: 'DESCRIPTION_INVALID' });
  });
});
