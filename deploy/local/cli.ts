import { createReadStream } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { dossier, isProven, verifyDossier, writeVerified } from '@yilian/client';
import { documentId, parseGenesis, Request, type SignedBy, utf8Bytes } from '@yilian/protocol';
import { SingleBar } from 'cli-progress';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { Actors, type Person } from './actors.ts';
import { DeployError } from './errors.ts';
import { attach, down, running, up } from './federation.ts';
import { fileSource, measure, publish } from './publishing.ts';

/**
 * The command line. Exit codes: 0 done; 1 refused or failed, with a code on stderr; 2 wrong usage; 3 the answer is
 * no (denied, absent, expired, or a dossier that does not hold).
 */
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const EXIT_NO = 3;
const DAY_MS = 86_400_000;

interface Globals {
  readonly state: string;
  readonly json?: boolean;
}

const program = new Command('yilian')
  .description('Open the records a patient left in another region. Works on the federation that `up` started.')
  .option('--state <folder>', 'where the federation keeps its state', '.yilian')
  .option('--json', 'answer in JSON')
  .exitOverride()
  .showHelpAfterError()
  .allowExcessArguments(false);

program
  .command('up')
  .description('start a federation on this machine and leave it running')
  .option('--description <file>', 'who takes part')
  .action(async ({ description }: { description?: string }) => {
    const layout = await up(state(), description ?? new URL('./federation.json', import.meta.url), note);
    const regions = layout.description.regions.map(({ region }) => ({ region, relay: layout.url(`${region}/relay`) }));
    answer(
      { state: state(), regions },
      regions.map(({ region, relay }) => `${region}  ${relay}`),
    );
  });

program
  .command('status')
  .description('what runs, and whether it is ready')
  .action(async () => {
    const now = await running(state());
    if (now === undefined) throw new DeployError('NOT_RUNNING', `no federation runs in ${state()}`);
    const lines = now.processes.map(
      ({ name, pid, restarts }) =>
        `${name.padEnd(32)} process ${pid}${restarts > 0 ? `, restarted ${restarts} times` : ''}`,
    );
    answer(now, [
      `${now.state}: ${now.step}`,
      ...Object.entries(now.engines).map(([engine, version]) => `${engine}: ${version}`),
      ...lines,
    ]);
  });

program
  .command('down')
  .description('end it; the state stays')
  .action(async () => {
    await down(state());
    answer({ stopped: true }, ['stopped']);
  });

const enrol = program.command('enrol').description('a patient or a doctor enrols at a hospital');
enrol
  .command('patient <name>')
  .requiredOption('--hospital <mspId>', 'where the patient is seen')
  .option('--id <nationalId>', 'resident identity number, 18 characters; not needed at the next hospital')
  .action(async (name: string, { hospital, id }: { hospital: string; id?: string }) => {
    const cast = await actors();
    const known = (await cast.people()).some((person) => person.kind === 'patient' && person.name === name);
    const { person, transactionId } = known
      ? await seeAgain(cast, name, hospital)
      : await cast.enrolPatient(name, hospital, requireId(id));
    answer({ ...person, transactionId }, [
      `${name} is enrolled in ${person.region}`,
      `pseudonym ${person.pseudonym}`,
      `tx ${transactionId}`,
    ]);
  });
enrol
  .command('doctor <name>')
  .requiredOption('--hospital <mspId>', 'where the doctor works')
  .requiredOption('--title <title>', 'name on the certificate')
  .action(async (name: string, { hospital, title }: { hospital: string; title: string }) => {
    const { person, transactionId } = await (await actors()).enrolDoctor(name, hospital, title);
    answer({ ...person, transactionId }, [
      `${name} is enrolled in ${person.region}`,
      `key certificate ${person.keyCertificateId}`,
      `tx ${transactionId}`,
    ]);
  });

program
  .command('publish <file...>')
  .description('a hospital seals files for a patient and publishes them')
  .requiredOption('--patient <name>')
  .requiredOption('--hospital <mspId>')
  .option('--scope <scope>', 'class of records; by the file’s ending when left out')
  .action(
    async (files: string[], { patient, hospital, scope }: { patient: string; hospital: string; scope?: string }) => {
      const cast = await actors();
      const { pseudonym } = await cast.person(patient, 'patient');
      const sources = await Promise.all(files.map((file) => fileSource(file, scope)));
      await using open = await cast.hospital(hospital);
      for (const source of sources) {
        const bar = progress(source.name, source.sizeBytes);
        const published = await publish(open, pseudonym ?? '', source, bar.update).finally(bar.stop);
        answer(published, [
          `${published.name}: record ${published.recordId}, ${published.sizeBytes} bytes, SHA-256 ${published.sha256}`,
          `tx ${published.transactionId}`,
        ]);
      }
      await open.hospital.findable(pseudonym ?? '', AbortSignal.timeout(60_000));
    },
  );

program
  .command('grant')
  .description('a patient lets a doctor read')
  .requiredOption('--patient <name>')
  .requiredOption('--doctor <name>')
  .option('--scope <scope...>', 'classes of records; all when left out')
  .option('--purpose <purpose...>', 'HL7 PurposeOfUse', ['TREAT'])
  .option('--days <days>', 'how long', positive, 30)
  .option('--region <region>', 'home region; the patient’s own when left out')
  .action(
    async (given: {
      patient: string;
      doctor: string;
      scope?: string[];
      purpose: string[];
      days: number;
      region?: string;
    }) => {
      const cast = await actors();
      const { person, patient } = await cast.patient(given.patient);
      const doctor = await cast.person(given.doctor, 'doctor');
      const home = given.region ?? person.region;
      const view = await cast.view(home);
      const now = Date.now();
      const granted = await patient.grant({
        view,
        home,
        relay: cast.relay(home),
        grantee: await cast.relay(doctor.region).keyCertificate(doctor.keyCertificateId ?? ''),
        scopes: given.scope ?? cast.layout.description.scopes.map(({ scope }) => scope),
        purposes: given.purpose,
        notBefore: now - 60_000,
        notAfter: now + given.days * DAY_MS,
        threshold: cast.layout.description.threshold,
      });
      const { name, hospital, fingerprint } = granted.describe;
      answer(granted, [
        `grant ${granted.grantId}`,
        `to ${name}, ${hospital}, certificate ${fingerprint}`,
        `held by ${granted.acknowledgedBy.join(', ')}`,
        `tx ${granted.transactionId}`,
      ]);
    },
  );

program
  .command('revoke <grantId>')
  .description('a patient ends a grant')
  .requiredOption('--patient <name>')
  .action(async (grantId: string, given: { patient: string }) => {
    const cast = await actors();
    const { person, patient } = await cast.patient(given.patient);
    const revoked = await patient.revoke({ home: person.region, relay: cast.relay(person.region), grantId });
    const { k, n } = await revoked.destroyed();
    answer({ ...revoked, k, n }, [
      `stopped: ${revoked.stopped.join(', ')}`,
      `${k} of ${n} proxies have committed their destruction receipts`,
      `tx ${revoked.transactionId ?? 'not yet'}`,
    ]);
  });

program
  .command('request')
  .description('a doctor asks for a patient’s records and waits for the answer')
  .requiredOption('--doctor <name>')
  .requiredOption('--patient <name-or-pseudonym>')
  .option('--scope <scope...>', 'classes of records; all when left out')
  .option('--purpose <purpose>', 'HL7 PurposeOfUse', 'TREAT')
  .option('--evidence <text>', 'evidence of treatment; only its hash leaves', 'treatment')
  .option('--wait', 'wait for the patient’s consent instead of being denied')
  .option('--timeout <seconds>', 'how long to wait for the answer', positive, 60)
  .action(
    async (given: {
      doctor: string;
      patient: string;
      scope?: string[];
      purpose: string;
      evidence: string;
      wait?: boolean;
      timeout: number;
    }) => {
      const cast = await actors();
      const { person, practitioner } = await cast.doctor(given.doctor);
      const known = (await cast.people()).find(({ name, kind }) => kind === 'patient' && name === given.patient);
      const relay = cast.relay(person.region);
      const view = await cast.view(person.region);
      const request = practitioner.request({
        pseudonym: known?.pseudonym ?? given.patient,
        scopes: given.scope ?? cast.layout.description.scopes.map(({ scope }) => scope),
        purpose: given.purpose,
        evidence: utf8Bytes(given.evidence),
        minMainHeight: view.mainHeight,
        ...(given.wait === true && { waitForConsent: true }),
      });
      const accepted = await practitioner.ask(relay, request);
      note(`request ${accepted.requestId} is on ${person.region}, tx ${accepted.transactionId}`);
      const reply = await practitioner.await(relay, accepted.requestId, {
        signal: AbortSignal.timeout(given.timeout * 1000),
      });
      const verified = practitioner.verify(view, request, reply, { homes: accepted.homes });
      await cast.layout.write(`requests/${accepted.requestId}.json`, {
        doctor: given.doctor,
        request,
        reply,
        homes: accepted.homes,
      });
      const legs = verified.legs.map((leg) => ({
        region: leg.region,
        state: leg.state,
        records: isProven(leg) ? (leg.outcome.release?.records.length ?? 0) : 0,
      }));
      answer(
        {
          requestId: accepted.requestId,
          complete: verified.complete,
          legs,
          absent: verified.absence !== undefined,
          conflicts: verified.conflicts,
        },
        [
          `request ${accepted.requestId}`,
          ...(verified.absence === undefined
            ? legs.map((leg) => `${leg.region}: ${leg.state}, ${leg.records} records`)
            : ['absent: no region holds this patient, proven by the main chain']),
        ],
      );
      if (!legs.some(({ state: found }) => found === 'released')) process.exitCode = EXIT_NO;
    },
  );

program
  .command('open <requestId>')
  .description('the doctor opens what a request released, and keeps the dossier')
  .requiredOption('--out <folder>', 'where the documents go')
  .action(async (requestId: string, { out }: { out: string }) => {
    const cast = await actors();
    const kept = await readRequest(cast, requestId);
    const { person, practitioner } = await cast.doctor(kept.doctor);
    const view = await cast.view(person.region);
    const verified = practitioner.verify(view, kept.request, kept.reply, { homes: kept.homes });
    await mkdir(out, { recursive: true });
    const receipts = [];
    for (const leg of verified.legs) {
      if (!isProven(leg) || leg.state !== 'released') continue;
      await using bodies = cast.bodies(view, leg.region);
      const records = leg.outcome.release?.records ?? [];
      for (const record of records) {
        const bar = progress(record.recordId, record.sizeBytes);
        const file = join(out, record.recordId);
        await writeVerified(file, practitioner.open(leg, record, { body: bodies, onProgress: bar.update })).finally(
          bar.stop,
        );
        const { sizeBytes, sha256 } = await measure(createReadStream(file));
        answer({ recordId: record.recordId, file, sizeBytes, sha256 }, [
          `${file}: ${sizeBytes} bytes, SHA-256 ${sha256}`,
        ]);
      }
      const receipt = practitioner.receipt(
        leg,
        records.map(({ recordId }) => recordId),
      );
      await cast.relay(person.region).submitReceipt(receipt);
      receipts.push(receipt);
    }
    if (receipts.length === 0) {
      process.exitCode = EXIT_NO;
      answer({ opened: 0 }, ['nothing was released']);
      return;
    }
    const keyCertificate = await cast.relay(person.region).keyCertificate(kept.request.document.keyCertificate);
    const file = join(out, 'dossier.json');
    await writeFile(
      file,
      JSON.stringify(
        dossier({ view, request: kept.request, keyCertificate, answer: verified, practitioner, receipts }),
      ),
    );
    answer({ dossier: file }, [`dossier ${file}`]);
  });

program
  .command('accesses')
  .description('a patient lists who asked, in every region')
  .requiredOption('--patient <name>')
  .action(async (given: { patient: string }) => {
    const cast = await actors();
    const { person, patient } = await cast.patient(given.patient);
    const list = await patient.accesses(await cast.view(person.region));
    answer(list, [
      ...list.accesses.map(
        (access) =>
          `${new Date(access.at).toISOString()}  ${access.region}  ${access.requester?.name ?? 'unknown'}  ${access.outcome?.outcome ?? access.legs.map(({ region, outcome }) => `${outcome} by ${region}`).join(', ')}  ${access.transactionId ?? ''}`,
      ),
      ...list.unanswered.map(({ region, code }) => `${region} did not answer: ${code}`),
    ]);
  });

program
  .command('verify <dossier>')
  .description('check a dossier offline; needs no federation, only the main chain’s genesis')
  .option('--genesis <file>', 'the pinned genesis; the state folder’s when left out')
  .action(async (file: string, { genesis }: { genesis?: string }) => {
    const pinned = parseGenesis(await readJson(genesis ?? join(state(), 'genesis.json')));
    const given = await readJson(file);
    try {
      const report = await verifyDossier(given, pinned);
      answer({ holds: true, report }, ['the dossier holds']);
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'DOSSIER_INVALID';
      process.exitCode = EXIT_NO;
      answer({ holds: false, code }, [
        `the dossier does not hold: ${code}: ${error instanceof Error ? error.message : String(error)}`,
      ]);
    }
  });

async function seeAgain(
  cast: Actors,
  name: string,
  hospital: string,
): Promise<{ person: Person; transactionId: string }> {
  const { person, patient } = await cast.patient(name);
  return { person, transactionId: await cast.visit(patient, hospital) };
}

function requireId(id: string | undefined): string {
  if (id === undefined) throw new DeployError('USAGE', 'the first enrolment needs --id');
  return id;
}

function globals(): Globals {
  return program.opts<Globals>();
}

function state(): string {
  return resolve(globals().state);
}

function answer(value: unknown, lines: readonly string[]): void {
  process.stdout.write(globals().json === true ? `${JSON.stringify(value)}\n` : `${lines.join('\n')}\n`);
}

/** A word on the way, for people only. */
function note(line: string): void {
  if (globals().json !== true) process.stderr.write(`${line}\n`);
}

const LONG_BYTES = 8_000_000;

interface Progress {
  readonly update: (bytes: number) => void;
  readonly stop: () => void;
}

function progress(name: string, total: number): Progress {
  if (total < LONG_BYTES || !process.stderr.isTTY || globals().json === true)
    return { update: () => undefined, stop: () => undefined };
  const bar = new SingleBar({ format: `${name} {bar} {percentage}% {eta} s`, stream: process.stderr });
  bar.start(total, 0);
  return { update: (bytes) => bar.update(bytes), stop: () => bar.stop() };
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('a whole number from 1 on is wanted');
  return value;
}

async function actors(): Promise<Actors> {
  return new Actors(await attach(state()), await passphrase());
}

/** From the environment, else asked for, unseen. */
async function passphrase(): Promise<string> {
  const given = process.env['YILIAN_PASSPHRASE'];
  if (given !== undefined && given !== '') return given;
  if (!process.stdin.isTTY)
    throw new DeployError('USAGE', 'set YILIAN_PASSPHRASE: keystores are encrypted, and there is nobody to ask');
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  const word = await asking.question('Passphrase of the keystores: ');
  asking.close();
  return word;
}

interface KeptRequest {
  readonly doctor: string;
  readonly request: SignedBy<typeof Request>;
  readonly reply: Parameters<Awaited<ReturnType<Actors['doctor']>>['practitioner']['verify']>[2];
  readonly homes: readonly string[];
}

async function readRequest(cast: Actors, requestId: string): Promise<KeptRequest> {
  const kept = (await readJson(cast.layout.path('requests', `${requestId.replaceAll('/', '')}.json`))) as KeptRequest;
  if (documentId(Request.type, kept.request.document) !== requestId)
    throw new DeployError('NAME_UNKNOWN', 'no such request was made here');
  return kept;
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    throw new DeployError('FILE_UNREADABLE', `cannot read ${file}`, { cause });
  }
}

const args = process.argv.slice(2).filter((arg, index) => !(index === 0 && arg === '--'));
try {
  await program.parseAsync(args, { from: 'user' });
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE;
  else {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'FAILED';
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(globals().json === true ? `${JSON.stringify({ code, message })}\n` : `${code}: ${message}\n`);
    process.exitCode = error instanceof DeployError && error.code === 'USAGE' ? EXIT_USAGE : EXIT_FAILED;
  }
}
