import { afterAll, beforeAll, describe } from 'vitest';
import { demonstration } from './federation/demonstration.ts';
import { faults } from './federation/faults.ts';
import { leaks } from './federation/leaks.ts';
import { mainJob } from './federation/main-job.ts';
import { peopleAtTerminals } from './federation/people-at-terminals.ts';
import { starting } from './federation/starting.ts';
import { World } from './fixture/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.create();
});
afterAll(() => world.close(), 60_000);

/** One federation, whose scenarios go on from each other. */
describe('a local federation', () => {
  starting(() => world);
  mainJob(() => world);
  peopleAtTerminals(() => world);
  leaks(() => world);
  faults(() => world);
  demonstration(() => world);
});
