import type { Envelope } from '@yilian/protocol';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Forger, type SignedEnvelope } from '../../src/forger.ts';
import { type Call, type Reply, read, saying } from '../../src/liar.ts';
import type { Doctor, Enrolled } from '../../src/people.ts';
import { type Asked, CASE_MS, expectSoon, heard, type Scene } from './scene.ts';

/** Orders of a home relay that was taken over, to a proxy that is honest. */
export function orderCases(scene: () => Scene): void {
  interface Order extends Asked {
    readonly call: Call;
    readonly reply: Reply;
  }

  /** An honest question, the order it led to, and what the proxy gave. */
  async function ordered({ doctor, patient }: { doctor: Doctor; patient: Enrolled }): Promise<Order> {
    const asked = scene().sign(doctor, patient);
    let order: Pick<Order, 'call' | 'reply'> | undefined;
    const told = scene().proxy.about(asked.requestId, async (call, honest) => {
      const reply = await honest();
      order ??= { call, reply };
      return reply;
    });
    await scene().people.insist(asked.request);
    await scene().expectEnd(asked.requestId, 'released');
    // Two of three are asked, in turn: without the commission's this proxy is one of them.
    const { people, world } = scene();
    await people.relay(world.away).answer(asked.requestId, { without: [world.home.commission] });
    await expectSoon(
      () => order?.reply.status,
      (status) => expect(status).toBe(200),
    );
    told.stop();
    return { ...asked, ...order! };
  }

  const now = (aheadMs = 0): Pick<Envelope, 'issuedAt' | 'expiresAt'> => {
    const issuedAt = Date.now() + aheadMs;
    return { issuedAt, expiresAt: issuedAt + 20_000 };
  };

  /** What the proxy says to the order in an envelope that was changed and signed with this key. */
  async function said({ call }: Order, change: Partial<Envelope>, forger = scene().homeKey) {
    const envelope = forger.envelope(read<SignedEnvelope>(call), { ...now(), ...change });
    return heard(await scene().proxy.say(saying(call, envelope)));
  }

  describe('a home relay that has its real key and shows a proxy', () => {
    let order: Order;
    let another: Asked & { readonly transactionId: string };
    /** A proxy waits a while for a transaction to be committed: meanwhile there is other work. */
    let uncommitted: ReturnType<typeof said>;
    const outcome = async (requestId: string) => {
      const { home } = scene().world;
      return home.as(home.commission, 'admin').outcome(requestId);
    };

    beforeAll(async () => {
      const { doctor, patient } = scene().all;
      order = await ordered({ doctor, patient });
      const asked = await scene().exchange(doctor, patient);
      another = { ...asked, transactionId: (await outcome(asked.requestId)).transactionId };
      const { away } = scene().world;
      const asking = (await away.history()).find(
        ({ function: name, args }) => name === 'Requests:ask' && args[0]?.includes(asked.request.document.nonce),
      );
      expect(asking?.valid).toBe(true);
      uncommitted = said(order, { body: { requestId: another.requestId, transactionId: asking?.transactionId } });
    }, CASE_MS);

    /** Whatever was ordered, no ledger has more to say than before. */
    afterEach(async () => {
      await scene().expectEnd(order.requestId, 'released');
      await scene().expectEnd(another.requestId, 'released');
    });

    it('an order it took before is refused (ENVELOPE_REPLAYED)', async () => {
      expect(heard(await scene().proxy.say(order.call))).toEqual({ status: 409, code: 'ENVELOPE_REPLAYED' });
    });

    it('an order for another proxy is refused (ENVELOPE_MISDIRECTED)', async () => {
      expect(await said(order, { to: 'home/CommissionHOME' })).toEqual({ status: 403, code: 'ENVELOPE_MISDIRECTED' });
    });

    it('an order whose time is over is refused (ENVELOPE_EXPIRED)', async () => {
      expect(await said(order, now(-60_000))).toEqual({ status: 403, code: 'ENVELOPE_EXPIRED' });
    });

    it('another request’s release is refused (OUTCOME_UNKNOWN)', async () => {
      const body = { requestId: order.requestId, transactionId: another.transactionId };
      expect(await said(order, { body })).toEqual({ status: 404, code: 'OUTCOME_UNKNOWN' });
    });

    it('a denial for a release is refused (NOT_RELEASED)', async () => {
      const { locum, patient } = scene().all;
      const denied = scene().sign(locum, patient);
      await scene().people.insist(denied.request);
      await scene().expectEnd(denied.requestId, 'denied');
      const { transactionId } = await outcome(denied.requestId);
      const body = { requestId: denied.requestId, transactionId };
      expect(await said(order, { body })).toEqual({ status: 422, code: 'NOT_RELEASED' });
    });

    it('an earlier release whose grant was revoked since is refused (REVOKED)', async () => {
      const { people, all } = scene();
      const doctor = await people.doctor();
      const granted = await people.grant(all.patient, doctor);
      const earlier = await ordered({ doctor, patient: all.patient });
      expect(await said(earlier, {})).toMatchObject({ status: 200 });
      await people.revoke(all.patient, granted);
      expect(await said(earlier, {})).toEqual({ status: 403, code: 'REVOKED' });
      await scene().expectEnd(earlier.requestId, 'released');
    });

    it('an order that no relay signed is refused (RELAY_UNTRUSTED), as is another region’s relay (REGION_FOREIGN)', async () => {
      const { world, awayKey } = scene();
      const { home } = world;
      const hospital = new Forger(home.member(home.hospital, 'hospital'));
      expect(await said(order, {}, hospital)).toEqual({ status: 403, code: 'RELAY_UNTRUSTED' });
      const unregistered = new Forger(home.member(home.commission, 'relay', 'unregistered'));
      expect(await said(order, {}, unregistered)).toEqual({ status: 403, code: 'RELAY_UNTRUSTED' });
      expect(await said(order, {}, awayKey)).toEqual({ status: 403, code: 'RELAY_UNTRUSTED' });
      expect(await said(order, { from: 'away' }, awayKey)).toEqual({ status: 403, code: 'REGION_FOREIGN' });
    });

    it('an order with a byte changed is refused (SIGNATURE_INVALID)', async () => {
      const { document, ...signed } = read<SignedEnvelope>(order.call);
      const altered = saying(order.call, { ...signed, document: { ...document, ...now() } });
      expect(heard(await scene().proxy.say(altered))).toEqual({ status: 401, code: 'SIGNATURE_INVALID' });
    });

    it('a transaction that its own chain never committed, but the asking chain, is refused (NOT_COMMITTED)', async () => {
      expect(await uncommitted).toEqual({ status: 503, code: 'NOT_COMMITTED' });
    });

    it(
      'an expired release is refused (RELEASE_EXPIRED), and after a restart an order it took before (ENVELOPE_REPLAYED)',
      async () => {
        const [process] = scene().world.home.proxies;
        const aheadMs = 310_000;
        expect(await said(order, now())).toMatchObject({ status: 200 });
        await process!.ahead(aheadMs);
        expect(await said(order, now(aheadMs))).toEqual({ status: 410, code: 'RELEASE_EXPIRED' });
        await scene().restartProxy();
        expect(heard(await scene().proxy.say(order.call))).toEqual({ status: 409, code: 'ENVELOPE_REPLAYED' });
      },
      CASE_MS,
    );
  });
}
