import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Envelope, Outcome, Release } from '@yilian/protocol';
import type { Answer, AskReply } from '@yilian/relay/api';
import { describe, expect, it } from 'vitest';
import { deciding, Forger, type SignedEnvelope } from '../../src/forger.ts';
import { type Lie, type Reply, read, saying, type Told } from '../../src/liar.ts';
import { SCOPE } from '../../src/world.ts';
import { CASE_MS, type Exchange, type Scene } from './scene.ts';

const UNREACHABLE = 'RelayError:REMOTE_UNREACHABLE';
const MISDIRECTED = 'ProtocolError:ENVELOPE_MISDIRECTED';
const INVALID = 'RelayError:ANSWER_INVALID';

/** A lie, the error it is to the asking relay, and whether the home chain had decided by then. */
interface Case {
  readonly what: string;
  readonly lie: (scene: Scene, other: Exchange) => Lie;
  readonly error: string;
  readonly undecided?: true;
}

/** The honest answer, changed and signed with the relay's key; what is no answer yet is passed on. */
function answering({ homeKey }: Scene, change: (document: Envelope) => Partial<Envelope>): Lie {
  return async (_, honest) => {
    const reply = await honest();
    if (reply.status !== 200) return reply;
    const envelope = read<SignedEnvelope>(reply);
    return saying(reply, homeKey.envelope(envelope, change(envelope.document)));
  };
}

function replacing(scene: Scene, change: (answer: Answer) => Answer): Lie {
  return answering(scene, ({ body }) => {
    const reply = body as AskReply;
    return { body: reply.state === 'decided' ? { ...reply, answer: change(reply.answer) } : reply };
  });
}

/** A decision that releases nothing in the place of the release, attested by the relay's own key. */
function inventing(scene: Scene, outcome: 'denied' | 'absent'): Lie {
  const scopes: Outcome['scopes'] =
    outcome === 'absent' ? [] : [{ scope: SCOPE, permitted: false, reason: 'NO_GRANT' }];
  const invent = deciding(({ release: _, ...decided }) => ({ ...decided, outcome, scopes }));
  return replacing(scene, ({ proof, ...answer }) => ({
    ...answer,
    proof: scene.homeKey.proof(proof, invent),
    headers: [],
    shares: [],
    bodies: [],
  }));
}

/** Another release, attested by the relay's own key. */
function altering(scene: Scene, change: (release: Release) => Release): Lie {
  return replacing(scene, (answer) => {
    const alter = deciding(({ release, ...decided }) => ({ ...decided, ...(release && { release: change(release) }) }));
    return { ...answer, proof: scene.homeKey.proof(answer.proof, alter) };
  });
}

const answerIn = ({ reply }: Exchange): Answer => {
  const { body } = read<SignedEnvelope>(reply).document;
  return (body as Extract<AskReply, { state: 'decided' }>).answer;
};

const CASES: readonly Case[] = [
  { what: 'loses the question', lie: () => async () => undefined, error: UNREACHABLE, undecided: true },
  {
    what: 'loses its answer',
    lie: () => async (_, honest) => {
      await honest();
      return undefined;
    },
    error: UNREACHABLE,
  },
  {
    what: 'answers for another region',
    lie: (scene) => answering(scene, () => ({ to: 'elsewhere' })),
    error: MISDIRECTED,
  },
  {
    what: 'replays an old answer',
    lie:
      (_, { reply }) =>
      async () =>
        reply,
    error: MISDIRECTED,
    undecided: true,
  },
  {
    what: 'answers after its time',
    lie: (scene) => answering(scene, ({ issuedAt }) => ({ issuedAt: issuedAt - 60_000, expiresAt: issuedAt - 30_000 })),
    error: 'ProtocolError:ENVELOPE_EXPIRED',
  },
  {
    what: 'signs as another relay of its organisation',
    lie:
      ({ world: { home } }) =>
      async (_, honest) => {
        const reply = await honest();
        const forger = new Forger(home.member(home.commission, 'relay', 'unregistered'));
        return saying(reply, forger.envelope(read<SignedEnvelope>(reply)));
      },
    error: 'RelayError:RELAY_UNTRUSTED',
  },
  {
    what: 'changes its answer and does not sign it anew',
    lie: () => async (_, honest) => {
      const reply = await honest();
      const { document, ...signed } = read<SignedEnvelope>(reply);
      return saying(reply, { ...signed, document: { ...document, expiresAt: document.expiresAt - 1 } });
    },
    error: 'ProtocolError:SIGNATURE_INVALID',
  },
  {
    what: 'invents a denial',
    lie: (scene) => inventing(scene, 'denied'),
    error: INVALID,
  },
  {
    what: 'invents an absence',
    lie: (scene) => inventing(scene, 'absent'),
    error: INVALID,
  },
  {
    what: 'answers with another request’s release',
    lie: (scene, other) => replacing(scene, () => answerIn(other)),
    error: INVALID,
  },
  {
    what: 'alters the list of records of a release',
    lie: (scene) =>
      altering(scene, ({ records, ...release }) => ({
        ...release,
        records: records.map((record) => ({ ...record, commitment: 'A'.repeat(43) })),
      })),
    error: INVALID,
  },
  {
    what: 'alters the key a release is for',
    lie: (scene) => {
      const { receivingKey } = scene.all.locum.practitioner;
      return altering(scene, (release) => ({ ...release, receivingKey }));
    },
    error: INVALID,
  },
];

/** A home relay that was taken over: what it decided stands, and what it says is believed only with proof. */
export function homeRelayCases(scene: () => Scene, other: () => Exchange): void {
  describe('a home relay that has its real key and', () => {
    it.concurrent.each(CASES)(
      '$what is not believed ($error), and the question still ends once',
      async ({ lie, error, undecided }) => {
        const { doctor, patient } = scene().all;
        const { requestId, told } = await scene().askUntilComplaint(error, doctor, patient, lie(scene(), other()));
        const code = error.slice(error.indexOf(':') + 1);
        await scene().expectStanding(requestId, { state: 'unreachable', code });
        const decided = undecided ? [] : ['released'];
        expect(await scene().words(requestId)).toEqual({ decided, settled: [], pending: true });
        told.stop();
        await scene().expectEnd(requestId, 'released');
      },
      CASE_MS,
    );

    it.concurrent.each([
      { what: 'refuses', body: { state: 'refused', code: 'CERTIFICATE_INVALID', message: 'no' } },
      { what: 'says that the patient is being asked', body: { state: 'waiting' } },
    ] as const)(
      '$what although its chain released is asked again, and the question still ends once',
      async ({ body }) => {
        const { doctor, patient } = scene().all;
        const lie = answering(scene(), () => ({ body }));
        const { requestId, told } = await scene().askLiedTo(doctor, patient, lie);
        const code = 'code' in body && { code: body.code };
        await scene().expectStanding(requestId, { state: body.state, ...code });
        expect(await scene().words(requestId)).toEqual({ decided: ['released'], settled: [], pending: true });
        told.stop();
        await scene().expectEnd(requestId, 'released');
      },
      CASE_MS,
    );

    it.concurrent(
      'sends the asking relay elsewhere is not followed',
      async () => {
        const { doctor, patient } = scene().all;
        let visits = 0;
        const elsewhere = createServer((_, response) => {
          visits += 1;
          response.end('{}');
        });
        elsewhere.listen(0, '127.0.0.1');
        await once(elsewhere, 'listening');
        try {
          const location = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/v1/relay`;
          const lie: Lie = async () => ({ status: 302, headers: { location }, body: Buffer.alloc(0) });
          const { requestId, told } = await scene().askUntilComplaint(UNREACHABLE, doctor, patient, lie);
          await scene().expectStanding(requestId, { state: 'unreachable', code: 'REMOTE_UNREACHABLE' });
          expect(await scene().words(requestId)).toEqual({ decided: [], settled: [], pending: true });
          told.stop();
          await scene().expectEnd(requestId, 'released');
          expect(visits).toBe(0);
        } finally {
          elsewhere.closeAllConnections();
          elsewhere.close();
        }
      },
      CASE_MS,
    );

    it.concurrent(
      'gives each of two questions the answer to the other is not believed, and both end once',
      async () => {
        const { doctor, locum, patient } = scene().all;
        const replies = [Promise.withResolvers<Reply>(), Promise.withResolvers<Reply>()] as const;
        const crossed =
          (own: number): Lie =>
          async (_, honest) => {
            replies[own]!.resolve(await honest());
            return replies[1 - own]!.promise;
          };
        const first = await scene().askLiedTo(doctor, patient, crossed(0));
        const second = await scene().askUntilComplaint(MISDIRECTED, locum, patient, crossed(1));
        for (const { requestId, told } of [first, second]) {
          await scene().expectStanding(requestId, { state: 'unreachable', code: 'ENVELOPE_MISDIRECTED' });
          expect((await scene().words(requestId)).settled).toEqual([]);
          told.stop();
        }
        await scene().expectEnd(first.requestId, 'released');
        await scene().expectEnd(second.requestId, 'denied');
      },
      CASE_MS,
    );

    it.concurrent(
      'gets two questions in the other order answers both at once',
      async () => {
        const { doctor, patient } = scene().all;
        const overtaken = Promise.withResolvers<void>();
        const came = Promise.withResolvers<number>();
        const statuses: number[] = [];
        const numberOf = (call: Parameters<Lie>[0]) => read<SignedEnvelope>(call).document.sequence;
        const first = await scene().askLiedTo(doctor, patient, async (call, honest) => {
          came.resolve(numberOf(call));
          await overtaken.promise;
          const reply = await honest();
          statuses.push(reply.status);
          return reply;
        });
        const before = await came.promise;
        let after = 0;
        const second = await scene().askLiedTo(doctor, patient, async (call, honest) => {
          after = numberOf(call);
          const reply = await honest();
          statuses.push(reply.status);
          overtaken.resolve();
          return reply;
        });
        await scene().expectEnd(second.requestId, 'released');
        await scene().expectEnd(first.requestId, 'released');
        for (const { told } of [first, second]) told.stop();
        expect(after).toBeGreaterThan(before);
        expect(new Set(statuses)).toEqual(new Set([200]));
      },
      CASE_MS,
    );

    it.concurrent(
      'keeps a release back until it is revoked hands over what was released before, and nothing after',
      async () => {
        const { people, all, world } = scene();
        const visitor = await people.doctor();
        const granted = await people.grant(all.patient, visitor);
        const decided = Promise.withResolvers<void>();
        const revoked = Promise.withResolvers<void>();
        const { requestId, told } = await scene().askLiedTo(visitor, all.patient, async (_, honest) => {
          const reply = await honest();
          decided.resolve();
          await revoked.promise;
          return reply;
        });
        await decided.promise;
        expect(await scene().words(requestId)).toEqual({ decided: ['released'], settled: [], pending: true });
        await people.revoke(all.patient, granted);
        revoked.resolve();
        await scene().expectEnd(requestId, 'released');
        told.stop();
        const { transactionId } = await world.home.as(world.home.commission, 'admin').outcome(requestId);
        const order = (await world.home.history()).filter(({ valid }) => valid).map((entry) => entry.transactionId);
        const { revokedBy = '' } = await world.home.as(world.home.commission, 'admin').grantEntry(granted.grantId);
        expect(order.indexOf(transactionId)).toBeLessThan(order.indexOf(revokedBy));
        const again = scene().sign(visitor, all.patient);
        await people.insist(again.request);
        await scene().expectEnd(again.requestId, 'denied');
      },
      CASE_MS,
    );
  });
}

/** A question whose honest answer is kept back. */
export interface KeptBack {
  readonly requestId: string;
  readonly told: Told;
  readonly give: () => void;
}

/** Asks what will be answered too late: long before the case itself, because the asking relay has to give up first. */
export async function askTooEarly(scene: Scene): Promise<KeptBack> {
  const { doctor, patient } = scene.all;
  const given = Promise.withResolvers<void>();
  const { requestId, told } = await scene.askLiedTo(doctor, patient, async (_, honest) => {
    const reply = await honest();
    await given.promise;
    return reply;
  });
  return { requestId, told, give: () => given.resolve() };
}

export function lateAnswerCase(scene: () => Scene, kept: () => KeptBack): void {
  it(
    'a home relay that answers when the asking relay has given up is asked again, and the question still ends once',
    async () => {
      const { requestId, told, give } = kept();
      await scene().expectStanding(requestId, { state: 'unreachable', code: 'REMOTE_UNREACHABLE' });
      expect(await scene().words(requestId)).toEqual({ decided: ['released'], settled: [], pending: true });
      give();
      told.stop();
      await scene().expectEnd(requestId, 'released');
    },
    CASE_MS,
  );
}
