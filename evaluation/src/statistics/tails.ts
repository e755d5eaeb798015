const NORMAL = 1.959963984540054;

/**
 * Share of the resamples to leave out at each end for a 95 % interval of a figure behind which stand so many runs. Plain
 * percentiles (2.5 % at each end) are too narrow for few runs, as a normal interval is beside Student's: with ten they
 * cover some 90 %. These are the expanded percentiles of Hesterberg, "What Teachers Should Know About the Bootstrap",
 * The American Statistician 69 (2015), §4.4: Φ(−√(n/(n−1))·t) with t of n−1 degrees of freedom. Nought for a single run.
 * Where requests differ more than runs do, which resampling both counts twice, the interval errs on the wide side.
 */
export function tails(runs: number): number {
  return runs > 1 ? below(-Math.sqrt(runs / (runs - 1)) * student(runs - 1)) : 0;
}

/** Student's t at 97.5 %: Abramowitz and Stegun, 26.7.5. */
function student(degrees: number): number {
  const z = NORMAL;
  const terms = [
    z,
    (z ** 3 + z) / 4,
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96,
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384,
  ];
  return terms.reduce((sum, term, power) => sum + term / degrees ** power, 0);
}

/** The normal distribution below a negative x, good to 1e-7: Abramowitz and Stegun, 26.2.17. */
function below(x: number): number {
  const t = 1 / (1 - 0.2316419 * x);
  const polynomial = [0.31938153, -0.356563782, 1.781477937, -1.821255978, 1.330274429].reduceRight(
    (sum, coefficient) => (sum + coefficient) * t,
    0,
  );
  return (Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)) * polynomial;
}
