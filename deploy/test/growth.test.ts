import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findBinaries } from '@yilian/fabric';
import { connect } from '@yilian/ledger';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Person } from '../local/actors.ts';
import type { Description } from '../local/description.ts';
import type { Published } from '../local/publishing.ts';
import { fhirExample } from './fixture/documents.ts';
import { answer, ask, askedWhile, askPatiently, ONCE, outcomes } from './fixture/queries.ts';
import { DESCRIPTION, kill, living, World } from './fixture/world.ts';

const SLOW_MS = 180_000;
const missing = await findBinaries().then(
  () => undefined,
  (error: unknown) => error as Error,
);
const before = JSON.parse(await readFile(DESCRIPTION, 'utf8')) as Description;

/** A hospital, a peer and two orderers for region-a; a region with an authority of its own. */
function grown(): Description {
  const [a, b] = before.regions;
  if (a === undefined || b === undefined) throw new Error('two regions are wanted');
  const organisations = [
    ...a.organisations.map((each) => (each.mspId === 'HospitalA1' ? { ...each, peers: 2 } : each)),
    { mspId: 'HospitalA3', name: 'Third Hospital of Region A', kind: 'hospital' as const },
  ];
  return {
    ...before,
    orderers: ['NationalCentre'],
    authorities: [
      ...before.authorities,
      { mspId: 'AuthorityC', name: 'Health Commission of Region C', region: 'region-c' },
    ],
    regions: [
      { ...a, organisations, orderers: ['CommissionA', 'HospitalA1', 'HospitalA2'] },
      b,
      {
        region: 'region-c',
        name: 'Region C',
        organisations: [
          { mspId: 'CommissionC', name: 'Health Commission of Region C', kind: 'commission' },
          { mspId: 'HospitalC1', name: 'University Hospital of Region C', kind: 'hospital' },
        ],
      },
    ],
  };
}

if (missing !== undefined) it.skip(`a federation grows while it runs (skipped: ${missing.message})`, () => undefined);
else
  describe('a federation on Hyperledger Fabric', () => {
    let world: World;
    const yilian = <T>(args: string) => world.terminal.json<T>(args.split(' '));
    const described = async (name: string, description: Description): Promise<string> => {
      const file = world.path(name);
      await writeFile(file, JSON.stringify(description));
      return file;
    };
    const names = async () => (await world.running()).processes.map(({ name }) => name);
    beforeAll(async () => {
      world = await World.create({ ownDisk: false });
      await world.terminal.json(['up', '--engine', 'fabric', '--description', DESCRIPTION]);
      await yilian<Person>('enrol patient alice --hospital HospitalA1 --id 110101199003070134');
      await yilian('enrol patient alice --hospital HospitalB1');
      await world.terminal.json(['enrol', 'doctor', 'li', '--hospital', 'HospitalB1', '--title', 'Dr Li Wei']);
      await world.terminal.lighten('alice', 'li');
      const { file } = await fhirExample('Observation-f001.json');
      for (const hospital of ['HospitalA1', 'HospitalB1'])
        await world.terminal.json([
          'publish',
          file,
          '--patient',
          'alice',
          '--hospital',
          hospital,
          '--scope',
          'encounter',
        ]);
      await yilian('grant --patient alice --doctor li');
      await yilian('grant --patient alice --doctor li --region region-b');
    }, SLOW_MS);
    afterAll(() => world?.close(), 60_000);

    it('says what a change would do and whose consent it takes, and does nothing', { timeout: SLOW_MS }, async () => {
      const [running, file] = [await names(), await described('grown.json', grown())];
      const { steps } = await yilian<{ steps: string[] }>(`change ${file} --dry-run`);
      expect(steps).toEqual(
        expect.arrayContaining([
          'the authorities get new trust roots, approved by 2 of NationalCentre, AuthorityA, AuthorityB',
          'the main chain gets a new entry of region-a, approved by 2 of NationalCentre, AuthorityA, AuthorityB',
          'the main chain gets the entry of region-c, approved by 2 of NationalCentre, AuthorityA, AuthorityB',
          'AuthorityC becomes a member of main',
          'peer1 of HospitalA1 joins region-a by a snapshot of peer0',
          'HospitalA3 becomes a member of region-a',
          'orderer.HospitalA2 of HospitalA2 becomes a consenter of region-a',
          '  needs 2 of CommissionA, HospitalA1, HospitalA2',
          'region-c is founded by CommissionC, HospitalC1',
        ]),
      );
      expect(await names()).toEqual(running);
      expect((await yilian<{ steps: string[] }>(`change ${file} --dry-run`)).steps).toEqual(steps);
    });

    it('refuses what cannot be changed, and says why', { timeout: SLOW_MS }, async () => {
      const [a, b] = before.regions;
      for (const [wrong, why] of [
        [{ ...before, threshold: 1 }, 'only organisations, regions'],
        [{ ...before, regions: [a!] }, 'region-b cannot go'],
        [
          { ...before, authorities: grown().authorities, regions: grown().regions },
          'main cannot go from 1 to 4 orderers',
        ],
        [
          { ...before, regions: [{ ...a!, organisations: a!.organisations.slice(0, 2) }, b!] },
          'HospitalA2 stays as it is',
        ],
      ] as const) {
        const refused = await world.terminal.refusal(['change', await described('wrong.json', wrong as Description)]);
        expect([refused.code, refused.message]).toEqual(['CHANGE_UNSUPPORTED', expect.stringContaining(why)]);
      }
    });

    it('renews the certificates of every node and service, one process after the other, while queries run', {
      timeout: 2 * SLOW_MS,
    }, async () => {
      expect(await yilian('renew')).toEqual({ renewed: [] });
      const { steps } = await yilian<{ steps: string[] }>('renew --within 400 --dry-run');
      expect(steps).toContain(
        'main: orderer/orderer.NationalCentre renews identity and TLS (364 days left), its TLS key kept',
      );
      expect(steps).toContain('proxy/HospitalA2 renews identity (364 days left)');
      const actors = await world.actors();
      const { practitioner } = await actors.doctor('li');
      const renewing = yilian('renew --within 400');
      const asked = await askedWhile(renewing, () => askPatiently(actors, practitioner));
      expect(await renewing).toEqual({ renewed: steps });
      expect(await yilian('renew')).toEqual({ renewed: [] });
      asked.push(await ask(actors, practitioner));
      const answered: string[] = [];
      for (const each of asked) answered.push(await answer(actors, practitioner, each));
      expect(new Set(await outcomes(actors, answered))).toEqual(new Set([ONCE]));
    });

    it('grows while queries run, and goes on after it was killed halfway and its folders were damaged', {
      timeout: SLOW_MS,
    }, async () => {
      const actors = await world.actors();
      const { practitioner } = await actors.doctor('li');
      const asked = [await ask(actors, practitioner)];
      const interrupted = await world.terminal.run(['change', world.path('grown.json')], {
        onStderr: (piece) => {
          if (piece.includes('HospitalA3 becomes')) void world.everybody().then((all) => all.forEach(kill));
        },
      });
      expect([interrupted.exitCode, interrupted.stderr]).toEqual([1, expect.stringContaining('HospitalA3 becomes')]);
      // A killed process holds its locks a moment longer on a busy machine.
      await vi.waitFor(async () => expect(living(await world.everybody())).toEqual([]), 20_000);
      const other = ['up', '--engine', 'embedded'];
      expect(await world.terminal.refusal(other)).toMatchObject({ exitCode: 1, code: 'ENGINE_DIFFERS' });
      await wrongFolders();
      await world.terminal.json(['up']);
      expect(await names()).toEqual(
        expect.arrayContaining([
          'main/peer/AuthorityC/peer0',
          'region-a/orderer/orderer.HospitalA2',
          'region-a/peer/HospitalA1/peer1',
          'region-a/proxy/HospitalA3',
          'region-c/relay',
        ]),
      );
      const after = await world.actors();
      asked.push(await ask(after, practitioner));
      const answered = await Promise.all(asked.map((each) => answer(after, practitioner, each)));
      expect(await outcomes(after, answered)).toEqual([ONCE, ONCE]);
      expect((await yilian<{ steps: string[] }>(`change ${world.path('grown.json')} --dry-run`)).steps).toEqual([]);
    });

    /** A certificate of another organisation is refused and lies where it was again; of an emptied MSP folder nothing is missed. */
    async function wrongFolders(): Promise<void> {
      const folder = (mspId: string) => join(world.state, 'region-a/fabric/organisations', mspId, 'peers/peer0/msp');
      const own = join(folder('HospitalA1'), 'signcerts/cert.pem');
      const right = await readFile(own);
      await writeFile(own, await readFile(join(folder('HospitalA2'), 'signcerts/cert.pem')));
      expect(await world.terminal.refusal(['up'])).toMatchObject({
        exitCode: 1,
        code: 'FABRIC_CERTIFICATE',
        message: expect.stringContaining('peer/HospitalA1/peer0') as string,
      });
      await writeFile(own, right);
      await rm(folder('HospitalA2'), { recursive: true });
      await rm(join(world.state, 'region-a/fabric/organisations/HospitalA1/msp'), { recursive: true });
    }

    it('has the new hospital publish what a doctor of the new region opens', { timeout: SLOW_MS }, async () => {
      await yilian('enrol patient alice --hospital HospitalA3');
      const { file } = await fhirExample('CarePlan-f001.json');
      const publish = ['publish', file, '--patient', 'alice', '--hospital', 'HospitalA3', '--scope', 'encounter'];
      const { records } = await world.terminal.json<{ records: Published[] }>(publish);
      expect(records).toHaveLength(1);
      await world.terminal.json(['enrol', 'doctor', 'zhao', '--hospital', 'HospitalC1', '--title', 'Dr Zhao']);
      await yilian('grant --patient alice --doctor zhao');
      const { requestId } = await yilian<{ requestId: string }>('request --doctor zhao --patient alice');
      const opened = await world.terminal.json<{ opened: { recordId: string }[] }>([
        'open',
        requestId,
        '--out',
        world.path('opened'),
      ]);
      expect(opened.opened.map(({ recordId }) => recordId)).toContain(records[0]?.recordId);
    });

    it('lets the first orderer go while queries run', { timeout: SLOW_MS }, async () => {
      const description = grown();
      const [a, ...others] = description.regions;
      const file = await described('fewer.json', {
        ...description,
        regions: [{ ...a!, orderers: ['HospitalA1', 'HospitalA2'] }, ...others],
      });
      const actors = await world.actors();
      const { practitioner } = await actors.doctor('li');
      const changing = yilian(`change ${file}`);
      const asked = await Promise.all([ask(actors, practitioner), ask(actors, practitioner)]);
      await changing;
      expect(await names()).not.toContain('region-a/orderer/orderer.CommissionA');
      const answered = await Promise.all(asked.map((each) => answer(actors, practitioner, each)));
      expect(await outcomes(actors, answered)).toEqual([ONCE, ONCE]);
    });

    it('puts another version of a region’s contracts in force while queries run', { timeout: SLOW_MS }, async () => {
      const url = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
      const file = world.path('contracts-2.ts');
      await writeFile(
        file,
        `import { ChainContract } from ${url('../../ledger/src/contract.ts')};
         import { contracts as before } from ${url('../../regional-chain/src/contracts.ts')};
         class Greeting extends ChainContract {
           constructor() { super('Greeting'); }
           async hello() { return 'hello'; }
         }
         export const contracts = [...before, Greeting];`,
      );
      const upgrade = ['upgrade', 'region-b', '--to', '2', '--module'];
      const broken = world.path('broken.ts');
      await writeFile(broken, 'throw new Error("broken")');
      const running = await names();
      const failed = await world.terminal.run([...upgrade, broken]);
      expect([failed.exitCode, failed.stderr]).toEqual([1, expect.stringMatching(/^serving 2 .*\nPROCESS_FAILED: /)]);
      expect((await world.terminal.refusal([...upgrade, world.path('nowhere.ts')])).code).toBe('FILE_UNREADABLE');
      expect((await names()).toSorted()).toEqual(running.toSorted());
      const { steps } = await world.terminal.json<{ steps: string[] }>([...upgrade, file, '--dry-run']);
      expect(steps).toContain('  needs 2 of CommissionB, HospitalB1');
      const actors = await world.actors();
      const { practitioner } = await actors.doctor('li');
      const upgrading = world.terminal.json([...upgrade, file]);
      const asked = await Promise.all([ask(actors, practitioner), ask(actors, practitioner)]);
      await upgrading;
      expect((await names()).filter((name) => name.startsWith('region-b/contracts/')).toSorted()).toEqual([
        'region-b/contracts/CommissionB/regional_2',
        'region-b/contracts/HospitalB1/regional_2',
      ]);
      const answered = await Promise.all(asked.map((each) => answer(actors, practitioner, each)));
      expect(await outcomes(actors, answered)).toEqual([ONCE, ONCE]);
      const { layout } = actors;
      const { certificate, privateKey } = await layout.credential('HospitalB1', 'hospital');
      const identity = { mspId: 'HospitalB1', certificate };
      using connection = connect({ ...(await layout.client('region-b', 'HospitalB1')), identity, privateKey });
      const greeting = connection.contract('region-b', 'regional', 'Greeting');
      expect(Buffer.from(await greeting.evaluateTransaction('hello')).toString()).toBe('hello');
      expect(await world.terminal.json([...upgrade, file, '--dry-run'])).toEqual({ steps: [] });
    });
  });
