import { createHash } from 'node:crypto';
import type { Network } from '../network/index.ts';
import type { Kind, Scheme, Temperature } from '../results.ts';
import { type Bytes, type Doctor, type Enrolled, People } from './people.ts';
import { type Phases, query } from './query.ts';
import type { Levers, Topology } from './topology.ts';
import { World } from './world.ts';

export interface DeploymentOptions {
  readonly regions: number;
  /** Round trip between two places, milliseconds. */
  readonly rttMs: number;
  /** The longest that an orderer waits for more transactions, milliseconds. */
  readonly cutMs: number;
  /** Between the places of {@link placesOf}. */
  readonly network: Network;
  /** Spread evenly over the places, each with one record. */
  readonly patients: number;
  /** Of each patient's record. */
  readonly sizeBytes: (patient: number) => number;
  readonly seed: string;
}

/** One question of the workload. */
export interface Question {
  readonly kind: Kind;
  readonly patient: number;
  readonly temperature: Temperature;
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
  /** Bytes of all chains, one copy each. */
  chainBytes(): Promise<number>;
}

const PATIENTS_AT_ONCE = 8;
const DOCTORS_AT_ONCE = 8;
const PREPARATION_MS = 60_000;

/** A {@link Deployment} made of chains, relays, proxies and vaults. */
export class ChainDeployment implements Deployment {
  readonly scheme: Scheme;
  readonly #world: World;
  readonly #people: People;
  readonly #patients: readonly Enrolled[];
  readonly #writers = new Map<string, Promise<Enrolled>>();
  readonly #warm = new Map<string, Promise<Doctor>>();
  readonly #fresh = new Map<string, Doctor[]>();

  private constructor(scheme: Scheme, world: World, people: People, patients: readonly Enrolled[]) {
    this.scheme = scheme;
    this.#world = world;
    this.#people = people;
    this.#patients = patients;
  }

  static async open(
    scheme: Scheme,
    topology: Topology,
    levers: Levers,
    { network, patients, sizeBytes, seed, cutMs }: DeploymentOptions,
  ): Promise<ChainDeployment> {
    const world = await World.open({ topology, network, levers });
    try {
      const people = new People(world, bytesFrom(seed));
      const { places } = topology;
      const indices = Array.from({ length: patients }, (_, index) => index);
      const enrolled = await inTurns(PATIENTS_AT_ONCE, indices, (index) =>
        people.enrol(places[index % places.length] ?? '', sizeBytes(index)),
      );
      world.cutAfter(cutMs);
      return new ChainDeployment(scheme, world, people, enrolled);
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
  }

  async prepare(questions: readonly Question[]): Promise<void> {
    await inTurns(DOCTORS_AT_ONCE, questions, async (question) => {
      if (question.temperature === 'warm') await this.#regular(question);
      else {
        const doctor = await this.#newcomer(question);
        this.#fresh.set(keyOf(question), [...(this.#fresh.get(keyOf(question)) ?? []), doctor]);
      }
    });
  }

  async ask(question: Question, signal: AbortSignal): Promise<Phases> {
    const doctor =
      question.temperature === 'warm'
        ? await this.#regular(question)
        : (this.#fresh.get(keyOf(question))?.pop() ?? (await this.#newcomer(question)));
    return query(this.#world, doctor, this.#patient(question), signal);
  }

  async publish(patient: number, sizeBytes: number): Promise<void> {
    const { places } = this.#world.topology;
    const place = places[patient % places.length] ?? '';
    const known = this.#writers.get(place);
    if (known !== undefined) return this.#people.publish(await known, sizeBytes);
    const enrolling = this.#people.enrol(place, sizeBytes);
    this.#writers.set(place, enrolling);
    await enrolling;
  }

  chainBytes(): Promise<number> {
    return this.#world.chainBytes();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#world[Symbol.asyncDispose]();
  }

  #patient({ patient }: Pick<Question, 'patient'>): Enrolled {
    const enrolled = this.#patients[patient];
    if (enrolled === undefined) throw new RangeError(`no patient ${patient}`);
    return enrolled;
  }

  /** Whoever asks about this patient again and again; has asked once. */
  #regular(question: Question): Promise<Doctor> {
    const key = keyOf(question);
    const known = this.#warm.get(key);
    if (known !== undefined) return known;
    const begin = async () => {
      const doctor = await this.#newcomer(question);
      await query(this.#world, doctor, this.#patient(question), AbortSignal.timeout(PREPARATION_MS));
      return doctor;
    };
    const regular = begin();
    this.#warm.set(key, regular);
    return regular;
  }

  async #newcomer({ kind, patient }: Question): Promise<Doctor> {
    const enrolled = this.#patient({ patient });
    const doctor = await this.#people.doctor(this.#placeOf(kind, patient), enrolled.place);
    await this.#people.grant(enrolled, doctor);
    return doctor;
  }

  /** Patients of one home are asked about from all other places in turn. */
  #placeOf(kind: Kind, patient: number): string {
    const { places } = this.#world.topology;
    const home = patient % places.length;
    const others = places.length - 1;
    const away = kind === 'intra' ? 0 : 1 + (Math.floor(patient / places.length) % others);
    return places[(home + away) % places.length] ?? '';
  }
}

function keyOf({ kind, patient }: Question): string {
  return `${kind}/${patient}`;
}

/** Bytes that depend on nothing but the seed and how many were taken before. */
function bytesFrom(seed: string): Bytes {
  let taken = 0;
  return (count) => createHash('shake256', { outputLength: count }).update(`${seed}/${taken++}`).digest();
}

/** Works on a few at a time; the results are in the order of the items. */
async function inTurns<T, R>(atOnce: number, items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < items.length; index = next++) results[index] = await work(items[index] as T);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return results;
}
