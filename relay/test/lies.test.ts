import { createSigner } from '@yilian/ledger';
import { Envelope, fromBase64url, type Request, type SignedBy, signDocument, toBase64url } from '@yilian/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { AskBody, AskReply } from '../src/api.ts';
import { Federation, type Region, until } from './fixture/federation.ts';
import { hash, Practitioner, signerOf } from './fixture/people.ts';
import { patientOf, reached, statusOf, submit } from './fixture/steps.ts';
import type { Handler } from './fixture/witness.ts';

type SignedEnvelope = SignedBy<typeof Envelope>;
type Decided = Extract<AskReply, { state: 'decided' }>;

let federation: Federation;
let north: Region;
let south: Region;
let doctor: Practitioner;

beforeAll(async () => {
  federation = await Federation.open();
  ({ north, south } = federation);
  await federation.settle();
  doctor = await Practitioner.register(south);
});

afterEach(() => {
  north.intercept = undefined;
});

afterAll(async () => {
  await federation?.[Symbol.asyncDispose]();
});

/** A home relay that signs what it likes. */
function lying(change: (reply: AskReply) => unknown): (next: Handler) => Handler {
  return (next) => async (path, body) => {
    const { status, json } = await next(path, body);
    if (status !== 200) return { status, json };
    const { document } = json as SignedEnvelope;
    const altered = { ...document, body: change(document.body as AskReply) };
    return { status, json: signDocument(Envelope, altered, [signerOf(north.relayCredential)]) };
  };
}

const onDecided = (change: (answer: Decided['answer']) => Decided['answer']) =>
  lying((reply) => (reply.state === 'decided' ? { ...reply, answer: change(reply.answer) } : reply));

async function rejections(): Promise<number> {
  const { payload } = (await south.relay?.app.inject({ url: '/metrics' })) ?? { payload: '' };
  return Number(/yilian_relay_answers_rejected_total\{region="north"\} (\d+)/.exec(payload)?.[1] ?? 0);
}

/** None of the lies, one for each question, is believed; each is counted, and the truth still gets through afterwards. */
async function expectRejected(...lies: readonly ((next: Handler) => Handler)[]): Promise<void> {
  const before = await rejections();
  const patients = await Promise.all(lies.map(() => patientOf(federation, north, doctor)));
  north.intercept = (next) => (path, body) => {
    const { request } = (body as SignedEnvelope).document.body as AskBody;
    const { pseudonym } = (request as SignedBy<typeof Request>).document;
    const lie = lies[patients.findIndex((patient) => patient.pseudonym === pseudonym)];
    return (lie?.(next) ?? next)(path, body);
  };
  const asked = await Promise.all(patients.map(({ pseudonym }) => submit(south, doctor.ask(pseudonym))));
  for (const { requestId } of asked) {
    await until(async () =>
      expect(await statusOf(south, requestId)).toMatchObject({
        final: false,
        legs: [{ region: 'north', state: 'unreachable', code: 'ANSWER_INVALID' }],
      }),
    );
    expect((await south.chain.request(requestId)).legs).toEqual([]);
  }
  expect(await rejections()).toBeGreaterThanOrEqual(before + lies.length);
  north.intercept = undefined;
  for (const { requestId } of asked) await reached(south, requestId, 'released');
}

describe('a home relay that lies', () => {
  it('cannot pass off another request’s release', async () => {
    const patient = await patientOf(federation, north, doctor);
    let other: Decided['answer'] | undefined;
    north.intercept = onDecided((answer) => {
      other = answer;
      return answer;
    });
    await reached(south, (await submit(south, doctor.ask(patient.pseudonym))).requestId, 'released');
    await expectRejected(onDecided(() => other as Decided['answer']));
  });

  it('cannot invent a denial or an absence', async () => {
    const invent = (outcome: string) =>
      onDecided((answer) => {
        const envelope = Buffer.from(fromBase64url(answer.proof.envelope));
        const at = envelope.indexOf('"outcome":"released"');
        const word = `"outcome":"${outcome}"`.padEnd('"outcome":"released"'.length, ' ');
        envelope.write(word.slice(0, '"outcome":"released"'.length), at);
        return {
          ...answer,
          proof: { ...answer.proof, envelope: toBase64url(envelope) },
          headers: [],
          shares: [],
          bodies: [],
        };
      });
    await expectRejected(invent('denied'), invent('absent'));
  });

  it('cannot alter the proof, drop its attestations or sign them itself', async () => {
    const sign = createSigner(north.relayCredential.privateKey);
    await expectRejected(
      onDecided((answer) => ({
        ...answer,
        proof: { ...answer.proof, attestations: answer.proof.attestations.slice(0, 1) },
      })),
      onDecided((answer) => ({
        ...answer,
        proof: {
          ...answer.proof,
          attestations: answer.proof.attestations.map((attestation) => ({
            ...attestation,
            certificate: north.relayCredential.certificate,
            signature: toBase64url(sign(Buffer.from(JSON.stringify(attestation.statement)))),
          })),
        },
      })),
    );
  });

  it('cannot hold back or swap headers, shares and bodies', async () => {
    await expectRejected(
      onDecided((answer) => ({ ...answer, headers: [] })),
      onDecided((answer) => ({
        ...answer,
        headers: answer.headers.map((header) => ({ ...header, header: 'A'.repeat(246) })),
      })),
      onDecided((answer) => ({ ...answer, shares: answer.shares.slice(0, 1) })),
      onDecided((answer) => ({ ...answer, bodies: [{ recordId: answer.headers[0]?.recordId ?? '', sealed: 'AAAA' }] })),
    );
  });

  it('cannot answer in another shape, or for another envelope', async () => {
    await expectRejected(lying(() => ({ state: 'released', answer: {} })));
    const patient = await patientOf(federation, north, doctor);
    north.intercept = (next) => async (path, body) => {
      const { status, json } = await next(path, body);
      const { document } = json as SignedEnvelope;
      return {
        status,
        json: signDocument(Envelope, { ...document, inReplyTo: hash() }, [signerOf(north.relayCredential)]),
      };
    };
    const { requestId } = await submit(south, doctor.ask(patient.pseudonym));
    await reached(south, requestId, 'unreachable');
    north.intercept = undefined;
    await reached(south, requestId, 'released');
  });

  it('is not believed when another certificate of its region signs', async () => {
    const patient = await patientOf(federation, north, doctor);
    const impostor = north.network.credential(north.commission, 'relay');
    north.intercept = (next) => async (path, body) => {
      const { status, json } = await next(path, body);
      return { status, json: signDocument(Envelope, (json as SignedEnvelope).document, [signerOf(impostor)]) };
    };
    const { requestId } = await submit(south, doctor.ask(patient.pseudonym));
    await reached(south, requestId, 'unreachable');
    expect((await south.chain.request(requestId)).legs).toEqual([]);
  });

  it('only delays when it loses every other message', async () => {
    const patient = await patientOf(federation, north, doctor);
    let turn = 0;
    north.intercept = (next) => async (path, body) => {
      turn += 1;
      if (turn % 2 === 1) throw new TypeError('fetch failed');
      return next(path, body);
    };
    const { requestId } = await submit(south, doctor.ask(patient.pseudonym));
    await reached(south, requestId, 'released');
    expect(turn).toBeGreaterThan(1);
  });
});
