import type { ClientError } from '@yilian/client';
import { SecretKey } from '@yilian/pre';
import type { ReleaseReply } from '@yilian/proxy/api';
import type { AskReply } from '@yilian/relay/api';
import { beforeAll, describe, expect, it } from 'vitest';
import type { SignedEnvelope } from '../../src/forger.ts';
import { type Lie, read, saying } from '../../src/liar.ts';
import type { Doctor, Enrolled } from '../../src/people.ts';
import type { Flaw } from '../../src/turncoat.ts';
import { type Asked, CASE_MS, expectSoon, type Scene } from './scene.ts';

const RELEASES = '/v1/releases';

/** The honest proxy's attestation with a share of the liar's own making. */
function sharing({ turncoat }: Scene, requestId: string, flaw: Flaw): Lie {
  return async (call, honest) => {
    const reply = await honest();
    if (call.path !== RELEASES || reply.status !== 200) return reply;
    const share = await turncoat.share(requestId, flaw);
    return saying(reply, { ...read<ReleaseReply>(reply), share });
  };
}

/** A proxy that was taken over. */
export function turnedProxyCases(scene: () => Scene): void {
  /** Two proxies have a part in their grant, and both are needed: the liar's share counts. */
  let needing: { readonly doctor: Doctor; readonly patient: Enrolled };

  beforeAll(async () => {
    const { people, all, turncoat, world } = scene();
    const doctor = await people.doctor();
    await people.grant(all.patient, doctor, { proxies: [world.home.commission, turncoat.mspId] });
    needing = { doctor, patient: all.patient };
  }, CASE_MS);

  /** Asks, with the proxy telling this; the question is committed when it returns. */
  async function ask({ doctor, patient }: typeof needing, lie: (requestId: string) => Lie) {
    const asked = scene().sign(doctor, patient);
    const told = scene().proxy.about(asked.requestId, lie(asked.requestId));
    await scene().people.insist(asked.request);
    return { ...asked, told };
  }

  /** Has the answer made anew without an honest proxy, so that the relay has to ask the liar. */
  async function askTheLiar({ requestId }: Asked): Promise<void> {
    const { people, world } = scene();
    await people.relay(world.away).answer(requestId, { without: [world.home.commission] });
  }

  async function expectOpened(doctor: Doctor, asked: Asked, onFault?: (error: ClientError) => void): Promise<void> {
    const { legs } = await scene().verified(doctor, asked);
    const pieces: Uint8Array[] = [];
    await scene().openInto(pieces, doctor, legs[0]!, { onFault });
    expect(Buffer.concat(pieces).toString()).toBe('haemoglobin 140 g/L');
  }

  describe('a proxy that has its real keys, and whose share is needed,', () => {
    it.concurrent.each<{ readonly what: string; readonly code: string; readonly flaw: (requestId: string) => Flaw }>([
      {
        what: 'with another byte in its fragment',
        code: 'CFRAG_INVALID',
        flaw: () => ({
          fragment: (bytes) => {
            bytes[40] = (bytes[40] ?? 0) ^ 1;
          },
        }),
      },
      {
        what: 'with a fragment of another capsule',
        code: 'CFRAG_INVALID',
        flaw: () => ({ capsule: 'foreign' }),
      },
      {
        what: 'with fragments bound to another request',
        code: 'SHARE_INVALID',
        flaw: (requestId) => ({ boundTo: `${requestId.startsWith('A') ? 'B' : 'A'}${requestId.slice(1)}` }),
      },
      {
        what: 'with fragments sealed to another key',
        code: 'SHARE_INVALID',
        flaw: () => ({ sealedTo: SecretKey.random().publicKey() }),
      },
    ])(
      '$what is named by the doctor’s software ($code), which hands nothing out; the release stands once',
      async ({ code, flaw }) => {
        const { doctor } = needing;
        const asked = await ask(needing, (requestId) => sharing(scene(), requestId, flaw(requestId)));
        await scene().expectEnd(asked.requestId, 'released');
        asked.told.stop();
        const { legs } = await scene().verified(doctor, asked);
        expect(legs).toHaveLength(1);
        await scene().expectSealed(doctor, legs[0]!, { code, party: scene().turncoat.mspId });
      },
      CASE_MS,
    );

    it.concurrent.each<{ readonly what: string; readonly lie: (requestId: string) => Lie }>([
      { what: 'and gives none', lie: () => async () => undefined },
      {
        what: 'and gives it in another’s name',
        lie: (requestId) => sharing(scene(), requestId, { as: scene().world.home.hospital }),
      },
      {
        what: 'and gives something else',
        lie: () => async () => ({
          status: 200,
          headers: { 'content-type': 'application/json' },
          body: Buffer.from('{"share":1}'),
        }),
      },
    ])(
      '$what leaves the question pending and nothing to open; it ends once as soon as it gives its share',
      async ({ lie }) => {
        const { doctor } = needing;
        const asked = await ask(needing, lie);
        const { told } = asked;
        await expectSoon(
          () => told.times,
          (times) => expect(times).toBeGreaterThan(1),
        );
        await scene().expectStanding(asked.requestId, { state: 'pending', code: 'SHARES_MISSING' });
        expect(await scene().words(asked.requestId)).toEqual({ decided: ['released'], settled: [], pending: true });
        const { legs, complete } = await scene().verified(doctor, asked);
        expect(legs).toMatchObject([{ region: 'home', state: 'pending' }]);
        expect(complete).toBe(false);
        const record = { recordId: 'A'.repeat(22) } as never;
        const opening = Array.fromAsync(doctor.practitioner.open(legs[0]!, record));
        await expect(opening).rejects.toMatchObject({ code: 'NOT_RELEASED' });
        told.stop();
        await scene().expectEnd(asked.requestId, 'released');
        await expectOpened(doctor, asked);
      },
      CASE_MS,
    );
  });

  describe('a proxy that has its real keys, while enough others are honest,', () => {
    it.concurrent(
      'and gives no share changes nothing',
      async () => {
        const { doctor } = scene().all;
        const asked = await ask(scene().all, () => async () => undefined);
        await scene().expectEnd(asked.requestId, 'released');
        await askTheLiar(asked);
        asked.told.stop();
        await expectOpened(doctor, asked);
      },
      CASE_MS,
    );

    it.concurrent(
      'and is faster than they are is left out when the doctor asks again, and the record opens',
      async () => {
        const { doctor } = scene().all;
        const { turncoat, people, world } = scene();
        const asked = await ask(scene().all, (requestId) => sharing(scene(), requestId, { capsule: 'foreign' }));
        await scene().expectEnd(asked.requestId, 'released');
        await askTheLiar(asked);
        const relay = people.relay(world.away);
        const { answers } = await relay.answer(asked.requestId, { without: [turncoat.mspId] });
        asked.told.stop();
        expect(answers[0]?.shares.map(({ mspId }) => mspId)).not.toContain(turncoat.mspId);
        await expectOpened(doctor, asked);
      },
      CASE_MS,
    );

    it.concurrent(
      'and gets a wrong fragment to the doctor is named (CFRAG_INVALID), and the record opens',
      async () => {
        const { doctor, patient } = scene().all;
        const { homeRelay, homeKey, turncoat, proxy } = scene();
        const asked = scene().sign(doctor, patient);
        const { requestId } = asked;
        // Its own share is held back, so that those of the others are there; the home relay is its accomplice.
        const silent = proxy.about(requestId, async () => undefined);
        const told = homeRelay.about(asked.request.document.nonce, async (_, honest) => {
          const reply = await honest();
          const envelope = read<SignedEnvelope>(reply);
          const body = envelope.document.body as AskReply;
          if (body.state !== 'decided') return reply;
          const wrong = await turncoat.share(requestId, { capsule: 'foreign' });
          const answer = { ...body.answer, shares: [wrong, ...body.answer.shares] };
          return saying(reply, homeKey.envelope(envelope, { body: { ...body, answer } }));
        });
        await scene().people.insist(asked.request);
        await scene().expectEnd(requestId, 'released');
        await askTheLiar(asked);
        for (const lie of [silent, told]) lie.stop();
        const faults: ClientError[] = [];
        await expectOpened(doctor, asked, (fault) => faults.push(fault));
        expect(faults).toMatchObject([{ code: 'CFRAG_INVALID', party: turncoat.mspId }]);
      },
      CASE_MS,
    );
  });
}
