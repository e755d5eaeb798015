import { FederationView, isProven, type ProvenLeg, type VerifiedLeg } from '@yilian/client';
import { documentId, Request, type SignedBy } from '@yilian/protocol';
import type { KfragDelivery } from '@yilian/proxy/api';
import type { LegStatus } from '@yilian/relay/api';
import { until } from '@yilian/testbed/patience';
import { expect } from 'vitest';
import { Forger, type SignedEnvelope } from '../../src/forger.ts';
import { type Call, Liar, type Lie, type Reply, read, type Told } from '../../src/liar.ts';
import type { Doctor, Enrolled, People } from '../../src/people.ts';
import { type Cast, cast } from '../../src/steps.ts';
import { Turncoat } from '../../src/turncoat.ts';
import { type Words, wordsAbout } from '../../src/words.ts';
import { World } from '../../src/world.ts';

const PATIENCE_MS = 30_000;
/** Many cases wait at a time: looking is not free. */
const PAUSE_MS = 150;
export const CASE_MS = 90_000;

export interface Asked {
  readonly request: SignedBy<typeof Request>;
  readonly requestId: string;
}

/** A question on its way between relays, and the answer. */
export interface Exchange extends Asked {
  readonly call: Call;
  readonly reply: Reply;
}

/** A federation of real processes in which a liar stands before both relays and one proxy, and each has that peer's key. */
export class Scene implements AsyncDisposable {
  readonly world: World;
  readonly people: People;
  readonly all: Cast;
  readonly homeRelay: Liar;
  readonly awayRelay: Liar;
  readonly turncoat: Turncoat;
  /** The relays' own keys. */
  readonly homeKey: Forger;
  readonly awayKey: Forger;
  /** Before the process that is the turncoat’s honest self. */
  proxy: Liar;
  readonly #resources: AsyncDisposableStack;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(
    parts: Pick<Scene, 'world' | 'all' | 'homeRelay' | 'awayRelay' | 'proxy' | 'turncoat'>,
    resources: AsyncDisposableStack,
  ) {
    const { home, away } = parts.world;
    this.world = parts.world;
    this.all = parts.all;
    this.people = parts.all.people;
    this.homeRelay = parts.homeRelay;
    this.awayRelay = parts.awayRelay;
    this.proxy = parts.proxy;
    this.turncoat = parts.turncoat;
    this.homeKey = new Forger(home.member(home.commission, 'relay'));
    this.awayKey = new Forger(away.member(away.commission, 'relay'));
    this.#resources = resources;
  }

  static async open(): Promise<Scene> {
    await using opened = new AsyncDisposableStack();
    const world = opened.use(await World.open({ logLevel: 'info' }));
    const { home, away, files } = world;
    const [process] = home.proxies;
    const [mspId = ''] = home.outside;
    const homeRelay = opened.use(await Liar.behind(home.relay.door));
    const awayRelay = opened.use(await Liar.behind(away.relay.door));
    const proxy = await Liar.behind(process!.door);
    const turncoat = await Turncoat.of(home, mspId, files.federation);
    spyOn(proxy, turncoat);
    const all = await cast(world);
    const scene = new Scene({ world, all, homeRelay, awayRelay, proxy, turncoat }, opened.move());
    scene.#resources.defer(() => scene.proxy[Symbol.asyncDispose]());
    return scene;
  }

  /** Starts the turncoat’s honest self anew; the liar goes before it again. */
  async restartProxy(): Promise<void> {
    const [process] = this.world.home.proxies;
    await this.proxy[Symbol.asyncDispose]();
    await process!.stop();
    await process!.start();
    await process!.ready();
    this.proxy = await Liar.behind(process!.door);
    spyOn(this.proxy, this.turncoat);
  }

  sign(doctor: Doctor, { pseudonym }: Enrolled, asked: Parameters<People['request']>[2] = {}): Asked {
    const request = this.people.request(doctor, pseudonym, asked);
    return { request, requestId: documentId(Request.type, request.document) };
  }

  /** Asks, with the home relay, the liar, telling this; the question is committed when it returns. */
  async askLiedTo(doctor: Doctor, patient: Enrolled, lie: Lie): Promise<Asked & { readonly told: Told }> {
    const asked = this.sign(doctor, patient);
    const told = this.homeRelay.about(asked.request.document.nonce, lie);
    await this.people.insist(asked.request);
    return { ...asked, told };
  }

  /** An honest question that ended, and what the relays said to each other. */
  async exchange(doctor: Doctor, patient: Enrolled): Promise<Exchange> {
    let call: Call | undefined;
    let reply: Reply | undefined;
    const { told, ...asked } = await this.askLiedTo(doctor, patient, async (heard, honest) => {
      call = heard;
      reply = await honest();
      return reply;
    });
    await this.expectEnd(asked.requestId, 'released');
    told.stop();
    return { ...asked, call: call!, reply: reply! };
  }

  /** The same, and waits until the asking relay complained with this error: one at a time, for its log names no requests. */
  askUntilComplaint(error: string, ...asked: Parameters<Scene['askLiedTo']>): ReturnType<Scene['askLiedTo']> {
    const asking = this.#turn.then(async () => {
      const before = (await this.#complaints()).length;
      const liedTo = await this.askLiedTo(...asked);
      const complaints = async () => (await this.#complaints()).slice(before);
      await expectSoon(complaints, (heardSoFar) => expect(heardSoFar).toContain(error));
      return liedTo;
    });
    this.#turn = asking.catch(() => undefined);
    return asking;
  }

  /** The asking relay says, or soon will, that the one leg of a request stands so. */
  expectStanding(requestId: string, leg: Pick<LegStatus, 'state' | 'code'>): Promise<void> {
    const { home, away } = this.world;
    const status = () => this.people.relay(away).status(requestId);
    return expectSoon(status, ({ legs }) => expect(legs).toEqual([{ region: home.name, ...leg }]));
  }

  words(requestId: string): Promise<Words> {
    return wordsAbout(this.world, requestId);
  }

  /** A request ends, and then both ledgers have one word on it, the same. */
  async expectEnd(requestId: string, outcome: string): Promise<void> {
    await this.people.ended(requestId, PAUSE_MS);
    expect(await this.words(requestId)).toEqual({ decided: [outcome], settled: [outcome], pending: false });
  }

  /** Neither ledger has a word on a request, or so much as heard of it. */
  async expectNothing(requestId: string): Promise<void> {
    expect(await this.words(requestId)).toEqual({ decided: [], settled: [], pending: false });
  }

  /** The doctor’s judgement of what the asking relay answers now. */
  async verified(doctor: Doctor, { request, requestId }: Asked): Promise<ReturnType<Doctor['practitioner']['verify']>> {
    const relay = this.people.relay(this.world.away);
    const view = await FederationView.load(relay, this.world.genesis);
    const reply = await relay.answer(requestId);
    return doctor.practitioner.verify(view, request, reply, { homes: [this.world.home.name] });
  }

  /** The first record of a leg, opened piece by piece into `pieces`. */
  async openInto(
    pieces: Uint8Array[],
    { practitioner }: Doctor,
    leg: VerifiedLeg,
    options: Parameters<Doctor['practitioner']['open']>[2] = {},
  ): Promise<void> {
    await using vault = await this.people.vault();
    const record = (leg as ProvenLeg).outcome.release?.records[0];
    for await (const piece of practitioner.open(leg, record!, { body: vault as never, ...options })) pieces.push(piece);
  }

  /** The doctor's software refuses to open a released record, with this code and party, and hands nothing out. */
  async expectSealed(
    doctor: Doctor,
    leg: VerifiedLeg,
    fault: { readonly code: string; readonly party?: string },
    options: Parameters<Scene['openInto']>[3] = {},
  ): Promise<void> {
    expect(isProven(leg) && leg.state).toBe('released');
    const pieces: Uint8Array[] = [];
    await expect(this.openInto(pieces, doctor, leg, options)).rejects.toMatchObject(fault);
    expect(pieces).toEqual([]);
  }

  async #complaints(): Promise<readonly unknown[]> {
    const lines = await this.world.away.relay.logged();
    return lines.filter(({ msg }) => msg === 'a relay did not answer well').map(({ error }) => error);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]();
  }
}

/** What is read is, or soon will be, as the check expects it. */
export async function expectSoon<T>(reading: () => T | Promise<T>, check: (value: T) => void): Promise<void> {
  const attempt = async () => {
    check(await reading());
    return true;
  };
  await until('it is as expected', PATIENCE_MS, attempt, PAUSE_MS);
}

/** What a refused envelope, or the answer in one, says. */
export function heard(reply: Reply): { readonly status: number; readonly code?: unknown; readonly state?: unknown } {
  const { document, code } = read<Partial<SignedEnvelope> & { readonly code?: unknown }>(reply);
  const body = (document?.body ?? {}) as { readonly state?: unknown; readonly code?: unknown };
  return { status: reply.status, ...(code !== undefined && { code }), ...body };
}

function spyOn(proxy: Liar, turncoat: Turncoat): void {
  proxy.about('/v1/kfrags', async (call, honest) => {
    turncoat.take(read<KfragDelivery>(call));
    return honest();
  });
}
