import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { isProven, type Patient, type Practitioner } from '@yilian/client';
import { Actors, down, type Layout, parseEngines, publish, running, up } from '@yilian/deploy';
import { utf8Bytes } from '@yilian/protocol';
import { machine } from './machine.ts';
import { readPhases, spent } from './relay-phases.ts';
import { round, type Summary, summarise } from './statistics.ts';

/**
 * `pnpm bench query [--queries N] [--engine embedded|fabric] [--out FILE]`: intra- and cross-region queries on the local federation, by phase,
 * with records of 20 KB and 2 MB, cold (a fresh grant) and under a reused grant; then queries per second in flight.
 * One query at a time for the phases, so that the relays' own sums can be told apart.
 */
const HOME = 'region-a';
const HOSPITAL = 'HospitalA1';
const SIZES = { '20 KB': 20_000, '2 MB': 2_000_000 } as const;
const DOCTORS = {
  intra: { name: 'wang', hospital: 'HospitalA2' },
  cross: { name: 'li', hospital: 'HospitalB1' },
} as const;
const IN_FLIGHT = [1, 8, 32] as const;
/** Each cell begins with so many that do not count: processes that have just started compile while they answer. */
const WARM_UP = 20;
const HOUR_MS = 3_600_000;
const TIMEOUT_MS = 60_000;
const POLL_MS = 50;
/** Everything between question and answer but commits of the ledgers, the proxies, and the check of the proof. */
const OWN_SHARE = 'relay: own share';
const OWN_SHARE_AIM_MS = 20;

type Kind = keyof typeof DOCTORS;
type Size = keyof typeof SIZES;
type Phases = Readonly<Record<string, number>>;

interface Cell {
  readonly kind: Kind;
  readonly record: Size;
  readonly grant: 'cold' | 'reused';
  readonly phases: Readonly<Record<string, Summary>>;
}

interface Subject {
  readonly patient: Patient;
  readonly pseudonym: string;
  readonly scope: string;
}

const { values } = parseArgs({
  args: process.argv.slice(2).filter((arg) => arg !== '--'),
  options: {
    queries: { type: 'string', default: '60' },
    engine: { type: 'string', default: 'embedded' },
    out: { type: 'string' },
  },
});
const queries = Number(values.queries);
const engines = parseEngines({ engine: values.engine });
if (engines === undefined) throw new Error(`no engine ${values.engine}`);
const views = new Map<string, Awaited<ReturnType<Actors['view']>>>();
const state = await mkdtemp(join(tmpdir(), 'yilian-bench-'));
try {
  const layout = await up(state, new URL('./two-regions.json', import.meta.url), () => undefined, undefined, engines);
  const result = { machine: machine(), engines: (await running(state))?.engines, ...(await measure(layout)) };
  print(result);
  if (values.out !== undefined) await writeFile(values.out, `${JSON.stringify(result, null, 2)}\n`);
} finally {
  await down(state).catch(() => undefined);
  await rm(state, { recursive: true, force: true });
}

async function measure(layout: Layout) {
  const actors = new Actors(layout, randomBytes(16).toString('hex'));
  const doctors = {
    intra: (await actors.enrolDoctor(DOCTORS.intra.name, DOCTORS.intra.hospital, 'Dr Wang')).practitioner,
    cross: (await actors.enrolDoctor(DOCTORS.cross.name, DOCTORS.cross.hospital, 'Dr Li')).practitioner,
  };
  const subjects = new Map<Size, Subject>();
  for (const [index, size] of (Object.keys(SIZES) as Size[]).entries())
    subjects.set(size, await subject(actors, size, index));
  const cells: Cell[] = [];
  for (const kind of Object.keys(DOCTORS) as Kind[]) {
    for (const size of Object.keys(SIZES) as Size[]) {
      const about = subjects.get(size) as Subject;
      cells.push({
        kind,
        record: size,
        grant: 'cold',
        phases: await sample(Math.ceil(queries / 4), () => cold(actors, kind, doctors[kind], about)),
      });
      await grant(actors, kind, doctors[kind], about);
      cells.push({
        kind,
        record: size,
        grant: 'reused',
        phases: await sample(queries, () => query(actors, kind, doctors[kind], about)),
      });
    }
  }
  const small = subjects.get('20 KB') as Subject;
  const throughput = [];
  for (const kind of Object.keys(DOCTORS) as Kind[]) {
    for (const inFlight of IN_FLIGHT)
      throughput.push({ kind, inFlight, perSecond: await rate(actors, kind, doctors[kind], small, inFlight) });
  }
  return { cells, throughput };
}

async function subject(actors: Actors, size: Size, index: number): Promise<Subject> {
  const id = ['110101199003070134', '11010119600313021X'][index] ?? '';
  const { patient, person } = await actors.enrolPatient(`patient-${index}`, HOSPITAL, id);
  const scope = 'laboratory';
  const pseudonym = person.pseudonym ?? '';
  await using open = await actors.hospital(HOSPITAL);
  const bytes = randomBytes(SIZES[size]);
  await publish(open, pseudonym, {
    name: size,
    scope,
    codes: [{ system: 'urn:ietf:bcp:13', code: 'application/octet-stream' }],
    sizeBytes: bytes.length,
    async *read() {
      yield bytes;
    },
  });
  await open.hospital.findable(pseudonym, AbortSignal.timeout(TIMEOUT_MS));
  return { patient, pseudonym, scope };
}

function regionOf(kind: Kind): string {
  return kind === 'intra' ? HOME : 'region-b';
}

async function grant(actors: Actors, kind: Kind, doctor: Practitioner, { patient, scope }: Subject): Promise<string> {
  const person = await actors.person(DOCTORS[kind].name, 'doctor');
  const now = Date.now();
  const { grantId } = await patient.grant({
    view: await actors.view(HOME),
    home: HOME,
    relay: actors.relay(HOME),
    grantee: await actors.relay(doctor.region).keyCertificate(person.keyCertificateId ?? ''),
    scopes: [scope],
    purposes: ['TREAT'],
    notBefore: now - 60_000,
    notAfter: now + HOUR_MS,
    threshold: actors.layout.description.threshold,
  });
  return grantId;
}

async function cold(actors: Actors, kind: Kind, doctor: Practitioner, about: Subject): Promise<Phases> {
  const start = performance.now();
  const grantId = await grant(actors, kind, doctor, about);
  const granted = performance.now() - start;
  const phases = await query(actors, kind, doctor, about);
  const ended = await about.patient.revoke({ home: HOME, relay: actors.relay(HOME), grantId });
  // The proxies' work at the end of this grant is no part of the next query.
  for (let count = await ended.destroyed(); count.k < count.n; count = await ended.destroyed()) await delay(POLL_MS);
  return { ...phases, grant: granted };
}

async function query(
  actors: Actors,
  kind: Kind,
  doctor: Practitioner,
  { pseudonym, scope }: Subject,
  phased = true,
): Promise<Phases> {
  const region = regionOf(kind);
  const relay = actors.relay(region);
  const view = views.get(region) ?? (await actors.view(region));
  views.set(region, view);
  const urls = [...new Set([region, HOME])].map((name) => actors.layout.url(`${name}/relay`));
  const before = phased ? await Promise.all(urls.map(readPhases)) : [];
  const request = doctor.request({
    pseudonym,
    scopes: [scope],
    purpose: 'TREAT',
    evidence: utf8Bytes('bench'),
    minMainHeight: 0,
  });
  const start = performance.now();
  const accepted = await doctor.ask(relay, request);
  const asked = performance.now();
  const reply = await doctor.await(relay, accepted.requestId, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  const answered = performance.now();
  const [leg] = doctor.verify(view, request, reply, { homes: accepted.homes }).legs;
  if (leg === undefined || !isProven(leg) || leg.state !== 'released')
    throw new Error(`the leg is ${leg?.state}`, { cause: leg });
  const verified = performance.now();
  await using bodies = actors.bodies(view, HOME);
  for (const record of leg.outcome.release?.records ?? []) {
    for await (const _ of doctor.open(leg, record, { body: bodies })) void _;
  }
  const opened = performance.now();
  const after = phased ? await Promise.all(urls.map(readPhases)) : [];
  const relays = (phase: string): number =>
    before.reduce((sum, sums, index) => sum + spent(sums, after[index] ?? sums, phase), 0);
  // Across regions the legs set out when the orderer has `ask`; inside one, `ask` is the decision itself.
  const ledger = kind === 'cross' ? relays('ordered') + relays('decide') : relays('ask');
  const [shares, checks] = [relays('shares'), relays('verify')];
  return {
    total: opened - start,
    ask: asked - start,
    answer: answered - start,
    verify: verified - answered,
    open: opened - verified,
    ...(phased && {
      'ledger commits on the path': ledger,
      'proxies: shares': shares,
      [OWN_SHARE]: answered - start - ledger - shares - checks,
    }),
  };
}

async function sample(count: number, run: () => Promise<Phases>): Promise<Record<string, Summary>> {
  for (let index = 0; index < WARM_UP; index += 1) await run();
  const samples: Phases[] = [];
  for (let index = 0; index < count; index += 1) samples.push(await run());
  const names = Object.keys(samples[0] ?? {});
  return Object.fromEntries(
    names.map((name) => [name, summarise(samples.map((phases) => phases[name] ?? Number.NaN))]),
  );
}

async function rate(
  actors: Actors,
  kind: Kind,
  doctor: Practitioner,
  about: Subject,
  inFlight: number,
): Promise<number> {
  let left = Math.max(queries, inFlight * 3);
  const start = performance.now();
  const done = left;
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      while (left-- > 0) await query(actors, kind, doctor, about, false);
    }),
  );
  return round((done * 1000) / (performance.now() - start));
}

function print(result: {
  machine: ReturnType<typeof machine>;
  cells: readonly Cell[];
  throughput: readonly { kind: Kind; inFlight: number; perSecond: number }[];
}): void {
  const { cpu, cores, node, commit } = result.machine;
  console.log(`${cpu}, ${cores} cores, Node ${node}, commit ${commit}; milliseconds\n`);
  console.log('query   record  grant    phase                          n     p50     p95     p99');
  for (const { kind, record, grant: how, phases } of result.cells) {
    for (const [phase, { n, p50, p95, p99 }] of Object.entries(phases)) {
      const figures = [p50, p95, p99].map((value) => value.toFixed(1).padStart(8)).join('');
      console.log(
        `${kind.padEnd(8)}${record.padEnd(8)}${how.padEnd(9)}${phase.padEnd(28)}${String(n).padStart(4)}${figures}`,
      );
    }
  }
  const own = result.cells.map(({ phases }) => phases[OWN_SHARE]?.p50 ?? Number.NaN);
  console.log(`\n${OWN_SHARE}: p50 up to ${Math.max(...own)} ms, aim ${OWN_SHARE_AIM_MS} ms`);
  console.log('\nquery   in flight   queries per second (ask to opened, 20 KB, reused grant)');
  for (const { kind, inFlight, perSecond } of result.throughput)
    console.log(`${kind.padEnd(8)}${String(inFlight).padStart(9)}   ${perSecond}`);
}
