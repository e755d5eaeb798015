import { Practitioner } from '@yilian/client';
import { createSigner } from '@yilian/ledger';
import { SecretKey } from '@yilian/pre';
import { documentId, type Envelope, KeyCertificate, Request, utf8Bytes } from '@yilian/protocol';
import { describe, expect, it } from 'vitest';
import type { SignedEnvelope } from '../../src/forger.ts';
import { read, saying, type Told } from '../../src/liar.ts';
import { SCOPE } from '../../src/world.ts';
import { type Asked, CASE_MS, type Exchange, expectSoon, heard, type Scene } from './scene.ts';

type Ask = { readonly request: Exchange['request']; readonly keyCertificate: unknown };

/** What the home relay says to a question in an envelope that was changed and signed with the asking relay's key. */
async function said(scene: Scene, { call }: Exchange, change: (document: Envelope) => Partial<Envelope>) {
  const envelope = read<SignedEnvelope>(call);
  return heard(await scene.homeRelay.say(saying(call, scene.awayKey.envelope(envelope, change(envelope.document)))));
}

/** As {@link said}, in an envelope of now, with another question. */
function asks(scene: Scene, exchange: Exchange, body: Partial<Ask>) {
  return said(scene, exchange, (document) => ({ ...now(), body: { ...(document.body as Ask), ...body } }));
}

const HOUR_MS = 3_600_000;
const longAgo = (): number => Date.now() - HOUR_MS;

function now(): Pick<Envelope, 'issuedAt' | 'expiresAt'> {
  const issuedAt = Date.now();
  return { issuedAt, expiresAt: issuedAt + 20_000 };
}

/** An asking relay that was taken over: it cannot ask in anybody's name, nor twice. */
export function askingRelayCases(scene: () => Scene, other: () => Exchange): void {
  describe('an asking relay that has its real key and', () => {
    it.each([
      { what: 'back-dates the end of', change: () => ({ notBefore: longAgo(), notAfter: longAgo() + 60_000 }) },
      { what: 'changes the purpose of', change: () => ({ purpose: 'HRESCH' }) },
      { what: 'changes one character of', change: ({ nonce }: Request) => ({ nonce: flipped(nonce) }) },
      {
        what: 'asks about another patient in',
        change: ({ pseudonym }: Request) => ({ pseudonym: flipped(pseudonym) }),
      },
      { what: 'does not let the patient be asked in', change: () => ({ waitForConsent: true }) },
    ])('$what a question is refused (SIGNATURE_INVALID), and nothing is decided', async ({ change }) => {
      const { request, requestId } = other();
      const document = { ...request.document, ...change(request.document) };
      expect(await asks(scene(), other(), { request: { ...request, document } })).toMatchObject({
        status: 200,
        state: 'refused',
        code: 'SIGNATURE_INVALID',
      });
      await scene().expectNothing(documentId(Request.type, document));
      await scene().expectEnd(requestId, 'released');
    });

    it('changes a byte of an envelope that another signed is refused (SIGNATURE_INVALID), and the question was decided once', async () => {
      const { call, requestId } = other();
      const { document, ...signed } = read<SignedEnvelope>(call);
      const altered = saying(call, { ...signed, document: { ...document, ...now() } });
      expect(heard(await scene().homeRelay.say(altered))).toEqual({ status: 401, code: 'SIGNATURE_INVALID' });
      await scene().expectEnd(requestId, 'released');
    });

    it('asks in an envelope whose time is over is refused (ENVELOPE_EXPIRED), and nothing is decided', async () => {
      const { request, requestId } = unasked();
      const over = { issuedAt: Date.now() - 40_000, expiresAt: Date.now() - 1000 };
      const reply = await said(scene(), other(), ({ body }) => ({ ...over, body: { ...(body as Ask), request } }));
      expect(reply).toEqual({ status: 403, code: 'ENVELOPE_EXPIRED' });
      await scene().expectNothing(requestId);
    });

    it('hands a question on to a region it is not for is refused (ENVELOPE_MISDIRECTED), and nothing is decided', async () => {
      const { request, requestId } = unasked();
      const reply = await said(scene(), other(), ({ body }) => ({
        ...now(),
        to: 'elsewhere',
        body: { ...(body as Ask), request },
      }));
      expect(reply).toEqual({ status: 403, code: 'ENVELOPE_MISDIRECTED' });
      await scene().expectNothing(requestId);
    });

    it('sends an envelope again is refused (ENVELOPE_REPLAYED), and the question was decided once', async () => {
      const { doctor, patient } = scene().all;
      const { call, requestId } = await scene().exchange(doctor, patient);
      expect(heard(await scene().homeRelay.say(call))).toEqual({ status: 409, code: 'ENVELOPE_REPLAYED' });
      await scene().expectEnd(requestId, 'released');
    });

    it('asks for a practitioner of another region is refused, and nothing is decided', async () => {
      const { people, all, world } = scene();
      const { home, away, files } = world;
      const foreign = await people.doctor(home);
      const own = scene().sign(foreign, all.patient);
      const { signed: keyCertificate } = await home
        .as(home.commission, 'admin')
        .keyCertificate(foreign.keyCertificateId);
      expect(await asks(scene(), other(), { request: own.request, keyCertificate })).toMatchObject({
        state: 'refused',
        code: 'REGION_MISMATCH',
      });
      expect(await asks(scene(), other(), { request: own.request })).toMatchObject({
        state: 'refused',
        code: 'REGION_MISMATCH',
      });
      await scene().expectNothing(own.requestId);

      const { mspId, certificate, privateKey } = home.member(home.hospital, 'practitioner', 'who says to be of away');
      const disguised = new Practitioner({
        federation: files.federation,
        region: away.name,
        mspId,
        certificate,
        sign: createSigner(privateKey),
        secret: SecretKey.random(),
      });
      const disguise = disguised.keyCertificate({ notBefore: longAgo(), notAfter: Date.now() + HOUR_MS });
      const request = disguised.request({
        pseudonym: all.patient.pseudonym,
        scopes: [SCOPE],
        purpose: 'TREAT',
        evidence: utf8Bytes('referral'),
        minMainHeight: 0,
      });
      expect(await asks(scene(), other(), { request, keyCertificate: disguise })).toMatchObject({
        state: 'refused',
        code: 'SIGNER_UNTRUSTED',
      });
      await scene().expectNothing(documentId(Request.type, request.document));
    });

    it('brings another key certificate than the question names is refused (KEY_CERTIFICATE_MISMATCH)', async () => {
      const { world, all } = scene();
      const { request, requestId } = unasked();
      const { signed } = await world.away.as(world.away.commission, 'admin').keyCertificate(all.locum.keyCertificateId);
      expect(documentId(KeyCertificate.type, signed.document)).not.toBe(request.document.keyCertificate);
      expect(await asks(scene(), other(), { request, keyCertificate: signed })).toMatchObject({
        state: 'refused',
        code: 'KEY_CERTIFICATE_MISMATCH',
      });
      await scene().expectNothing(requestId);
    });

    it('hands in a question that is over is refused (REQUEST_EXPIRED), and no ledger has it', async () => {
      const { people, all, world } = scene();
      const over = scene().sign(all.doctor, all.patient, { at: longAgo() });
      await expect(people.relay(world.away).submitRequest(over.request)).rejects.toMatchObject({
        code: 'REQUEST_EXPIRED',
        status: 410,
      });
      await scene().expectNothing(over.requestId);
    });
  });

  /** A question that only a liar ever handed on. */
  const unasked = () => scene().sign(scene().all.doctor, scene().all.patient);
}

/** Hands in what will be kept back until it is over: long before the case itself. */
export async function askUntilOver(scene: Scene): Promise<Asked & { readonly told: Told }> {
  const asked = scene.sign(scene.all.doctor, scene.all.patient, { validForMs: 6000 });
  const told = scene.homeRelay.about(asked.request.document.nonce, async (_, honest) => {
    await expectSoon(Date.now, (time) => expect(time).toBeGreaterThan(asked.request.document.notAfter));
    return honest();
  });
  await scene.people.insist(asked.request);
  return { ...asked, told };
}

export function overdueCase(scene: () => Scene, overdue: () => Awaited<ReturnType<typeof askUntilOver>>): void {
  it(
    'an asking relay that keeps a question back until its end gets “expired” for an answer, once',
    async () => {
      const { requestId, told } = overdue();
      await scene().people.ended(requestId);
      expect(await scene().words(requestId)).toEqual({ decided: ['expired'], settled: ['expired'], pending: false });
      told.stop();
    },
    CASE_MS,
  );
}

/** Cases that empty the home relay's Redis, or stop all questions of the asking region for a while. */
export function askingRegionCases(scene: () => Scene): void {
  describe('an asking relay that has its real key', () => {
    it(
      'and replays an envelope that was forgotten with all of Redis gets the same answer; nothing is decided again',
      async () => {
        const { all, world } = scene();
        const { call, requestId, reply } = await scene().exchange(all.doctor, all.patient);
        expect(heard(await scene().homeRelay.say(call))).toMatchObject({ code: 'ENVELOPE_REPLAYED' });
        await world.home.redis.flush();
        const again = await scene().homeRelay.say(call);
        expect(heard(again)).toMatchObject({ status: 200, state: 'decided' });
        expect(proofIn(again)).toBe(proofIn(reply));
        await scene().expectEnd(requestId, 'released');
      },
      CASE_MS,
    );

    it(
      'but is of a frozen region is refused (REGION_FROZEN), and nothing is decided before the region is free again',
      async () => {
        const { all, world } = scene();
        const { away, files } = world;
        const exchange = await scene().exchange(all.doctor, all.patient);
        const { version } = (await away.as(away.commission, 'admin').mirrorOf(away.name)).entry;
        await world.register({ ...away.entry(files.federation, version + 1), frozen: true });
        const { request, requestId } = scene().sign(all.doctor, all.patient);
        // Decided before: asked until the freeze is known.
        const frozen = { status: 403, code: 'REGION_FROZEN' };
        await expectSoon(
          () => asks(scene(), exchange, {}),
          (reply) => expect(reply).toEqual(frozen),
        );
        expect(await asks(scene(), exchange, { request })).toEqual(frozen);
        await scene().people.insist(request);
        await scene().expectStanding(requestId, { state: 'unreachable', code: 'REGION_FROZEN' });
        expect(await scene().words(requestId)).toEqual({ decided: [], settled: [], pending: true });
        await world.register(away.entry(files.federation, version + 2));
        await scene().expectEnd(requestId, 'released');
      },
      CASE_MS,
    );
  });
}

function proofIn(reply: Exchange['reply']): string {
  const { body } = read<SignedEnvelope>(reply).document;
  return (body as { readonly answer: { readonly proof: { readonly envelope: string } } }).answer.proof.envelope;
}

/** A text whose first character is another one. */
function flipped(text: string): string {
  return `${text.startsWith('A') ? 'B' : 'A'}${text.slice(1)}`;
}
