import { createSigner } from '@yilian/ledger';
import { Envelope, fromBase64url, type SignedBy, signDocument, toBase64url } from '@yilian/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { AskReply } from '../src/api.ts';
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

/** The lie is not believed, is counted, and the truth still gets through once the relay is honest again. */
async function expectRejected(intercept: (next: Handler) => Handler): Promise<void> {
  const before = await rejections();
  const patient = await patientOf(federation, north, doctor);
  north.intercept = intercept;
  const { requestId } = await submit(south, doctor.ask(patient.pseudonym));
  await until(async () => expect(await rejections()).toBeGreaterThan(before));
  const { final, legs } = await statusOf(south, requestId);
  expect({ final, legs }).toMatchObject({ final: false, legs: [{ region: 'north' }] });
  expect(['unreachable', 'pending']).toContain(legs[0]?.state);
  expect((await south.chain.request(requestId)).legs).toEqual([]);
  north.intercept = undefined;
  await reached(south, requestId, 'released');
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
    await expectRejected(invent('denied'));
    await expectRejected(invent('absent'));
  });

  it('cannot alter the proof, drop its attestations or sign them itself', async () => {
    await expectRejected(
      onDecided((answer) => ({
        ...answer,
        proof: { ...answer.proof, attestations: answer.proof.attestations.slice(0, 1) },
      })),
    );
    const sign = createSigner(north.relayCredential.privateKey);
    await expectRejected(
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
    await expectRejected(onDecided((answer) => ({ ...answer, headers: [] })));
    await expectRejected(
      onDecided((answer) => ({
        ...answer,
        headers: answer.headers.map((header) => ({ ...header, header: 'A'.repeat(246) })),
      })),
    );
    await expectRejected(onDecided((answer) => ({ ...answer, shares: answer.shares.slice(0, 1) })));
    await expectRejected(
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
