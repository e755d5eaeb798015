import { EvaluationError } from './errors.ts';
import { processorsOf } from './machine.ts';
import { type Clock, ClockWatch, calibrationsOf, drift, measureNetwork, Network } from './network/index.ts';
import type { PlannedCell } from './plan.ts';
import { type Part, type RunRecord, sum } from './record.ts';
import type { EngineName, Mark, Sample } from './results.ts';
import { type Deployment, findEngine, openScheme, placesOf, type Question } from './schemes/index.ts';
import { type Mix, publications, randomOf, type Scheduled, schedule, sizesOf } from './workload.ts';

/** A run, as the process that measures it is told. */
export interface Task {
  readonly cell: PlannedCell;
  readonly engine: EngineName;
  readonly run: number;
  readonly requests: number;
  /** Of each kind. */
  readonly warmUp: number;
  readonly mix: Mix;
  readonly seed: string;
  readonly network: { readonly jitter: number; readonly mbit: number; readonly loss: number };
}

/** What a request may take before it counts as unanswered. */
export const LIMIT_MS = 30_000;
/** Patients anybody asks about; further records are other people's. */
const PATIENTS = 32;
/** Of the processors: above it, requests wait for the machine and not for what the scheme has them wait for. */
const CPU_BUDGET = 0.5;
/** As long as a scanner's round. */
const IDLE_MS = 2_000;

/**
 * Starts a scheme, asks at the scheduled times whatever the answers do, and tells what came of it.
 * @throws the signal's reason, when everything has ended
 */
export async function measure(task: Task, signal: AbortSignal): Promise<RunRecord> {
  const { cell, run, mix, requests } = task;
  const { conditions } = cell;
  const { regions, rttMs, cutMs, intraPercent, apart, records } = conditions;
  // The same arrivals and sizes in every scheme.
  const seed = `${task.seed}/${run}`;
  const jitters = randomOf(seed, 'network');
  await using network = await Network.open({
    places: placesOf(regions),
    distances: { rttMs, ...task.network },
    random: () => jitters.next(),
  });
  const { clock } = network;
  const before = await measureNetwork(network);
  const sizeBytes = sizesOf(mix, seed);
  const patients = Math.min(records, PATIENTS);
  await using deployment = await openScheme(conditions.scheme, {
    engine: await findEngine(task.engine),
    regions,
    rttMs,
    cutMs,
    network,
    patients,
    sizeBytes,
    records: records - patients,
    seed,
    signal,
  });
  const cpuMs = () => processMs(process.cpuUsage()) + deployment.cpuMs();

  await warmUp(deployment, task.warmUp, patients, signal);
  using clocks = new ClockWatch();
  const ratios = apart ? (run % 2 === 0 ? [100, 0] : [0, 100]) : [intraPercent];
  const samples: Sample[] = [];
  const parts: Part[] = [];
  const marks: Mark[] = [];
  for (const percent of ratios) {
    signal.throwIfAborted();
    const arrivals = schedule(conditions, percent, { patients, requests, seed });
    await deployment.prepare(arrivals.map(({ question }) => question));
    const last = arrivals.at(-1)?.at ?? 0;
    const writes = publications(conditions.writesPerSecond, last, `${seed}/${percent}`);
    network.resetBytes();
    const [chainBytes, cpuBeforeMs, start] = [await deployment.chainBytes(), cpuMs(), performance.now()];
    const writing = writes.map(async (at, index) => {
      await moment(clock, start + at, signal);
      await deployment.publish(index, sizeBytes(index));
    });
    const asked = await Promise.all(arrivals.map((one) => answered(deployment, one, { clock, start, marks, signal })));
    const wallMs = performance.now() - start;
    const usedMs = cpuMs() - cpuBeforeMs;
    await Promise.all(writing);
    const { between, within } = network.bytes();
    samples.push(
      ...asked.map((sample, index) => ({
        cell: cell.id,
        run,
        ...sample,
        sizeBytes: sizeBytes(arrivals[index]?.question.patient ?? 0),
      })),
    );
    parts.push({
      kinds: percent === 100 ? ['intra'] : percent === 0 ? ['cross'] : ['intra', 'cross'],
      requests: arrivals.length,
      answered: asked.filter(({ latencyMs }) => latencyMs !== undefined).length,
      wallMs,
      cpuMs: usedMs,
      bytesBetween: between,
      bytesWithin: within,
      chainBytes: (await deployment.chainBytes()) - chainBytes,
    });
  }
  const idle = await idled(clock, cpuMs, signal);
  const after = await measureNetwork(network);
  marks.push(...drift(before, after), ...clocks.clockJumps(), ...bound(parts, processorsOf(task.engine)));
  const { scheme } = deployment;
  const calibrations = calibrationsOf(before, after);
  return { format: 'yilian-evaluation-run/v2', cell: cell.id, run, scheme, samples, marks, calibrations, idle, parts };
}

/** A process that has just begun compiles while it answers, at twice the cost. */
async function warmUp(deployment: Deployment, count: number, patients: number, signal: AbortSignal): Promise<void> {
  const questions = Array.from({ length: 2 * count }, (_, index): Question => {
    const kind = index % 2 === 0 ? 'intra' : 'cross';
    return { kind, patient: (index >> 1) % patients, temperature: 'warm' };
  });
  await deployment.prepare(questions);
  for (const question of questions)
    await deployment.ask(question, AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)]));
}

/** What a scheme takes while nobody asks. */
async function idled(clock: Clock, cpuMs: () => number, signal: AbortSignal): Promise<RunRecord['idle']> {
  const [start, cpuBeforeMs] = [performance.now(), cpuMs()];
  await moment(clock, start + IDLE_MS, signal);
  return { wallMs: performance.now() - start, cpuMs: cpuMs() - cpuBeforeMs };
}

/** What the requests of a part have in common. */
interface Round {
  readonly clock: Clock;
  /** Of `performance.now()`. */
  readonly start: number;
  readonly marks: Mark[];
  readonly signal: AbortSignal;
}

type Asked = Pick<Sample, 'kind' | 'scheduledAt' | 'latencyMs' | 'phases'>;

/** Timed from when it should have been asked: a process too busy to ask in time is part of what a doctor waits for. */
async function answered(
  deployment: Deployment,
  { at, question }: Scheduled,
  { clock, start, marks, signal }: Round,
): Promise<Asked> {
  await moment(clock, start + at, signal);
  const { kind } = question;
  try {
    const phases = await deployment.ask(question, AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)]));
    return { kind, scheduledAt: at, latencyMs: performance.now() - start - at, phases };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof EvaluationError && (error.code === 'WRONG_ANSWER' || error.code === 'MISSING_ANSWER'))
      marks.push({ weight: 'void', code: error.code, detail: error.message });
    else if (!isTimeout(error)) throw error;
    return { kind, scheduledAt: at, phases: {} };
  }
}

/** Until then, never less. @throws the signal's reason */
async function moment(clock: Clock, due: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const cancel = clock.at(due, resolve);
  const abort = () => {
    cancel();
    reject(signal.reason);
  };
  signal.addEventListener('abort', abort, { once: true });
  await promise.finally(() => signal.removeEventListener('abort', abort));
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.name === 'TimeoutError';
}

function processMs({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) / 1000;
}

function bound(parts: readonly Part[], processors: number): Mark[] {
  const share = sum(parts, 'cpuMs') / sum(parts, 'wallMs') / processors;
  if (share <= CPU_BUDGET) return [];
  const percent = Math.round(100 * share);
  return [
    {
      weight: 'flag',
      code: 'CPU_BOUND',
      detail: `${percent} % of the run's ${processors === 1 ? 'processor' : `${processors} processors`}; the budget is ${100 * CPU_BUDGET} %`,
    },
  ];
}
