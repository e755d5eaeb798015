import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  dossier,
  isProven,
  type Patient,
  type Practitioner,
  type ProvenLeg,
  type VerifiedAnswer,
  verifyDossier,
} from '@yilian/client';
import { digest, parseGenesis, type Request, type SignedBy, toBase64url, utf8Bytes } from '@yilian/protocol';
import { Actors, type OpenHospital } from './actors.ts';
import type { Engines } from './engines.ts';
import { DeployError } from './errors.ts';
import { up } from './federation.ts';
import { historyOf } from './fhir-examples.ts';
import type { Layout } from './layout.ts';
import { fileSource, measure, type Published, publish, type Source } from './publishing.ts';
import { down, running } from './running.ts';
import { Narrator, timed } from './say.ts';

/** The people and places of the demonstration, all from `federation.json`. */
const HOME = 'region-a';
const AWAY = 'region-b';
const HOSPITALS = ['HospitalA1', 'HospitalA2'] as const;
const DOCTOR_HOSPITAL = 'HospitalB1';
/** HL7's example patients with a history of their own. */
const PATIENTS = [
  { name: 'pieter', example: 'f001', nationalId: '110101199003070134' },
  { name: 'roel', example: 'f201', nationalId: '11010119600313021X' },
] as const;
const PARALLEL = 4;
const HOUR_MS = 3_600_000;

const tell = new Narrator();

/** How a person wants it. */
export interface DemoOptions extends Partial<Engines> {
  /** A file of their own to publish too. */
  readonly file?: string;
  /** Leaves the federation up. */
  readonly keep: boolean;
}

/** Runs the main job of a federation, from its start to its end, and tells every step. */
export async function demonstrate({ file, keep, ...engines }: DemoOptions, signal: AbortSignal): Promise<void> {
  const own = file === undefined ? undefined : await fileSource(file);
  const state = keep ? join(process.cwd(), '.yilian') : await mkdtemp(join(tmpdir(), 'yilian-demo-'));
  const { YILIAN_PASSPHRASE: given = '' } = process.env;
  const passphrase = given === '' ? toBase64url(crypto.getRandomValues(new Uint8Array(16))) : given;
  let kept = false;
  try {
    const layout = await start(state, signal, engines);
    kept = keep;
    await Promise.race([mainJob(new Actors(layout, passphrase, signal), own), aborted(signal)]);
  } finally {
    if (kept) {
      tell.line('\nThe federation stays up: pnpm yilian status; end it with pnpm yilian down');
      if (given === '') tell.line(`The passphrase of all keystores is ${passphrase}`);
    } else if (!keep) {
      await down(state).catch(() => undefined);
      await rm(state, { recursive: true, force: true });
      tell.line('\nEverything is stopped and removed.');
    }
  }
  tell.table();
}

async function start(state: string, signal: AbortSignal, engines: Partial<Engines>): Promise<Layout> {
  tell.heading('1. Three regions and a main chain of four authorities start on this machine');
  const description = new URL('./federation.json', import.meta.url);
  const layout = await tell.phase('start the federation', () =>
    up(state, description, (step) => tell.step('this machine', step), signal, engines),
  );
  for (const [engine, version] of Object.entries((await running(state))?.engines ?? {}))
    tell.step('engine', `${engine}: ${version}`);
  return layout;
}

async function mainJob(actors: Actors, own: Source | undefined): Promise<void> {
  tell.heading('2. Two patients enrol at the First People’s Hospital of region A');
  const patients = await tell.phase('enrol two patients', async () => {
    const enrolled = [];
    for (const { name, example, nationalId } of PATIENTS) {
      const { value, ms } = await timed(() => actors.enrolPatient(name, HOSPITALS[0], nationalId));
      tell.step(HOME, `${name} is enrolled under a pseudonym; only ${name} holds the keys`, {
        transactionId: value.transactionId,
        ms,
      });
      const visit = await timed(() => actors.visit(value.patient, HOSPITALS[1]));
      tell.step(HOME, `${name} is seen by the second hospital too, which pins the same key`, {
        transactionId: visit.value,
        ms: visit.ms,
      });
      enrolled.push({ ...value, example });
    }
    return enrolled;
  });
  const [first] = patients;
  if (first === undefined) throw new DeployError('USAGE', 'no patient');

  tell.heading('3. Two hospitals of region A publish real documents (HL7 FHIR R4 examples), sealed for their patients');
  const hospitals = [await actors.hospital(HOSPITALS[0]), await actors.hospital(HOSPITALS[1])] as const;
  const published = new Map<string, Published>();
  await tell.phase('publish the documents', async () => {
    for (const { person, example } of patients) {
      const sources = await historySources(example);
      if (own !== undefined && person.name === first.person.name) sources.push(own);
      await inParallel(sources, async (source, index) =>
        publishOne(hospitals, person.pseudonym ?? '', source, index, published),
      );
    }
  });
  for (const open of hospitals) await open[Symbol.asyncDispose]();
  await tell.phase('until the index has them', () => indexed(actors, first.person.pseudonym ?? ''));
  tell.step('main', `the index knows that ${HOME} holds records of both pseudonyms, and nothing else`);

  tell.heading('4. The patient grants a doctor of region B');
  const doctor = await tell.phase('enrol the doctor', () =>
    timed(() => actors.enrolDoctor('li', DOCTOR_HOSPITAL, 'Dr Li Wei')),
  );
  tell.step(AWAY, 'Dr Li Wei of the Central Hospital has a certified re-encryption key', {
    transactionId: doctor.value.transactionId,
    ms: doctor.ms,
  });
  const grantId = await tell.phase('grant', () =>
    grant(actors, first.patient, doctor.value.person.keyCertificateId ?? ''),
  );

  tell.heading('5. The doctor asks across regions and opens');
  const { practitioner } = doctor.value;
  const pseudonym = first.person.pseudonym ?? '';
  const answered = await tell.phase('first query', () => ask(actors, practitioner, pseudonym));
  const leg = releasedLeg(answered.answer);
  await tell.phase('open and compare every document', () => openAll(actors, practitioner, leg, published));
  const kept = await tell.phase('receipt and dossier', () => keepDossier(actors, practitioner, answered, leg));

  tell.heading('6. A second query reuses the grant');
  const again = await tell.phase('second query', () => ask(actors, practitioner, pseudonym));
  const second = releasedLeg(again.answer);
  tell.step(
    AWAY,
    `released again under the same grant: ${second.outcome.release?.records.length} records, no new consent`,
  );

  tell.heading('7. A query about a patient nobody knows');
  const unknown = await tell.phase('query about nobody', () => ask(actors, practitioner, digest(utf8Bytes('nobody'))));
  if (unknown.answer.absence === undefined) throw new DeployError('PROCESS_FAILED', 'the absence is not proven');
  tell.step('main', `absent, proven by the authorities at block ${unknown.answer.absence.block}`, {
    transactionId: unknown.answer.absence.transactionId,
  });

  tell.heading('8. The patient revokes');
  await tell.phase('revoke until every proxy destroyed', () => revoke(actors, first.patient, grantId));
  const denied = await tell.phase('query after revocation', () => ask(actors, practitioner, pseudonym));
  const [deniedLeg] = denied.answer.legs;
  if (deniedLeg === undefined || !isProven(deniedLeg) || deniedLeg.state !== 'denied')
    throw new DeployError('PROCESS_FAILED', 'the query was not denied');
  tell.step(
    HOME,
    `denied, proven: ${deniedLeg.outcome.scopes.map((scope) => (scope.permitted ? '' : scope.reason)).join(', ')}`,
    { transactionId: deniedLeg.transactionId },
  );

  tell.heading('9. The patient lists every access in every region');
  await tell.phase('list accesses', () => listAccesses(actors, first.patient));

  tell.heading('10. The first query’s dossier is verified offline, from the main chain’s pinned genesis alone');
  await tell.phase('verify the dossier', () => verifyOffline(kept));
}

async function historySources(example: string): Promise<Source[]> {
  return (await historyOf(example)).map(({ file, bytes, type, scope }) => ({
    name: file,
    scope,
    codes: [{ system: 'http://hl7.org/fhir/resource-types', code: type }],
    sizeBytes: bytes.length,
    async *read() {
      yield bytes;
    },
  }));
}

async function publishOne(
  hospitals: readonly [OpenHospital, OpenHospital],
  pseudonym: string,
  source: Source,
  index: number,
  published: Map<string, Published>,
): Promise<void> {
  const hospital = hospitals[index % 2 === 0 ? 0 : 1];
  const { value, ms } = await timed(() => publish(hospital, pseudonym, source));
  published.set(value.recordId, value);
  tell.step(
    HOME,
    `${hospital.hospital.mspId} published ${value.name}, ${value.sizeBytes} bytes, SHA-256 ${value.sha256}`,
    { transactionId: value.transactionId, ms },
  );
}

/** Waits until the index holds the patient's region: from then on the records are findable. */
async function indexed(actors: Actors, pseudonym: string): Promise<void> {
  await using open = await actors.hospital(HOSPITALS[0]);
  await open.hospital.findable(pseudonym, AbortSignal.timeout(30_000));
}

async function grant(actors: Actors, patient: Patient, keyCertificateId: string): Promise<string> {
  const view = await actors.view(HOME);
  const grantee = await actors.relay(AWAY).keyCertificate(keyCertificateId);
  const { name, hospital, fingerprint } = patient.grantee(view, grantee);
  tell.step('patient', `checked before granting: ${name}, ${hospital}, certificate ${fingerprint.slice(0, 16)}…`);
  const now = Date.now();
  const { value, ms } = await timed(() =>
    patient.grant({
      view,
      home: HOME,
      relay: actors.relay(HOME),
      grantee,
      scopes: actors.layout.description.scopes.map(({ scope }) => scope),
      purposes: ['TREAT'],
      notBefore: now - 60_000,
      notAfter: now + 24 * HOUR_MS,
      threshold: actors.layout.description.threshold,
    }),
  );
  tell.step(HOME, `grant active: proxies of ${value.acknowledgedBy.join(', ')} hold one key fragment for each scope`, {
    transactionId: value.transactionId,
    ms,
  });
  return value.grantId;
}

interface Answered {
  readonly request: SignedBy<typeof Request>;
  readonly answer: VerifiedAnswer;
}

async function ask(actors: Actors, practitioner: Practitioner, pseudonym: string): Promise<Answered> {
  const relay = actors.relay(AWAY);
  const view = await actors.view(AWAY);
  const request = practitioner.request({
    pseudonym,
    scopes: actors.layout.description.scopes.map(({ scope }) => scope),
    purpose: 'TREAT',
    evidence: utf8Bytes('referral letter 2026-0042'),
    minMainHeight: view.mainHeight,
  });
  const accepted = await timed(() => practitioner.ask(relay, request));
  tell.step(AWAY, 'the request is on the doctor’s own chain', {
    transactionId: accepted.value.transactionId,
    ms: accepted.ms,
  });
  const reply = await timed(() =>
    practitioner.await(relay, accepted.value.requestId, { signal: AbortSignal.timeout(30_000) }),
  );
  const answer = practitioner.verify(view, request, reply.value, { homes: accepted.value.homes });
  for (const leg of answer.legs) {
    if (isProven(leg))
      tell.step(leg.region, `${leg.state}, attested by ${leg.attestedBy.join(', ')}`, {
        transactionId: leg.transactionId,
        ms: reply.ms,
      });
    else
      throw new DeployError(
        'PROCESS_FAILED',
        `leg ${leg.region} is ${leg.state} ${leg.code ?? ''} ${leg.error?.message ?? ''}`,
      );
  }
  return { request, answer };
}

function releasedLeg({ legs }: VerifiedAnswer): ProvenLeg {
  const leg = legs.find((candidate) => candidate.region === HOME);
  if (leg === undefined || !isProven(leg) || leg.state !== 'released')
    throw new DeployError('PROCESS_FAILED', 'nothing was released');
  return leg;
}

async function openAll(
  actors: Actors,
  practitioner: Practitioner,
  leg: ProvenLeg,
  published: ReadonlyMap<string, Published>,
): Promise<void> {
  const view = await actors.view(AWAY);
  await using bodies = actors.bodies(view, HOME);
  for (const record of leg.outcome.release?.records ?? []) {
    const { value, ms } = await timed(() => measure(practitioner.open(leg, record, { body: bodies })));
    const original = published.get(record.recordId);
    if (original?.sha256 !== value.sha256 || original.sizeBytes !== value.sizeBytes) {
      throw new DeployError('PROCESS_FAILED', `${original?.name} differs from what was published`);
    }
    tell.step('doctor', `opened ${original.name}, ${value.sizeBytes} bytes, SHA-256 ${value.sha256}: as published`, {
      ms,
    });
  }
}

async function keepDossier(
  actors: Actors,
  practitioner: Practitioner,
  { request, answer }: Answered,
  leg: ProvenLeg,
): Promise<{ file: string; genesis: string }> {
  const receipt = practitioner.receipt(
    leg,
    (leg.outcome.release?.records ?? []).map(({ recordId }) => recordId),
  );
  await actors.relay(AWAY).submitReceipt(receipt);
  tell.step(HOME, 'the doctor’s signed receipt goes to the home chain');
  const view = await actors.view(AWAY);
  const keyCertificate = await actors.relay(AWAY).keyCertificate(request.document.keyCertificate);
  const file = actors.layout.path('dossier.json');
  await writeFile(
    file,
    JSON.stringify(dossier({ view, request, keyCertificate, answer, practitioner, receipts: [receipt] })),
  );
  return { file, genesis: actors.layout.path('genesis.json') };
}

async function revoke(actors: Actors, patient: Patient, grantId: string): Promise<void> {
  const { value, ms } = await timed(() => patient.revoke({ home: HOME, relay: actors.relay(HOME), grantId }));
  tell.step(HOME, `revoked; ${value.stopped.join(', ')} stopped at once`, {
    ...(value.transactionId && { transactionId: value.transactionId }),
    ms,
  });
  const deadline = Date.now() + 30_000;
  let { k, n } = await value.destroyed();
  while (k < n && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    ({ k, n } = await value.destroyed());
  }
  if (k < n) throw new DeployError('PROCESS_FAILED', `only ${k} of ${n} proxies destroyed their fragments`);
  tell.step(
    HOME,
    `${k} of ${n} proxies committed their destruction receipts (what was opened before cannot be recalled)`,
  );
}

async function listAccesses(actors: Actors, patient: Patient): Promise<void> {
  const { accesses, unanswered } = await patient.accesses(await actors.view(HOME));
  for (const access of accesses) {
    const what =
      access.outcome?.outcome ?? access.legs.map(({ region, outcome }) => `${outcome} by ${region}`).join(', ');
    tell.step(
      access.region,
      `${new Date(access.at).toISOString()}  ${access.requester?.name ?? 'unknown'}: ${what || 'asked'}`,
      { ...(access.transactionId && { transactionId: access.transactionId }) },
    );
  }
  for (const { region } of actors.layout.description.regions) {
    if (!accesses.some((access) => access.region === region)) tell.step(region, 'nobody asked');
  }
  for (const { region, code } of unanswered)
    throw new DeployError('PROCESS_FAILED', `${region} did not list its accesses: ${code}`);
}

async function verifyOffline({ file, genesis }: { file: string; genesis: string }): Promise<void> {
  const { value, ms } = await timed(async () =>
    verifyDossier(JSON.parse(await readFile(file, 'utf8')), parseGenesis(JSON.parse(await readFile(genesis, 'utf8')))),
  );
  tell.step('anybody', `the dossier holds: ${JSON.stringify(value).length} bytes of findings, none missing`, { ms });
}

async function inParallel<T>(items: readonly T[], work: (item: T, index: number) => Promise<void>): Promise<void> {
  const queue = items.entries();
  await Promise.all(
    Array.from({ length: PARALLEL }, async () => {
      for (const [index, item] of queue) await work(item, index);
    }),
  );
}

/** Rejects when it is time to tidy up, once what `up` started is ended. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}
