import { createHash } from 'node:crypto';
import type { Network } from '../network/index.ts';
import type { Scheme } from '../results.ts';
import type { Engine } from './engine.ts';
import { type Bytes, type Doctor, type Enrolled, People } from './people.ts';
import { type Phases, query } from './query.ts';
import { inTurns, placeOf, type Question, Roster } from './roster.ts';
import type { Levers, Topology } from './topology.ts';
import { World } from './world.ts';

export interface DeploymentOptions {
  readonly engine: Engine;
  readonly regions: number;
  /** Round trip between two places, milliseconds: that of the network. */
  readonly rttMs: number;
  /** The longest that an orderer waits for more transactions, milliseconds. */
  readonly cutMs: number;
  /** Between the places of {@link placesOf}. */
  readonly network: Network;
  /** Spread evenly over the places, each with one record. */
  readonly patients: number;
  /** Of each patient's record. */
  readonly sizeBytes: (patient: number) => number;
  /** Records that the chains hold besides, shared evenly among the places (`contracts/ballast.ts`). Default: none. */
  readonly records?: number;
  /** Of records and pseudonyms. Keys and times are the machine's. */
  readonly seed: string;
  /** Ends the opening. */
  readonly signal?: AbortSignal;
}

/** A scheme that runs. */
export interface Deployment extends AsyncDisposable {
  readonly scheme: Scheme;
  /**
   * Has everything ready that these questions need and that is not part of them: for each cold one a doctor with a grant
   * that was never used, for each warm one a doctor who has asked before.
   */
  prepare(questions: readonly Question[]): Promise<void>;
  /** @throws EvaluationError WRONG_ANSWER MISSING_ANSWER; the reason of an aborted signal */
  ask(question: Question, signal: AbortSignal): Promise<Phases>;
  /** One more record at the patient's home, of somebody whom nobody asks about: releases stay as long as they are. */
  publish(patient: number, sizeBytes: number): Promise<void>;
  /** Processor time so far of what runs beside this process, Redis left out; milliseconds. */
  cpuMs(): number;
  /** Bytes of all chains (or logs), one copy each. */
  chainBytes(): Promise<number>;
}

const PATIENTS_AT_ONCE = 16;

/** A {@link Deployment} made of chains, relays, proxies and vaults. */
export class ChainDeployment implements Deployment {
  readonly scheme: Scheme;
  readonly #world: World;
  readonly #people: People;
  readonly #seed: string;
  readonly #roster: Roster<Doctor>;
  readonly #writers = new Map<string, Promise<Enrolled>>();

  private constructor(scheme: Scheme, world: World, people: People, patients: readonly Enrolled[], seed: string) {
    this.#seed = seed;
    this.scheme = scheme;
    this.#world = world;
    this.#people = people;
    const enrolled = (index: number) => patients[index] as Enrolled;
    this.#roster = new Roster({
      newcomer: async ({ kind, patient }) => {
        const place = placeOf(world.topology.places, kind, patient);
        const doctor = await people.doctor(place, enrolled(patient).place);
        await people.grant(enrolled(patient), doctor);
        return doctor;
      },
      query: (doctor, { patient }, signal) => query(world, doctor, enrolled(patient), signal),
    });
  }

  static async open(
    scheme: Scheme,
    topology: Topology,
    levers: Levers,
    { engine, network, patients, sizeBytes, records = 0, seed, cutMs, signal }: DeploymentOptions,
  ): Promise<ChainDeployment> {
    const world = await World.open({ topology, engine, cutMs, network, levers, signal });
    try {
      const people = new People(world);
      const { places } = topology;
      const indices = Array.from({ length: patients }, (_, index) => index);
      const enrolled = await inTurns(PATIENTS_AT_ONCE, indices, (index) => {
        signal?.throwIfAborted();
        return people.enrol(
          places[index % places.length] ?? '',
          sizeBytes(index),
          bytesFrom(`${seed}/patient ${index}`),
        );
      });
      if (records > 0) await people.fill(records, bytesFrom(`${seed}/ballast`));
      return new ChainDeployment(scheme, world, people, enrolled, seed);
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
  }

  prepare(questions: readonly Question[]): Promise<void> {
    return this.#roster.prepare(questions);
  }

  ask(question: Question, signal: AbortSignal): Promise<Phases> {
    return this.#roster.ask(question, signal);
  }

  async publish(patient: number, sizeBytes: number): Promise<void> {
    const { places } = this.#world.topology;
    const place = places[patient % places.length] ?? '';
    const known = this.#writers.get(place);
    if (known !== undefined) {
      await this.#people.publish(await known, sizeBytes);
      return;
    }
    const enrolling = this.#people.enrol(place, sizeBytes, bytesFrom(`${this.#seed}/writer ${place}`));
    this.#writers.set(place, enrolling);
    await enrolling;
  }

  cpuMs(): number {
    return this.#world.cpuMs();
  }

  chainBytes(): Promise<number> {
    return this.#world.chainBytes();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#world[Symbol.asyncDispose]();
  }
}

/** Bytes that depend on nothing but the seed and how many were taken before. */
export function bytesFrom(seed: string): Bytes {
  let taken = 0;
  return (count) => createHash('shake256', { outputLength: count }).update(`${seed}/${taken++}`).digest();
}
