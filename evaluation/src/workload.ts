import { Random } from '@yilian/testbed/random';
import type { Conditions, Kind } from './results.ts';
import type { Question } from './schemes/index.ts';

/** Sizes of records, in bytes, with their share of all. */
type Sizes = readonly { readonly share: number; readonly least: number; readonly most: number }[];

/** Log-uniform within each class: documents, laboratory reports and PDFs, images. */
export const MIXES = {
  documents: [{ share: 1, least: 2_000, most: 50_000 }],
  hospital: [
    { share: 0.74, least: 2_000, most: 50_000 },
    { share: 0.26, least: 50_000, most: 2_000_000 },
  ],
  imaging: [{ share: 1, least: 20_000_000, most: 200_000_000 }],
} as const satisfies Readonly<Record<string, Sizes>>;
export type Mix = keyof typeof MIXES;

/** Zipf's exponent over patients, as YCSB has it. */
const SKEW = 0.99;

/** A question and when it is asked, milliseconds after the beginning. */
export interface Scheduled {
  readonly at: number;
  readonly question: Question;
}

export function isMix(name: string): name is Mix {
  return Object.hasOwn(MIXES, name);
}

/** The size of each patient's record: the same in every scheme under the same seed. */
export function sizesOf(mix: Mix, seed: string): (patient: number) => number {
  const classes: Sizes = MIXES[mix];
  return (patient) => {
    const random = randomOf(seed, `size ${patient}`);
    const { least, most } = classes[
      chosen(
        classes.map(({ share }) => share),
        random,
      )
    ] as Sizes[number];
    return Math.round(least * (most / least) ** random.next());
  };
}

/**
 * Arrivals of a Poisson process that no answer holds up, about patients of whom a few are asked about most. The same in
 * every scheme under the same seed.
 */
export function schedule(
  { perSecond, temperature }: Pick<Conditions, 'perSecond' | 'temperature'>,
  intraPercent: number,
  { patients, requests, seed }: { readonly patients: number; readonly requests: number; readonly seed: string },
): Scheduled[] {
  const random = randomOf(seed, `arrivals ${intraPercent}`);
  const patient = zipf(patients, random);
  let at = 0;
  return Array.from({ length: requests }, () => {
    at += waitMs(random, perSecond);
    const kind: Kind = random.next() * 100 < intraPercent ? 'intra' : 'cross';
    return { at, question: { kind, patient: patient(), temperature } };
  });
}

/** When records are published meanwhile, milliseconds after the beginning, until `untilMs`. */
export function publications(perSecond: number, untilMs: number, seed: string): number[] {
  const random = randomOf(seed, 'publications');
  const times: number[] = [];
  if (perSecond === 0) return times;
  for (let at = waitMs(random, perSecond); at < untilMs; at += waitMs(random, perSecond)) times.push(at);
  return times;
}

function waitMs(random: Random, perSecond: number): number {
  return (-Math.log(1 - random.next()) * 1000) / perSecond;
}

/** Draws patients, a few of them far more often than others. Who these are is chance: no place is preferred over all runs. */
function zipf(patients: number, random: Random): () => number {
  const ranked = random.some(
    Array.from({ length: patients }, (_, patient) => patient),
    patients,
  );
  const weights = ranked.map((_, rank) => (rank + 1) ** -SKEW);
  return () => ranked[chosen(weights, random)] as number;
}

/** An index, each as often as its weight has it. */
function chosen(weights: readonly number[], random: Random): number {
  let left = random.next() * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [index, weight] of weights.entries()) {
    left -= weight;
    if (left < 0) return index;
  }
  return weights.length - 1;
}

/** A source of its own for each purpose: a change in one leaves the others as they were. */
export function randomOf(seed: string, purpose: string): Random {
  // FNV-1a, 32 bits.
  let hash = 0x811c9dc5;
  for (const unit of `${seed}/${purpose}`) hash = Math.imul(hash ^ (unit.codePointAt(0) ?? 0), 0x01000193);
  return new Random(hash);
}
