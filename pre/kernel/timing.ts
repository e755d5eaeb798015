import { parseArgs } from 'node:util';
import type { Point, Scalar, Secp256k1 } from '../src/group.ts';
import { wasmGroup } from '../src/group-wasm.ts';

/**
 * Looks for time that depends on a secret, by the method of dudect (Reparaz, Balasch and Verbauwhede, "Dude, is my code
 * constant time?", 2017): calls with one fixed secret and calls with random ones in random order, the slowest cut off at
 * several percentiles, and Welch's t-test. A |t| of 4.5 or more is a suspicion; because many tests are made, it counts as
 * a leak only if a second, independent run suspects the same: `node kernel/timing.ts --samples 20000`.
 */

const THRESHOLD = 4.5;
const KEPT = [1, 0.99, 0.95, 0.9, 0.75, 0.5];
const POOL = 4096;
const WARM_UP = 3000;

const { values } = parseArgs({ options: { samples: { type: 'string', default: '20000' } } });
const samples = Number(values.samples);

function startedGroup(): Secp256k1 {
  const group = wasmGroup();
  if (group === undefined) throw new Error('WebAssembly does not run here');
  return group;
}

const group = startedGroup();
const randomBytes = (length: number) => crypto.getRandomValues(new Uint8Array(length));
const randomScalar = () => group.nonZero(randomBytes(48));

function randomPoint(): Point {
  const [point] = group.multiply([{ scalar: randomScalar(), point: group.generator }]);
  if (point === undefined) throw new Error('unreachable');
  return point;
}

const arbitrary = randomPoint();
const another = randomPoint();
const prepared = randomPoint();
group.prepare(prepared);
const publicScalar = randomScalar();

const OPERATIONS: Record<string, (secret: Scalar) => unknown> = {
  'multiply a point': (scalar) => group.multiply([{ scalar, point: arbitrary }]),
  'multiply the generator': (scalar) => group.multiply([{ scalar, point: group.generator }]),
  'multiply u': (scalar) => group.multiply([{ scalar, point: group.u }]),
  'multiply a prepared point': (scalar) => group.multiply([{ scalar, point: prepared }]),
  'combine two points': (scalar) =>
    group.combine([
      { scalar, point: arbitrary },
      { scalar, point: another },
    ]),
  'combine a point and u': (scalar) =>
    group.combine([
      { scalar, point: arbitrary },
      { scalar, point: group.u },
    ]),
  invert: (scalar) => group.invert(scalar),
  nonZero: (scalar) => group.nonZero(scalar),
  isNonZero: (scalar) => group.isNonZero(scalar),
  addScalars: (scalar) => group.addScalars(scalar, publicScalar),
  multiplyScalars: (scalar) => group.multiplyScalars(scalar, publicScalar),
  negate: (scalar) => group.negate(scalar),
  sign: (scalar) => group.sign(publicScalar, scalar, publicScalar),
};

const ONE = new Uint8Array(32).fill(1, 31);
const FIXED: Record<string, Scalar> = {
  one: ONE,
  'minus one': group.negate(ONE),
  '2^128 - 1': new Uint8Array(32).fill(0xff, 16),
  random: randomScalar(),
};

interface Sample {
  readonly isFixed: boolean;
  readonly ns: number;
}

function measure(operation: (secret: Scalar) => unknown, fixed: Scalar): Sample[] {
  // Both kinds lie side by side and take the same way into the call, so that nothing but their value differs.
  const kinds = Array.from(randomBytes(POOL), (byte) => byte % 2 === 0);
  const inputs = new Uint8Array(POOL * 32);
  for (const [at, isFixed] of kinds.entries()) inputs.set(isFixed ? fixed : randomScalar(), at * 32);
  const secret = new Uint8Array(32);
  return Array.from({ length: samples }, (_, at) => {
    const place = (at % POOL) * 32;
    secret.set(inputs.subarray(place, place + 32));
    const start = process.hrtime.bigint();
    operation(secret);
    return { isFixed: kinds[at % POOL] ?? false, ns: Number(process.hrtime.bigint() - start) };
  });
}

/** Welch's t, of largest size over the percentiles. */
function largestT(measured: readonly Sample[]): number {
  const sorted = measured.map(({ ns }) => ns).sort((a, b) => a - b);
  const all = KEPT.map((kept) => {
    const limit = sorted[Math.floor(kept * (sorted.length - 1))] ?? 0;
    const within = measured.filter(({ ns }) => ns <= limit);
    const [fixed, random] = [true, false].map((side) => moments(within.filter(({ isFixed }) => isFixed === side)));
    if (fixed === undefined || random === undefined) return 0;
    return (fixed.mean - random.mean) / Math.sqrt(fixed.variance / fixed.count + random.variance / random.count);
  });
  return all.reduce((largest, t) => (Math.abs(t) > Math.abs(largest) ? t : largest), 0);
}

function moments(side: readonly Sample[]): { count: number; mean: number; variance: number } {
  const mean = side.reduce((sum, { ns }) => sum + ns, 0) / side.length;
  const variance = side.reduce((sum, { ns }) => sum + (ns - mean) ** 2, 0) / (side.length - 1);
  return { count: side.length, mean, variance };
}

function median(measured: readonly Sample[]): number {
  return measured.map(({ ns }) => ns).sort((a, b) => a - b)[measured.length >> 1] ?? 0;
}

const control = (scalar: Scalar) => group.vanishes([{ scalar, point: arbitrary }]);
for (let i = 0; i < WARM_UP; i++) control(randomScalar());
const controlT = largestT(measure(control, ONE));
console.log(`the method finds what takes its time, vanishes with scalar one: ${controlT.toFixed(1)}`);

let leaks = 0;
for (const [name, operation] of Object.entries(OPERATIONS)) {
  for (let i = 0; i < WARM_UP; i++) operation(randomScalar());
  const columns = Object.entries(FIXED).map(([label, fixed]) => {
    const measured = measure(operation, fixed);
    const t = largestT(measured);
    const again = Math.abs(t) < THRESHOLD ? undefined : largestT(measure(operation, fixed));
    const isLeak = again !== undefined && Math.abs(again) >= THRESHOLD && Math.sign(again) === Math.sign(t);
    if (isLeak) leaks += 1;
    const shown = again === undefined ? t.toFixed(1) : `${t.toFixed(1)}, again ${again.toFixed(1)}`;
    return { text: `${label}: ${shown}${isLeak ? ' LEAK' : ''}`, us: median(measured) / 1000 };
  });
  console.log(
    [name.padEnd(26), `${(columns[0]?.us ?? 0).toFixed(1)} µs`, ...columns.map(({ text }) => text)].join('  '),
  );
}
console.log(leaks === 0 ? `no |t| of ${THRESHOLD} twice in ${samples} samples` : `${leaks} leaks`);
process.exitCode = leaks === 0 && Math.abs(controlT) >= THRESHOLD ? 0 : 1;
