import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '@yilian/testbed/random';
import { CampaignError } from './errors.ts';
import { answered, type Cast, query } from './steps.ts';
import { fresh } from './world.ts';

type Kind = 'released' | 'denied' | 'absent' | 'twice';

const KINDS: readonly [Kind, ...Kind[]] = ['released', 'released', 'twice', 'denied', 'absent'];

/** Queries of every kind at once, while something happens to the federation; each must end as it must. */
export async function underLoad(
  all: Cast,
  { random, queries, spreadMs }: { readonly random: Random; readonly queries: number; readonly spreadMs: number },
  disturb: () => Promise<unknown>,
): Promise<void> {
  const plan = Array.from({ length: queries }, () => ({
    kind: random.pick(KINDS),
    afterMs: random.integer(0, spreadMs),
  }));
  const asked = Promise.all(
    plan.map(async ({ kind, afterMs }) => {
      await delay(afterMs);
      await ask(all, kind);
    }),
  );
  asked.catch(() => undefined);
  await disturb();
  await asked;
}

async function ask(all: Cast, kind: Kind): Promise<void> {
  const { doctor, locum, patient } = all;
  switch (kind) {
    case 'released':
      await query(all, doctor, patient.pseudonym, 'released');
      return;
    case 'denied':
      await query(all, locum, patient.pseudonym, 'denied');
      return;
    case 'absent':
      await query(all, doctor, fresh(), 'absent');
      return;
    case 'twice':
      await askTwice(all);
  }
}

/** The same request handed in twice at once is one request. */
export async function askTwice({ people, doctor, patient }: Cast): Promise<void> {
  const request = people.request(doctor, patient.pseudonym);
  const [first, second] = await Promise.all([people.insist(request), people.insist(request)]);
  if (first !== second) throw new CampaignError('WRONG_RESULT', 'one request became two');
  await answered(people, first, 'released');
}

/** A grant is revoked while its grantee asks again and again: some answers are releases, none of them is ordered later. */
export async function raceRevocation(all: Cast, random: Random, questions: number): Promise<void> {
  const { people, patient, locum } = all;
  const granted = await people.grant(patient, locum);
  const asked = Array.from({ length: questions }, async () => {
    await delay(random.integer(0, 300));
    const requestId = await people.insist(people.request(locum, patient.pseudonym));
    await people.decided(requestId);
  });
  const questionsAsked = Promise.all(asked);
  questionsAsked.catch(() => undefined);
  await delay(random.integer(0, 600));
  await people.revoke(patient, granted);
  await questionsAsked;
}
