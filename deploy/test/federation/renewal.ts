import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createSigner } from '@yilian/ledger';
import { Envelope, signDocument } from '@yilian/protocol';
import { expect, it } from 'vitest';
import type { Layout } from '../../local/layout.ts';
import { answer, ask, askedWhile, ONCE, outcomes } from '../fixture/queries.ts';
import { kill, type World } from '../fixture/world.ts';

const SLOW_MS = 180_000;
const BESIDE = 'beside the old ones';

interface Pair {
  readonly certificate: string;
  readonly privateKey: string;
}

/** Certificates that are exchanged while the federation runs. */
export function renewal(world: () => World): void {
  const yilian = <T>(args: string) => world().terminal.json<T>(args.split(' '));

  it('says what a renewal would do, whose consent it takes and how many days are left, and does nothing', {
    timeout: SLOW_MS,
  }, async () => {
    expect(await yilian('renew --dry-run')).toEqual({ steps: [] });
    expect(await yilian('renew')).toEqual({ renewed: [] });
    const before = await issued(world());
    const { steps } = await yilian<{ steps: string[] }>('renew --within 400 --dry-run');
    const left = 'renews identity (364 days left)';
    expect(steps).toEqual(
      expect.arrayContaining([
        `relay/CommissionA ${left}, on the main chain first, approved by 2 of NationalCentre, AuthorityA, AuthorityB`,
        `relay/AuthorityA ${left}`,
        `proxy/NationalCentre ${left}`,
        `proxy/HospitalB1 ${left}`,
        `hospital/HospitalA1 ${left}`,
        `admin/CommissionA ${left}`,
        `peer/HospitalA2 ${left}`,
        `orderer/NationalCentre ${left}`,
      ]),
    );
    expect(steps).toHaveLength([...before.keys()].filter((name) => name.endsWith('.cert.pem')).length);
    expect(await issued(world())).toEqual(before);
  });

  it('exchanges every certificate and key while questions are asked, also when it is killed in the middle, and every one is answered', {
    timeout: SLOW_MS,
  }, async () => {
    const before = await issued(world());
    const old = await relayPair(world(), 'pki/CommissionA');
    const actors = await world().actors();
    const { practitioner } = await actors.doctor('li');
    const halfway = Promise.withResolvers<void>();
    const interrupted = world().terminal.run(['renew', '--within', '400'], {
      onStderr: (piece) => void (piece.includes(BESIDE) && halfway.resolve()),
    });
    void interrupted.then(() => halfway.resolve());
    const asked = await askedWhile(halfway.promise, () => ask(actors, practitioner));
    for (const each of await world().everybody()) kill(each);
    const { exitCode, stderr } = await interrupted;
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining(BESIDE)]);

    await world().terminal.json(['up']);
    const next = await relayPair(world(), 'pki/successor/CommissionA');
    expect([await isBelieved(actors.layout, old), await isBelieved(actors.layout, next)]).toEqual([true, true]);
    const resumed = yilian<{ renewed: string[] }>('renew');
    asked.push(...(await askedWhile(resumed, () => ask(actors, practitioner))));
    expect((await resumed).renewed.map((step) => step.split(' ')[0])).toEqual([
      'relay/NationalCentre',
      'relay/AuthorityA',
      'relay/AuthorityB',
      'relay/CommissionA',
      'relay/CommissionB',
    ]);
    expect(asked.length).toBeGreaterThan(10);
    const answered: string[] = [];
    for (const each of asked) answered.push(await answer(actors, practitioner, each));
    expect(new Set(await outcomes(actors, answered))).toEqual(new Set([ONCE]));

    const after = await issued(world());
    expect([...after.keys()]).toEqual([...before.keys()]);
    expect([...after].filter(([name, content]) => before.get(name) === content)).toEqual([]);
    expect(await relayPair(world(), 'pki/CommissionA')).toEqual(next);
    expect([await isBelieved(actors.layout, old), await isBelieved(actors.layout, next)]).toEqual([false, true]);
    await using open = await actors.hospital('HospitalA1');
    for (const { document, signatures } of await open.chain.proxies())
      expect(signatures).toMatchObject([{ certificate: after.get(`${document.mspId}/proxy.cert.pem`) }]);
    expect(await yilian('renew')).toEqual({ renewed: [] });
  });
}

/** The certificates and keys of services and clients, by their files below `pki`, each its owner's alone; none waits. */
async function issued(world: World): Promise<ReadonlyMap<string, string>> {
  const folder = join(world.state, 'pki');
  const files = (await readdir(folder, { recursive: true })).filter((file) => /\.(cert|key)\.pem$/.test(file));
  expect(files.filter((file) => file.startsWith('successor'))).toEqual([]);
  const found = new Map<string, string>();
  for (const file of files.toSorted()) {
    expect([file, (await stat(join(folder, file))).mode & 0o777]).toEqual([file, 0o600]);
    found.set(file, await readFile(join(folder, file), 'utf8'));
  }
  return found;
}

async function relayPair(world: World, folder: string): Promise<Pair> {
  const [certificate, privateKey] = await Promise.all(
    ['cert', 'key'].map((what) => readFile(join(world.state, folder, `relay.${what}.pem`), 'utf8')),
  );
  return { certificate: certificate ?? '', privateKey: privateKey ?? '' };
}

/** Whether region-b's relay takes an envelope for one of region-a's: it refuses what is in this one, or that it is old. */
async function isBelieved(layout: Layout, { certificate, privateKey }: Pair): Promise<boolean> {
  const issuedAt = Date.now();
  const document = {
    federation: layout.description.federation,
    from: 'region-a',
    to: 'region-b',
    sequence: 1,
    issuedAt,
    expiresAt: issuedAt + 30_000,
    kind: 'greeting',
    body: {},
  };
  const envelope = signDocument(Envelope, document, [{ certificate, sign: createSigner(privateKey) }]);
  const response = await fetch(`${layout.url('region-b/relay')}/v1/relay`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(envelope),
  });
  const { code } = (await response.json()) as { code: string };
  expect(['KIND_UNKNOWN', 'ENVELOPE_REPLAYED', 'RELAY_UNTRUSTED']).toContain(code);
  return code !== 'RELAY_UNTRUSTED';
}
