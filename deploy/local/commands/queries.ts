import { createReadStream } from 'node:fs';
import { access, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dossier, isProven, type VerifiedAnswer, writeVerified } from '@yilian/client';
import { documentId, type OpenedReceipt, Request, type SignedBy, utf8Bytes } from '@yilian/protocol';
import type { Command } from 'commander';
import type { Actors } from '../actors.ts';
import { DeployError } from '../errors.ts';
import { EXIT } from '../exit.ts';
import { type KeptRequest, keepRequest, readRequest } from '../kept-request.ts';
import { measure } from '../publishing.ts';
import { positive, type Session } from './session.ts';

interface RequestOptions {
  readonly doctor: string;
  readonly patient: string;
  readonly scope?: readonly string[];
  readonly purpose: string;
  readonly evidence: string;
  readonly wait?: boolean;
  readonly timeout: number;
}

const PSEUDONYM = /^[A-Za-z0-9_-]{43}$/;

/** `request`, `open`. */
export function addQueryCommands(program: Command, session: Session): void {
  program
    .command('request')
    .description('a doctor asks for a patient’s records and waits for the answer')
    .requiredOption('--doctor <name>', 'who asks')
    .requiredOption('--patient <name-or-pseudonym>', 'about whom')
    .option('--scope <scope...>', 'classes of records; all when left out')
    .option('--purpose <purpose>', 'HL7 PurposeOfUse', 'TREAT')
    .option('--evidence <text>', 'evidence of treatment; only its hash leaves', 'treatment')
    .option('--wait', 'wait for the patient’s consent instead of being denied')
    .option('--timeout <seconds>', 'how long to wait for the answer; `open` can go on waiting', positive, 60)
    .action(async (given: RequestOptions) => {
      const actors = await session.actors();
      const pseudonym = await pseudonymOf(actors, given.patient);
      const { person, practitioner } = await actors.doctor(given.doctor);
      const request = practitioner.request({
        pseudonym,
        scopes: session.scopes(actors.layout, given.scope),
        purpose: given.purpose,
        evidence: utf8Bytes(given.evidence),
        minMainHeight: (await actors.view(person.region)).mainHeight,
        ...(given.wait === true && { waitForConsent: true }),
      });
      const { verified } = await answered(session, actors, { doctor: given.doctor, request }, given.timeout);
      const legs = verified.legs.map((leg) => ({
        region: leg.region,
        state: leg.state,
        ...(isProven(leg) && {
          transactionId: leg.transactionId,
          records: leg.outcome.release?.records.length ?? 0,
          reasons: [
            ...leg.outcome.scopes.flatMap((scope) => (scope.permitted ? [] : [`${scope.scope}: ${scope.reason}`])),
            ...(leg.overtaken ? ['revoked before it was carried out'] : []),
          ],
        }),
      }));
      const { requestId, complete, conflicts, absence } = verified;
      session.answer({ requestId, complete, legs, absent: absence !== undefined, conflicts }, [
        `request ${requestId}`,
        ...legs.map(
          ({ region, state, records = 0, reasons = [] }) =>
            `${region}: ${state}, ${records} records${reasons.length > 0 ? ` (${reasons.join(', ')})` : ''}`,
        ),
        ...(absence === undefined ? [] : ['absent: no region holds this patient, proven by the main chain']),
        ...(complete ? [] : ['incomplete: not every region’s word is here and proven']),
      ]);
      if (!verified.legs.some((leg) => isProven(leg) && leg.state === 'released' && !leg.overtaken))
        process.exitCode = EXIT.no;
    });

  program
    .command('open <requestId>')
    .description('the doctor opens what a request released, and keeps the dossier')
    .requiredOption('--out <folder>', 'where the documents go')
    .option('--timeout <seconds>', 'how long to wait if there is no answer yet', positive, 60)
    .action(async (requestId: string, { out, timeout }: { readonly out: string; readonly timeout: number }) => {
      const actors = await session.actors();
      const kept = await readRequest(actors.layout, requestId);
      await requireFolder(out);
      const { view, verified, practitioner, person } = await answered(session, actors, kept, timeout);
      const opened = [];
      const receipts: SignedBy<typeof OpenedReceipt>[] = [];
      for (const leg of verified.legs) {
        if (!isProven(leg) || leg.state !== 'released' || leg.overtaken) continue;
        await using bodies = actors.bodies(view, leg.region);
        const records = leg.outcome.release?.records ?? [];
        for (const record of records) {
          const bar = session.progress(record.recordId, record.sizeBytes);
          const file = join(out, record.recordId);
          const { signal } = session;
          const body = practitioner.open(leg, record, { body: bodies, onProgress: bar.update });
          await writeVerified(file, body, { signal }).finally(bar.stop);
          opened.push({
            recordId: record.recordId,
            region: leg.region,
            file,
            ...(await measure(createReadStream(file))),
          });
        }
        const receipt = practitioner.receipt(
          leg,
          records.map(({ recordId }) => recordId),
        );
        await actors.relay(person.region).submitReceipt(receipt);
        receipts.push(receipt);
      }
      if (receipts.length === 0) {
        process.exitCode = EXIT.no;
        session.answer({ requestId, opened }, ['nothing was released']);
        return;
      }
      const keyCertificate = await actors.relay(person.region).keyCertificate(kept.request.document.keyCertificate);
      const { request } = kept;
      const file = join(out, 'dossier.json');
      await writeFile(
        file,
        JSON.stringify(dossier({ view, request, keyCertificate, answer: verified, practitioner, receipts })),
        { mode: 0o600 },
      );
      session.answer({ requestId, opened, dossier: file }, [
        ...opened.map((each) => `${each.file}: ${each.sizeBytes} bytes, SHA-256 ${each.sha256}`),
        `dossier ${file}`,
      ]);
    });
}

/** Hands a kept request in, which changes nothing the second time, waits for its answer, and verifies it. */
async function answered(session: Session, actors: Actors, kept: KeptRequest, timeoutS: number) {
  const { request } = kept;
  const { person, practitioner } = await actors.doctor(kept.doctor);
  const relay = actors.relay(person.region);
  const requestId = documentId(Request.type, request.document);
  await keepRequest(actors.layout, kept);
  let { homes, reply } = kept;
  if (reply === undefined || homes === undefined) {
    const timeout = AbortSignal.timeout(timeoutS * 1000);
    const signal = AbortSignal.any([session.signal, timeout]);
    try {
      const accepted = await practitioner.ask(relay, request);
      homes = accepted.homes;
      session.note(`request ${requestId} is on ${person.region}, tx ${accepted.transactionId}`);
      await keepRequest(actors.layout, { ...kept, homes });
      reply = await practitioner.await(relay, requestId, { signal });
    } catch (cause) {
      if (!timeout.aborted) throw cause;
      const message = `no answer within ${timeoutS} s; go on waiting with: yilian open ${requestId} --out FOLDER`;
      throw new DeployError('TIMEOUT', message, { cause });
    }
    await keepRequest(actors.layout, { ...kept, homes, reply });
  }
  const view = await actors.view(person.region);
  const verified: VerifiedAnswer = practitioner.verify(view, request, reply, { homes });
  return { view, verified, practitioner, person };
}

async function pseudonymOf(actors: Actors, given: string): Promise<string> {
  const known = (await actors.people()).find(({ name, kind }) => kind === 'patient' && name === given);
  const pseudonym = known?.pseudonym ?? given;
  if (!PSEUDONYM.test(pseudonym))
    throw new DeployError('NAME_UNKNOWN', `no patient named ${given} is enrolled here, and it is no pseudonym`);
  return pseudonym;
}

async function requireFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, 2);
  } catch (cause) {
    throw new DeployError('FILE_UNWRITABLE', `cannot write into ${folder}`, { cause });
  }
}
