import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { isProven, type Patient, type Practitioner } from '@yilian/client';
import { Actors, down, type Layout, parseEngines, publish, type Running, running, up } from '@yilian/deploy';
import { machine } from '@yilian/evaluation/machine';
import { utf8Bytes } from '@yilian/protocol';
import { readPhases, spent } from './relay-phases.ts';
import { type Cell, OWN_SHARE, print, type Rate } from './report.ts';
import { bytesBelow, cpuFor, usage } from './resources.ts';
import { round, type Summary, summarise } from './statistics.ts';

/**
 * `pnpm bench query [--queries N] [--engine embedded|fabric] [--block MS[,TXS]] [--pairs N] [--in-flight 1,8,32] [--out FILE]`: intra- and cross-region queries on the local federation, by phase,
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
/** Each cell begins with so many that do not count: processes that have just started compile while they answer. */
const WARM_UP = 20;
const HOUR_MS = 3_600_000;
const TIMEOUT_MS = 60_000;
const POLL_MS = 50;

type Kind = Cell['kind'];
type Size = Cell['record'];
type Phases = Readonly<Record<string, number>>;

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
    pairs: { type: 'string', default: '0' },
    block: { type: 'string' },
    'in-flight': { type: 'string', default: '1,8,32' },
    out: { type: 'string' },
  },
});
const queries = Number(values.queries);
const inFlights = values['in-flight'].split(',').map(Number);
const engines = parseEngines({ engine: values.engine });
if (engines === undefined) throw new Error(`no engine ${values.engine}`);
const views = new Map<string, Awaited<ReturnType<Actors['view']>>>();
const state = await mkdtemp(join(tmpdir(), 'yilian-bench-'));
try {
  const layout = await up(state, await description(values.block), () => undefined, undefined, engines);
  const result = { machine: machine(), engines: (await running(state))?.engines, ...(await measure(layout)) };
  print(result);
  if (values.out !== undefined) await writeFile(values.out, `${JSON.stringify(result, null, 2)}\n`);
} finally {
  await down(state).catch(() => undefined);
  await rm(state, { recursive: true, force: true });
}

/** Two regions; `block` is when Fabric cuts a block, as `MILLISECONDS` or `MILLISECONDS,TRANSACTIONS`. */
async function description(block: string | undefined): Promise<string | URL> {
  const file = new URL('./two-regions.json', import.meta.url);
  if (block === undefined) return file;
  const [timeoutMs = Number.NaN, maxMessages = 200] = block.split(',').map(Number);
  const changed = join(state, 'two-regions.json');
  const given = JSON.parse(await readFile(file, 'utf8')) as object;
  await writeFile(changed, JSON.stringify({ ...given, block: { timeoutMs, maxMessages } }));
  return changed;
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
    for (const inFlight of inFlights) throughput.push(await rate(actors, kind, doctors[kind], small, inFlight));
  }
  const pairs = Number(values.pairs) > 0 ? await paired(Number(values.pairs), actors, doctors, small) : undefined;
  const memory = Object.fromEntries(
    [...(await usage(await federation()))].map(([kind, { processes, memoryMiB }]) => [
      kind,
      { processes, memoryMiB: round(memoryMiB) },
    ]),
  );
  return { cells, ...(pairs && { pairs }), throughput, memory };
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

async function rate(actors: Actors, kind: Kind, doctor: Practitioner, about: Subject, inFlight: number): Promise<Rate> {
  let left = Math.max(queries, inFlight * 3);
  const done = left;
  const [before, bytes] = [await usage(await federation()), await bytesBelow(state)];
  const start = performance.now();
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      while (left-- > 0) await query(actors, kind, doctor, about, false);
    }),
  );
  const perSecond = round((done * 1000) / (performance.now() - start));
  const cpuMs = cpuFor(done, before, await usage(await federation()));
  return { kind, inFlight, perSecond, cpuMs, diskKiB: round(((await bytesBelow(state)) - bytes) / 1024 / done) };
}

/** Queries inside the region and across regions in turn, one at a time: the difference is what the second region costs. */
async function paired(
  count: number,
  actors: Actors,
  doctors: Readonly<Record<Kind, Practitioner>>,
  about: Subject,
): Promise<Readonly<Record<Kind | 'difference', Summary>>> {
  const totals: Record<Kind, number[]> = { intra: [], cross: [] };
  for (let index = -WARM_UP; index < count; index += 1) {
    const order: readonly Kind[] = index % 2 === 0 ? ['intra', 'cross'] : ['cross', 'intra'];
    for (const kind of order) {
      const { total = Number.NaN } = await query(actors, kind, doctors[kind], about, false);
      if (index >= 0) totals[kind].push(total);
    }
  }
  const difference = totals.cross.map((total, index) => total - (totals.intra[index] ?? Number.NaN));
  return { intra: summarise(totals.intra), cross: summarise(totals.cross), difference: summarise(difference) };
}

async function federation(): Promise<Running> {
  const now = await running(state);
  if (now === undefined) throw new Error('the federation does not run any more');
  return now;
}
