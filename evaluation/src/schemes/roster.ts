import type { Kind, Temperature } from '../results.ts';
import type { Phases } from './query.ts';

/** One question of the workload. */
export interface Question {
  readonly kind: Kind;
  readonly patient: number;
  readonly temperature: Temperature;
}

export interface RosterOptions<D> {
  /** Somebody with a grant that was never used. */
  readonly newcomer: (question: Question) => Promise<D>;
  readonly query: (doctor: D, question: Question, signal: AbortSignal) => Promise<Phases>;
}

const AT_ONCE = 8;
const PREPARATION_MS = 60_000;

/** Who asks: about each patient one who has asked before, and newcomers who have not. */
export class Roster<D> {
  readonly #options: RosterOptions<D>;
  readonly #regulars = new Map<string, Promise<D>>();
  readonly #newcomers = new Map<string, D[]>();

  constructor(options: RosterOptions<D>) {
    this.#options = options;
  }

  async prepare(questions: readonly Question[]): Promise<void> {
    await inTurns(AT_ONCE, questions, async (question) => {
      if (question.temperature === 'warm') {
        await this.#regular(question);
        return;
      }
      const newcomer = await this.#options.newcomer(question);
      this.#newcomers.set(keyOf(question), [...(this.#newcomers.get(keyOf(question)) ?? []), newcomer]);
    });
  }

  async ask(question: Question, signal: AbortSignal): Promise<Phases> {
    const doctor =
      question.temperature === 'warm'
        ? await this.#regular(question)
        : (this.#newcomers.get(keyOf(question))?.pop() ?? (await this.#options.newcomer(question)));
    return this.#options.query(doctor, question, signal);
  }

  #regular(question: Question): Promise<D> {
    const key = keyOf(question);
    const known = this.#regulars.get(key);
    if (known !== undefined) return known;
    const begin = async () => {
      const doctor = await this.#options.newcomer(question);
      await this.#options.query(doctor, question, AbortSignal.timeout(PREPARATION_MS));
      return doctor;
    };
    const regular = begin();
    this.#regulars.set(key, regular);
    return regular;
  }
}

/** Where somebody asks about a patient: patients of one home are asked about from all other places in turn. */
export function placeOf(places: readonly string[], kind: Kind, patient: number): string {
  const others = places.length - 1;
  const away = kind === 'intra' ? 0 : 1 + (Math.floor(patient / places.length) % others);
  return places[((patient % places.length) + away) % places.length] ?? '';
}

function keyOf({ kind, patient }: Question): string {
  return `${kind}/${patient}`;
}

/** Works on a few at a time; the results are in the order of the items. */
export async function inTurns<T, R>(atOnce: number, items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < items.length; index = next++) results[index] = await work(items[index] as T);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return results;
}
