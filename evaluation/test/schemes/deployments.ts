import { readFile } from 'node:fs/promises';
import { vi } from 'vitest';
import { Network } from '../../src/network/index.ts';
import type { Kind, Temperature } from '../../src/results.ts';
import { type Deployment, type Engine, openScheme, placesOf } from '../../src/schemes/index.ts';

export const LIMIT_MS = 20_000;
/** Patient 0 is at home at the capital, patient 1 at the other of two places. */
const PATIENTS = [0, 1];

export interface Opened {
  readonly deployment: Deployment;
  /** Ends it. */
  readonly stack: AsyncDisposableStack;
}

/** A scheme over two places. */
export async function open(engine: Engine, id: string, rttMs: number, records = 0): Promise<Opened> {
  const stack = new AsyncDisposableStack();
  const distances = { rttMs, jitter: 0, mbit: 1000, loss: 0 };
  const network = stack.use(await Network.open({ places: placesOf(2), distances, random: () => 0.5 }));
  const sizes = { patients: PATIENTS.length, sizeBytes: () => 5000, records };
  const deployment = stack.use(
    await openScheme(id, { engine, regions: 2, rttMs, cutMs: 5, network, seed: id, ...sizes }),
  );
  return { deployment, stack };
}

/** Asks one question, and tells how long that took. */
export async function timed(deployment: Deployment, kind: Kind, patient: number, temperature: Temperature) {
  const question = { kind, patient, temperature };
  await deployment.prepare([question]);
  const start = performance.now();
  const phases = await deployment.ask(question, AbortSignal.timeout(LIMIT_MS));
  const latencyMs = performance.now() - start;
  return { latencyMs, phases };
}

/** From now on every body that is fetched, or rides along with an answer, has one bit turned. */
export function tamper() {
  const { fetch } = globalThis;
  return vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
    const response = await fetch(input, init);
    const { pathname } = new URL(input instanceof Request ? input.url : input);
    if (pathname.startsWith('/ipfs/')) return new Response(turned(Buffer.from(await response.arrayBuffer())));
    return pathname.endsWith('/answer') ? Response.json(tampered(await response.json())) : response;
  });
}

/** The children of a process: process ids by name. */
export async function children(of = process.pid): Promise<ReadonlyMap<string, readonly number[]>> {
  const pids = (await readFile(`/proc/${of}/task/${of}/children`, 'utf8')).split(' ').filter((pid) => pid !== '');
  const names = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')));
  const named = pids.map((pid, index) => ({ pid: Number(pid), name: names[index]?.trim() ?? '' }));
  const byName = Map.groupBy(
    named.filter(({ name }) => name !== ''),
    ({ name }) => name,
  );
  return new Map([...byName].map(([name, all]) => [name, all.map(({ pid }) => pid)]));
}

function tampered(answer: unknown): unknown {
  const { answers } = answer as { answers: { bodies: { sealed: string }[] }[] };
  for (const body of answers.flatMap(({ bodies }) => bodies)) {
    body.sealed = turned(Buffer.from(body.sealed, 'base64url')).toString('base64url');
  }
  return answer;
}

function turned(bytes: Buffer<ArrayBuffer>): Buffer<ArrayBuffer> {
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  return bytes;
}
