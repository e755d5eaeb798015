import { isProven, openToSink, type ProvenLeg } from '@yilian/client';
import { openRemoteVault, serveGateway, type VaultFault } from '@yilian/vault';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Door } from '../../src/door.ts';
import { Liar, type Lie, type Reply } from '../../src/liar.ts';
import type { Doctor } from '../../src/people.ts';
import { type Asked, CASE_MS, type Scene } from './scene.ts';

const BLOCK_BYTES = 1024 * 1024;

/** Other bytes in the place of those a gateway has. */
function serving(change: (bytes: Buffer) => Buffer): Lie {
  return async (_, honest) => {
    const reply = await honest();
    return reply.status === 200 ? { ...reply, body: change(reply.body) } : reply;
  };
}

const flipped = (bytes: Buffer): Buffer => {
  const altered = Buffer.from(bytes);
  altered[altered.length >> 1]! ^= 1;
  return altered;
};

/** Vault gateways that were taken over. Two hold the same records; each is an address of its own. */
export function holderCases(scene: () => Scene): void {
  const resources = new AsyncDisposableStack();
  const holders: { readonly url: string; readonly liar: Liar }[] = [];
  const plaintext = new Uint8Array(2 * BLOCK_BYTES + 500).map((_, index) => index % 251);
  let leg: ProvenLeg;
  let asked: Asked;
  /** A record of one block. */
  let small: ProvenLeg;

  beforeAll(async () => {
    const { people, all } = scene();
    const patient = await people.patient();
    await Promise.all([people.publish(patient, plaintext), people.grant(patient, all.locum)]);
    await people.indexed(patient);
    asked = await scene().exchange(all.locum, patient);
    leg = await released(all.locum, asked);
    small = await released(all.doctor, await scene().exchange(all.doctor, all.patient));
    const vault = resources.use(await people.vault());
    for (const _ of ['first', 'second']) {
      const gateway = await serveGateway(vault, { host: '127.0.0.1', port: 0 });
      resources.defer(() => gateway.close());
      const door = resources.use(await Door.open());
      door.target = Number(new URL(gateway.url).port);
      holders.push({ url: door.url, liar: resources.use(await Liar.behind(door)) });
    }
  }, CASE_MS);
  afterAll(() => resources.disposeAsync());

  async function released(doctor: Doctor, question: Asked): Promise<ProvenLeg> {
    const [proven] = (await scene().verified(doctor, question)).legs;
    if (proven === undefined || !isProven(proven)) throw new Error('nothing was released');
    return proven;
  }

  const record = () => leg.outcome.release!.records[0]!;

  /** Opens the record as the doctor's software does, from these holders alone. */
  async function open(urls: readonly string[]) {
    const faults: VaultFault[] = [];
    await using body = openRemoteVault({ holders: urls, onFault: (fault) => faults.push(fault) });
    const written: Uint8Array[] = [];
    const kept: Uint8Array[] = [];
    const sink = {
      write: (bytes: Uint8Array) => void written.push(bytes),
      commit: () => void kept.push(...written),
      abort: () => undefined,
    };
    const opening = openToSink(scene().all.locum.practitioner.open(leg, record(), { body: body as never }), sink);
    const failure: unknown = await opening.then(
      () => undefined,
      (error: unknown) => error,
    );
    return { failure, faults, kept: Buffer.concat(kept) };
  }

  describe('a holder', () => {
    it.each<{ readonly what: string; readonly lie: () => Lie }>([
      { what: 'cuts a block short', lie: () => serving((bytes) => bytes.subarray(0, -1)) },
      { what: 'flips a bit', lie: () => serving(flipped) },
      { what: 'hands out its blocks in another order', lie: reordered },
      { what: 'adds to a block', lie: () => serving((bytes) => Buffer.concat([bytes, Buffer.from('x')])) },
    ])(
      'that $what is named, nothing of the record is kept (BODY_UNAVAILABLE), and another holder mends it',
      async ({ lie }) => {
        const [first, second] = holders;
        const told = first!.liar.about('/ipfs/', lie());
        const { failure, faults, kept } = await open([first!.url]);
        expect(failure).toMatchObject({ code: 'BODY_UNAVAILABLE', cause: { code: 'BLOCK_CORRUPT' } });
        expect(blamed(faults)).toContain(`holder-corrupt ${first!.url}`);
        expect(kept).toHaveLength(0);
        const mended = await open([first!.url, second!.url]);
        told.stop();
        expect(mended.failure).toBeUndefined();
        expect(blamed(mended.faults)).toContain(`holder-corrupt ${first!.url}`);
        expect(mended.kept.equals(plaintext)).toBe(true);
        await expectUnopened();
      },
      CASE_MS,
    );

    it('that has nothing more to say is named, and another holder mends it', async () => {
      const [first, second] = holders;
      const told = first!.liar.about('/ipfs/', async () => undefined);
      const { failure, faults, kept } = await open([first!.url]);
      expect(failure).toMatchObject({ code: 'BODY_UNAVAILABLE', cause: { code: 'UNAVAILABLE' } });
      expect(blamed(faults)).toContain(`holder-unavailable ${first!.url}`);
      expect(kept).toHaveLength(0);
      expect((await open([first!.url, second!.url])).kept.equals(plaintext)).toBe(true);
      told.stop();
      await expectUnopened();
    });

    it.each<{ readonly what: string; readonly change: (bytes: Buffer) => Buffer }>([
      { what: 'short', change: (bytes) => bytes.subarray(0, -1) },
      { what: 'with a bit flipped', change: flipped },
      { what: 'with its end first', change: (bytes) => Buffer.concat([bytes.subarray(40), bytes.subarray(0, 40)]) },
    ])(
      'whose bytes nobody held against their name, $what, is the home region’s fault (BODY_INVALID)',
      async ({ change }) => {
        const { cid } = small.outcome.release!.records[0]!;
        const [{ liar, url }] = holders as [(typeof holders)[0]];
        const told = liar.about(`/ipfs/${cid}`, serving(change));
        const body = async function* (): AsyncGenerator<Uint8Array> {
          const response = await fetch(`${url}/ipfs/${cid}?format=raw`);
          yield new Uint8Array(await response.arrayBuffer());
        };
        await scene().expectSealed(scene().all.doctor, small, { code: 'BODY_INVALID', party: 'home' }, { body });
        told.stop();
        expect(await scene().words(small.outcome.requestId)).toMatchObject({ decided: ['released'] });
      },
    );
  });

  const blamed = (faults: readonly VaultFault[]) =>
    faults.map((fault) => ('holder' in fault ? `${fault.kind} ${fault.holder}` : fault.kind));

  /** Each of two leaves in the place of the other. */
  function reordered(): Lie {
    const leaves = new Map<string, Reply>();
    return async (call, honest) => {
      const reply = await honest();
      if (reply.body.length !== BLOCK_BYTES) return reply;
      leaves.set(call.path, reply);
      const other = [...leaves].find(([path]) => path !== call.path);
      return other === undefined ? { ...reply, body: flipped(reply.body) } : other[1];
    };
  }

  async function expectUnopened(): Promise<void> {
    await scene().expectEnd(asked.requestId, 'released');
    const { home } = scene().world;
    expect(await home.as(home.commission, 'admin').receipts(asked.requestId, leg.transactionId)).toEqual([]);
  }
}
