import { afterAll, beforeAll, describe } from 'vitest';
import { backedUpAndRestored } from './federation/backup.ts';
import { EMBEDDED_FAULTS, ending, faults, resuming } from './federation/faults.ts';
import { fullDisk } from './federation/full-disk.ts';
import { leaks, logs } from './federation/leaks.ts';
import { mainJob } from './federation/main-job.ts';
import { peopleAtTerminals } from './federation/people-at-terminals.ts';
import { renewal } from './federation/renewal.ts';
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
  resuming(() => world);
  fullDisk(() => world);
  faults(() => world, EMBEDDED_FAULTS);
  renewal(() => world);
  logs(() => world);
  backedUpAndRestored(() => world, 'embedded');
  ending(() => world);
});
