import type { Random } from '@yilian/testbed/random';
import type { Geography } from './geography.ts';
import { Zipf } from './zipf.ts';

export interface ReferralOptions {
  /** Numbered 0 … patients − 1; none is held in memory. */
  readonly patients: number;
  /** Zipf’s exponent: how much more often some patients are asked about than others. */
  readonly skew: number;
  /** Of all questions, those that stay inside a region, 0..100. */
  readonly intraPercent: number;
  /** The gravity model’s exponent of distance; 0 where only size counts. */
  readonly distanceExponent: number;
}

/** A question: about a patient whose records are at `home`, asked at `asking`. */
export interface Question {
  readonly patient: number;
  readonly home: number;
  readonly asking: number;
}

/** Coprime to what it permutes modulo, unless that is a multiple of it. */
const STRIDE = 2_654_435_761;

/**
 * Who is asked about, and where: a patient lives in a region as likely as its inhabitants are many, and is treated elsewhere by the
 * gravity model: in a region as likely as inhabitants × attraction ÷ distance^exponent. Of which patients leave their region, those
 * are fewer whose own region attracts more; one factor over all regions makes the share that stays what was asked for.
 */
export class Referrals {
  readonly #options: ReferralOptions;
  readonly #zipf: Zipf;
  /** Chance that a patient’s home is this region or one before it. */
  readonly #homes: Float64Array;
  /** By home: chance that the asking region is this one or one before it. */
  readonly #destinations: readonly Float64Array[];
  /** Percent of the questions asked in each region that are about its own patients. */
  readonly intraByRegion: readonly number[];

  constructor({ regions, distanceKm }: Geography, options: ReferralOptions) {
    this.#options = options;
    this.#zipf = new Zipf(options.patients, options.skew);
    const all = regions.reduce((sum, { millions }) => sum + millions, 0);
    const shares = regions.map(({ millions }) => millions / all);
    const pulls = regions.map((_, from) =>
      regions.map(({ millions, attraction }, to) =>
        to === from ? 0 : (millions * attraction) / distanceKm(from, to) ** options.distanceExponent,
      ),
    );
    const outward = pulls.map((row) => row.reduce((sum, pull) => sum + pull, 0));
    const own = regions.map(({ millions, attraction }) => millions * attraction);
    const leaving = leavingShares(shares, own, outward, 1 - options.intraPercent / 100);
    const flows = pulls.map((row, home) =>
      row.map((pull, to) =>
        to === home ? 1 - (leaving[home] as number) : ((leaving[home] as number) * pull) / (outward[home] as number),
      ),
    );
    this.#homes = cumulative(shares);
    this.#destinations = flows.map(cumulative);
    this.intraByRegion = regions.map((_, asking) => {
      const asked = flows.reduce((sum, row, home) => sum + (shares[home] as number) * (row[asking] as number), 0);
      return (100 * (shares[asking] as number) * (flows[asking]?.[asking] as number)) / asked;
    });
  }

  next(random: Random): Question {
    const { patients } = this.#options;
    // Ranks are dealt out over the numbers, so that no region has all of the patients who are asked about most.
    const patient = Number((BigInt(this.#zipf.rank(random)) * BigInt(STRIDE)) % BigInt(patients));
    const home = find(this.#homes, (patient + 0.5) / patients);
    const asking = find(this.#destinations[home] as Float64Array, random.next());
    return { patient, home, asking };
  }
}

/** The share of each region’s patients that leave it, so that together they are `wanted` of all. */
function leavingShares(
  shares: readonly number[],
  own: readonly number[],
  outward: readonly number[],
  wanted: number,
): readonly number[] {
  const leave = (factor: number): number[] =>
    outward.map((pull, region) => (factor * pull) / (factor * pull + (own[region] as number)));
  const total = (factor: number): number =>
    leave(factor).reduce((sum, share, region) => sum + share * (shares[region] as number), 0);
  if (wanted <= 0) return shares.map(() => 0);
  if (wanted >= 1) return shares.map(() => 1);
  // Bisection of the factor’s logarithm: the total rises with it from 0 to 1.
  let low = -100;
  let high = 100;
  for (let step = 0; step < 100; step++) {
    const middle = (low + high) / 2;
    if (total(Math.exp(middle)) < wanted) low = middle;
    else high = middle;
  }
  return leave(Math.exp(low));
}

function cumulative(chances: readonly number[]): Float64Array {
  let sum = 0;
  return Float64Array.from(chances, (chance) => {
    sum += chance;
    return sum;
  });
}

/** The first position whose sum is above the value. */
function find(sums: Float64Array, value: number): number {
  let low = 0;
  let high = sums.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sums[middle] as number) > value) high = middle;
    else low = middle + 1;
  }
  return low;
}
