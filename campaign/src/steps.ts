import { until } from '@yilian/testbed/patience';
import { CampaignError } from './errors.ts';
import { type Doctor, END_MS, type Enrolled, People, THRESHOLD } from './people.ts';
import type { Program } from './program.ts';
import { fresh, type World } from './world.ts';

/** A named step of the protocol, the program that passes it, and what makes it do so and must end well nevertheless. */
export interface StepCase {
  readonly party: 'asking relay' | 'home relay' | 'proxy';
  readonly step: string;
  readonly run: (cast: Cast) => Promise<void>;
}

/** A world with people in it. */
export interface Cast {
  readonly world: World;
  readonly people: People;
  /** With one record and a grant to `doctor`. */
  readonly patient: Enrolled;
  readonly doctor: Doctor;
  /** Has no grant but those a case makes and revokes. */
  readonly locum: Doctor;
}

export async function cast(world: World): Promise<Cast> {
  const people = new People(world);
  const [patient, doctor, locum] = await Promise.all([people.patient(), people.doctor(), people.doctor()]);
  await people.publish(patient);
  await people.indexed(patient);
  await people.grant(patient, doctor);
  return { world, people, patient, doctor, locum };
}

/** Arms a program, does what brings it to the step, and starts it again once it is dead; the deed must still succeed. */
export async function killedAt<T>(program: Program, step: string, act: () => Promise<T>): Promise<T> {
  await program.arm(step);
  const acted = act();
  acted.catch(() => undefined);
  await program.died(step);
  await program.start();
  return acted;
}

/** Asks once and waits for the end; the legs’ outcomes must be these. */
export async function query(
  { people }: Cast,
  doctor: Doctor,
  pseudonym: string,
  expected: string,
): Promise<ReturnType<People['request']>> {
  const request = people.request(doctor, pseudonym);
  await answered(people, await people.insist(request), expected);
  return request;
}

export async function answered(people: People, requestId: string, ...expected: readonly string[]): Promise<void> {
  const outcomes = await people.ended(requestId);
  if (outcomes.length !== 1 || !expected.includes(outcomes[0] ?? ''))
    throw new CampaignError('WRONG_RESULT', `${requestId} ended as ${outcomes.join()}, not ${expected.join(' or ')}`);
}

const released =
  (program: (cast: Cast) => Program, party: StepCase['party']) =>
  (step: string): StepCase => ({
    party,
    step,
    run: async (all) => {
      await killedAt(program(all), step, () => query(all, all.doctor, all.patient.pseudonym, 'released'));
    },
  });
const asking = ({ world }: Cast): Program => world.away.relay;
const deciding = ({ world }: Cast): Program => world.home.relay;
const proxy = ({ world }: Cast): Program => world.home.proxies[0] as Program;

const absent = (step: string): StepCase => ({
  party: 'asking relay',
  step,
  run: async (all) => {
    await killedAt(asking(all), step, () => query(all, all.doctor, fresh(), 'absent'));
  },
});

const mirrored: StepCase = {
  party: 'asking relay',
  step: 'region.proven',
  run: async (all) => {
    const { home, away, files } = all.world;
    const chain = away.as(away.commission, 'admin');
    const version = (await chain.mirrorOf(home.name)).entry.version + 1;
    await killedAt(asking(all), 'region.proven', () => all.world.register(home.entry(files.federation, version)));
    await until(
      'the new entry is mirrored',
      END_MS,
      async () => (await chain.mirrorOf(home.name)).entry.version === version,
    );
    await query(all, all.doctor, all.patient.pseudonym, 'released');
  },
};

const indexed = (step: string): StepCase => ({
  party: 'home relay',
  step,
  run: async (all) => {
    const { people } = all;
    const patient = await people.patient();
    await killedAt(deciding(all), step, () => people.publish(patient));
    await people.indexed(patient);
    await query(all, all.doctor, patient.pseudonym, 'denied');
  },
});

const received = (step: string): StepCase => ({
  party: 'home relay',
  step,
  run: async (all) => {
    const { people, doctor, patient } = all;
    const leg = await people.proven(doctor, await query(all, doctor, patient.pseudonym, 'released'));
    await people.open(doctor, leg);
    await killedAt(deciding(all), step, () => people.receipt(doctor, leg));
  },
});

const TAKING = ['kfrags.wrapped', 'kfrags.stored', 'kfrags.acknowledged'];

/** A grant is taken and carried out although the proxy dies taking it. */
const taking = (step: string): StepCase => ({
  party: 'proxy',
  step,
  run: async (all) => {
    const { people, patient, locum, world } = all;
    const granted = await killedAt(proxy(all), step, () => people.grant(patient, locum));
    if (granted.acknowledgedBy.length !== world.home.network.mspIds.length)
      throw new CampaignError('WRONG_RESULT', `only ${granted.acknowledgedBy.join()} took the fragments`);
    const request = await query(all, locum, patient.pseudonym, 'released');
    await people.open(locum, await people.proven(locum, request));
    await people.revoke(patient, granted);
    await query(all, locum, patient.pseudonym, 'denied');
  },
});

/** A grant is revoked, and its fragments destroyed, although the proxy dies doing it. */
const ending = (step: string): StepCase => ({
  party: 'proxy',
  step,
  run: async (all) => {
    const { people, patient, locum } = all;
    const granted = await people.grant(patient, locum);
    await killedAt(proxy(all), step, () => people.revoke(patient, granted));
    await query(all, locum, patient.pseudonym, 'denied');
  },
});

/** A release that needs the proxy's share gets it although the proxy dies over it, and so does the next one. */
const releasing = (step: string): StepCase => ({
  party: 'proxy',
  step,
  run: async (all) => {
    const { people, patient, world } = all;
    const { inHouse, outside } = world.home;
    const doctor = await people.doctor();
    await people.grant(patient, doctor, { proxies: [...inHouse.slice(0, THRESHOLD - 1), ...outside] });
    await killedAt(proxy(all), step, () => query(all, doctor, patient.pseudonym, 'released'));
    const request = await query(all, doctor, patient.pseudonym, 'released');
    await people.open(doctor, await people.proven(doctor, request));
  },
});

/** Every named step of relay and proxy. */
export const STEPS: readonly StepCase[] = [
  ...[
    'request.received',
    'request.ordered',
    'request.committed',
    'leg.started',
    'leg.answered',
    'leg.verified',
    'leg.stored',
    'mirror.started',
    'mirror.committed',
  ].map(released(asking, 'asking relay')),
  ...['absence.declared', 'absence.recorded'].map(absent),
  mirrored,
  ...[
    'decide.received',
    'decide.queued',
    'decide.started',
    'decide.committed',
    'decide.assembled',
    'checkpoint.signed',
    'checkpoint.anchored',
  ].map(released(deciding, 'home relay')),
  ...['receipt.received', 'receipt.committed'].map(received),
  ...['index.announced', 'index.added'].map(indexed),
  ...['release.checked', 'release.sealed'].map(releasing),
  ...TAKING.map(taking),
  ...[
    'revocation.stopped',
    'destruction.overwritten',
    'destruction.unlinked',
    'destruction.erased',
    'receipt.committed',
  ].map(ending),
];
