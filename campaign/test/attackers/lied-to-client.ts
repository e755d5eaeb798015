import { isProven, type KeyCertificateReply, Practitioner } from '@yilian/client';
import { createSigner } from '@yilian/ledger';
import { SecretKey } from '@yilian/pre';
import { documentId, KeyCertificate, ProxyKey, type SignedBy, signDocument } from '@yilian/protocol';
import type { AnswerReply } from '@yilian/relay/api';
import { beforeAll, describe, expect, it } from 'vitest';
import { deciding } from '../../src/forger.ts';
import { type Lie, read, saying } from '../../src/liar.ts';
import { fresh } from '../../src/world.ts';
import { type Asked, CASE_MS, type Exchange, type Scene } from './scene.ts';

/** The honest reply with other JSON in it. */
function reporting<T>(change: (value: T) => unknown): Lie {
  return async (_, honest) => {
    const reply = await honest();
    return reply.status === 200 ? saying(reply, change(read<T>(reply))) : reply;
  };
}

/** Relays that were taken over and lie to the software of patients and doctors. */
export function liedToClientCases(scene: () => Scene, other: () => Exchange): void {
  describe('a relay that lies to a patient who grants', () => {
    /** Grants to the doctor while the doctor's relay tells this of their key certificate. */
    async function grantsTo(id: string, lie: Lie): Promise<void> {
      const { people, all } = scene();
      const told = scene().awayRelay.about(`/v1/key-certificates/${id}`, lie);
      try {
        await people.grant(all.patient, { ...all.doctor, keyCertificateId: id });
      } finally {
        told.stop();
      }
    }

    const grants = async (): Promise<number> => {
      const { home } = scene().world;
      return (await home.as(home.commission, 'admin').grants(scene().all.patient.pseudonym)).length;
    };

    /** A practitioner of the asking region, certified and registered nowhere. */
    function unregistered(): { practitioner: Practitioner; certificate: string; privateKey: string } {
      const { away, files } = scene().world;
      const { mspId, certificate, privateKey } = away.member(away.hospital, 'practitioner', fresh(6));
      const sign = createSigner(privateKey);
      const place = { federation: files.federation, region: away.name, mspId };
      const practitioner = new Practitioner({ ...place, certificate, sign, secret: SecretKey.random() });
      return { practitioner, certificate, privateKey };
    }

    let another: KeyCertificateReply;
    /** Whatever was asked. */
    const stating = (value: unknown): Lie => {
      const headers = { 'content-type': 'application/json' };
      return async () => ({ status: 200, headers, body: Buffer.from(JSON.stringify(value)) });
    };
    const period = () => ({ notBefore: Date.now() - 60_000, notAfter: Date.now() + 3_600_000 });

    type Forged = (reply: KeyCertificateReply) => KeyCertificateReply;
    it.each<{ readonly what: string; readonly code: string; readonly change: Forged; readonly named?: boolean }>([
      {
        what: 'another key in the doctor’s key certificate',
        code: 'KEY_CERTIFICATE_INVALID',
        change: ({ keyCertificate, ...reply }) => {
          const key = SecretKey.random().publicKey().toBase64url();
          return { ...reply, keyCertificate: { ...keyCertificate, document: { ...keyCertificate.document, key } } };
        },
      },
      {
        what: 'another doctor’s key certificate, as sound as it may be,',
        code: 'KEY_CERTIFICATE_INVALID',
        change: () => another,
      },
      {
        what: 'a key certificate whose key nobody showed to have',
        code: 'POSSESSION_UNPROVEN',
        named: true,
        change: (reply) => {
          const { practitioner, certificate, privateKey } = unregistered();
          const { document } = practitioner.keyCertificate(period());
          const { receivingKey: key } = scene().all.locum.practitioner;
          const signer = { certificate, sign: createSigner(privateKey) };
          return { ...reply, keyCertificate: signDocument(KeyCertificate, { ...document, key }, [signer]) };
        },
      },
      {
        what: 'a sound key certificate that its region never registered',
        code: 'REGISTRATION_INVALID',
        named: true,
        change: (reply) => ({ ...reply, keyCertificate: unregistered().practitioner.keyCertificate(period()) }),
      },
    ])('by $what is caught ($code), and no ledger has a grant', async ({ code, change, named }) => {
      const { people, all, world } = scene();
      const relay = people.relay(world.away);
      another = await relay.keyCertificate(all.locum.keyCertificateId);
      const forged = change(await relay.keyCertificate(all.doctor.keyCertificateId));
      // The patient may even have been given the forged one's own id.
      const id = named ? documentId(KeyCertificate.type, forged.keyCertificate.document) : all.doctor.keyCertificateId;
      const before = await grants();
      await expect(grantsTo(id, stating(forged))).rejects.toMatchObject({ code });
      expect(await grants()).toBe(before);
    });

    it.each<{ readonly named: readonly string[] | undefined; readonly code: string }>([
      { named: ['CommissionHOME', 'Hospital2HOME'], code: 'PROXY_KEY_INVALID' },
      { named: undefined, code: 'TOO_FEW_PROXIES' },
    ])('by keys of its own for the proxies is caught ($code), and no ledger has a grant', async ({ named, code }) => {
      const { people, all } = scene();
      const before = await grants();
      const told = scene().homeRelay.about(
        '/v1/proxies',
        reporting<SignedBy<typeof ProxyKey>[]>((proxies) =>
          proxies.map(({ document, ...signed }) => {
            const key = SecretKey.random().publicKey().toBase64url();
            return { ...signed, document: { ...document, key } };
          }),
        ),
      );
      await expect(
        people.grant(all.patient, all.locum, named === undefined ? {} : { proxies: named }),
      ).rejects.toMatchObject({ code });
      told.stop();
      expect(await grants()).toBe(before);
    });

    it('by proxy keys that it signed itself is caught (CERTIFICATE_UNTRUSTED), and no ledger has a grant', async () => {
      const { people, all, homeKey, world } = scene();
      const before = await grants();
      const told = scene().homeRelay.about(
        '/v1/proxies',
        reporting<SignedBy<typeof ProxyKey>[]>((proxies) =>
          proxies.map(({ document }) => {
            const key = SecretKey.random().publicKey().toBase64url();
            return signDocument(ProxyKey, { ...document, key }, [homeKey.signer]);
          }),
        ),
      );
      const [, ...others] = world.home.network.mspIds;
      await expect(people.grant(all.patient, all.locum, { proxies: others })).rejects.toMatchObject({
        code: 'CERTIFICATE_UNTRUSTED',
      });
      told.stop();
      expect(await grants()).toBe(before);
    });
  });

  describe('a relay that lies to a doctor who asked', () => {
    let asked: Asked;
    beforeAll(async () => {
      const { doctor, patient } = scene().all;
      asked = await scene().exchange(doctor, patient);
    }, CASE_MS);

    /** The doctor's judgement of the answer the relay changed. */
    async function judged(change: (reply: AnswerReply) => unknown): ReturnType<Scene['verified']> {
      const told = scene().awayRelay.about(`/v1/requests/${asked.requestId}/answer`, reporting(change));
      try {
        return await scene().verified(scene().all.doctor, asked);
      } finally {
        told.stop();
        await scene().expectEnd(asked.requestId, 'released');
      }
    }

    it.each([{ state: 'denied' }, { state: 'absent' }])(
      'and says $state without a proof is not believed (OUTCOME_INVALID)',
      async ({ state }) => {
        const { legs, complete } = await judged(({ status }) => ({
          status: { ...status, legs: status.legs.map((leg) => ({ ...leg, state })) },
          answers: [],
        }));
        expect(legs).toMatchObject([{ region: 'home', state: 'invalid', error: { code: 'OUTCOME_INVALID' } }]);
        expect(complete).toBe(false);
      },
    );

    it('and says that no region holds the patient is not believed without the main chain’s proof (OUTCOME_INVALID)', async () => {
      const { legs, absence, complete } = await judged(({ status }) => ({
        status: { ...status, legs: [{ region: 'main', state: 'absent' }] },
        answers: [],
      }));
      expect(legs).toMatchObject([
        { region: 'home', state: 'missing' },
        { region: 'main', state: 'invalid', error: { code: 'OUTCOME_INVALID' } },
      ]);
      expect({ absence, complete }).toEqual({ absence: undefined, complete: false });
    });

    it('and shows the main chain’s proof of another’s absence is not believed (ABSENCE_INVALID)', async () => {
      const { people, all, world } = scene();
      const unknown = people.request(all.doctor, fresh());
      const requestId = await people.insist(unknown);
      await people.ended(requestId);
      const { absence } = await people.relay(world.away).answer(requestId);
      expect(absence).toBeDefined();
      await expect(
        judged(({ status }) => ({
          status: { ...status, legs: [{ region: 'main', state: 'absent' }] },
          answers: [],
          absence,
        })),
      ).rejects.toMatchObject({ code: 'ABSENCE_INVALID' });
    });

    it('and turns the release into a denial in the proof itself is not believed (OUTCOME_INVALID)', async () => {
      const { legs } = await judged(({ status, answers }) => ({
        status,
        answers: answers.map((answer) => ({
          ...answer,
          proof: scene().awayKey.proof(
            answer.proof,
            deciding(({ release: _, ...outcome }) => ({ ...outcome, outcome: 'denied', scopes: [] })),
          ),
        })),
      }));
      expect(legs).toMatchObject([{ region: 'home', state: 'invalid', error: { code: 'OUTCOME_INVALID' } }]);
    });

    it('and hands over the answer to another question is not believed (OUTCOME_MISMATCH, ANSWER_INCOMPLETE)', async () => {
      const another = await scene().people.relay(scene().world.away).answer(other().requestId);
      expect(another.answers).toHaveLength(1);
      const { legs, complete } = await judged(({ status }) => ({ ...another, status }));
      expect(legs).toMatchObject([{ region: 'home', state: 'invalid', error: { code: 'OUTCOME_MISMATCH' } }]);
      expect(complete).toBe(false);
      await expect(judged(() => another)).rejects.toMatchObject({ code: 'ANSWER_INCOMPLETE' });
    });

    it('and leaves a leg out shows it as missing, and the answer as incomplete', async () => {
      const { legs, complete } = await judged(({ status }) => ({ status: { ...status, legs: [] }, answers: [] }));
      expect(legs).toEqual([{ region: 'home', state: 'missing' }]);
      expect(complete).toBe(false);
    });

    it('and then tells the truth is believed', async () => {
      const { legs, complete } = await judged((reply) => reply);
      expect(legs.map((leg) => isProven(leg) && leg.state)).toEqual(['released']);
      expect(complete).toBe(true);
    });
  });
}
