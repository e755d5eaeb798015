import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '@yilian/testbed/random';
import type { RedisServer } from '@yilian/testbed/redis-server';
import type { Program } from './program.ts';
import { STEPS } from './steps.ts';
import type { World } from './world.ts';

/** Something that happens to one part of the federation, which is whole again when it returns. */
export interface Fault {
  readonly name: string;
  readonly strike: (random: Random) => Promise<void>;
}

/** How long an armed program may take to pass the step. */
const STEP_MS = 4000;
const DOWN_MS = 1500;
const FREEZE_MS = 3000;
const CHAIN_STEPS = ['block.writing', 'block.written'] as const;

/** The parts that faults strike, each with those that fit it. One part is struck by one fault at a time. */
export function targetsOf({ home, away }: World): readonly (readonly [Fault, ...Fault[]])[] {
  const stepsOf = (party: string) => STEPS.filter((each) => each.party === party).map(({ step }) => step);
  return [
    faultsOf(away.relay, stepsOf('asking relay')),
    faultsOf(home.relay, stepsOf('home relay')),
    ...home.proxies.map((proxy) => faultsOf(proxy, stepsOf('proxy'))),
    faultsOf(home.chain, CHAIN_STEPS),
    faultsOf(away.chain, CHAIN_STEPS),
    redisFaults(home.name, home.redis),
    redisFaults(away.name, away.redis),
  ];
}

function faultsOf(program: Program, steps: readonly string[]): readonly [Fault, ...Fault[]] {
  const { name, door } = program;
  const [step = '', ...others] = steps;
  return [
    {
      name: `${name} killed at a step`,
      strike: (random) => killAtStep(program, random.pick([step, ...others])),
    },
    {
      name: `${name} killed`,
      strike: async (random) => {
        await delay(random.integer(0, DOWN_MS));
        await program.kill();
        await delay(random.integer(0, DOWN_MS));
        await program.revive();
      },
    },
    {
      name: `${name} frozen`,
      strike: async (random) => {
        await delay(random.integer(0, DOWN_MS));
        program.freeze();
        await delay(random.integer(200, FREEZE_MS));
        program.thaw();
      },
    },
    {
      name: `${name} cut off`,
      strike: async (random) => {
        await delay(random.integer(0, DOWN_MS));
        door.shut();
        await delay(random.integer(200, FREEZE_MS));
        door.unshut();
      },
    },
  ];
}

/** A step that the load does not lead to is left alone again. */
async function killAtStep(program: Program, step: string): Promise<void> {
  await program.arm(step);
  const reached = await program.died(step, STEP_MS).then(
    () => true,
    () => false,
  );
  if (!reached) {
    try {
      await program.arm('');
      return;
    } catch {
      await program.died(step);
    }
  }
  await program.revive();
}

function redisFaults(region: string, redis: RedisServer): readonly [Fault, ...Fault[]] {
  const killed = (empty: boolean): Fault => ({
    name: `${region}/redis killed, ${empty ? 'comes back empty' : 'comes back with its log'}`,
    strike: async (random) => {
      await delay(random.integer(0, DOWN_MS));
      await redis.kill();
      await delay(random.integer(0, DOWN_MS));
      await redis.start({ empty });
    },
  });
  return [
    killed(false),
    killed(true),
    {
      name: `${region}/redis emptied`,
      strike: async (random) => {
        await delay(random.integer(0, DOWN_MS));
        await redis.flush();
      },
    },
  ];
}

/** Everything that can be killed is killed at once, and comes back in any order. */
export async function blackout({ home, away }: World, random: Random): Promise<void> {
  const programs = [home.chain, away.chain, home.relay, away.relay, ...home.proxies];
  const queues = [home.redis, away.redis];
  await Promise.all([...programs, ...queues].map((part) => part.kill()));
  const later = async (back: () => Promise<void>): Promise<void> => {
    await delay(random.integer(0, DOWN_MS));
    await back();
  };
  await Promise.all([
    ...programs.map((program) => later(() => program.revive())),
    ...queues.map((redis) => later(() => redis.start())),
  ]);
}
