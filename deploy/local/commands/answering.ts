import { createReadStream } from 'node:fs';
import { access, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  dossier,
  faultyProxy,
  isProven,
  type Practitioner,
  type ProvenLeg,
  type VerifiedAnswer,
  type VerifiedLeg,
  writeVerified,
} from '@yilian/client';
import { documentId, type OpenedReceipt, Request, type SignedBy, utf8Bytes } from '@yilian/protocol';
import type { Actors } from '../actors.ts';
import { DeployError } from '../errors.ts';
import { EXIT } from '../exit.ts';
import { type KeptRequest, keepRequest, readRequest } from '../kept-request.ts';
import { measure } from '../publishing.ts';
import type { Session } from './session.ts';

export interface RequestOptions {
  readonly doctor: string;
  readonly patient: string;
  readonly scope?: readonly string[];
  readonly purpose: string;
  readonly evidence: string;
  readonly wait?: boolean;
  readonly timeout: number;
}

export interface OpenOptions {
  readonly out: string;
  readonly timeout: number;
}

interface Opened extends Awaited<ReturnType<typeof measure>> {
  readonly recordId: string;
  readonly region: string;
  readonly file: string;
}

type Bodies = ReturnType<Actors['bodies']>;

const PSEUDONYM = /^[A-Za-z0-9_-]{43}$/;

/** A doctor asks and gets to know the answer; released records wait to be opened. */
export async function ask(session: Session, given: RequestOptions): Promise<void> {
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
}

/** The doctor opens what a request released, signs receipts, and keeps the dossier. */
export async function openAll(session: Session, requestId: string, { out, timeout }: OpenOptions): Promise<void> {
  const actors = await session.actors();
  const kept = await readRequest(actors.layout, requestId);
  await requireFolder(out);
  const { view, verified, practitioner, person } = await answered(session, actors, kept, timeout);
  const { request } = kept;
  const relay = actors.relay(person.region);
  const opened: Opened[] = [];
  const receipts: SignedBy<typeof OpenedReceipt>[] = [];
  const shown: VerifiedLeg[] = [];
  const released = [...verified.legs];
  for (const leg of verified.legs) {
    if (!isProven(leg) || leg.overtaken || leg.outcome.release?.next === undefined) continue;
    // A release of many records goes on in pages.
    for await (const page of practitioner.pages(relay, view, request, leg, { signal: session.signal }))
      released.splice(released.findLastIndex(({ region }) => region === leg.region) + 1, 0, page);
  }
  for (const first of released) {
    let leg = first;
    const without = new Set<string>();
    const files: Opened[] = [];
    while (isProven(leg) && leg.state === 'released' && !leg.overtaken) {
      try {
        await using bodies = actors.bodies(view, leg.region);
        files.push(...(await openLeg(session, { practitioner, leg, out, bodies })));
        break;
      } catch (error) {
        const party = faultyProxy(error);
        if (party === undefined || without.has(party) || leg.outcome.page !== undefined) throw error;
        without.add(party);
        session.note(`the share of ${party} does not hold: asking again without it`);
        const reply = await relay.answer(requestId, { signal: session.signal, without: [...without] });
        const again = practitioner.verify(view, request, reply, { homes: kept.homes ?? [] });
        leg = again.legs.find(({ region }) => region === first.region) ?? first;
      }
    }
    shown.push(leg);
    if (files.length === 0) continue;
    const receipt = practitioner.receipt(
      leg,
      files.map(({ recordId }) => recordId),
    );
    await relay.submitReceipt(receipt);
    receipts.push(receipt);
    opened.push(...files);
  }
  if (receipts.length === 0) {
    process.exitCode = EXIT.no;
    session.answer({ requestId, opened }, ['nothing was released']);
    return;
  }
  const keyCertificate = await relay.keyCertificate(request.document.keyCertificate);
  const answer = { ...verified, legs: shown };
  const file = join(out, 'dossier.json');
  await writeFile(file, JSON.stringify(dossier({ view, request, keyCertificate, answer, practitioner, receipts })), {
    mode: 0o600,
  });
  session.answer({ requestId, opened, dossier: file }, [
    ...opened.map((each) => `${each.file}: ${each.sizeBytes} bytes, SHA-256 ${each.sha256}`),
    `dossier ${file}`,
  ]);
}

/** Opens every record of a released leg into a file of its own. */
async function openLeg(
  session: Session,
  { practitioner, leg, out, bodies }: { practitioner: Practitioner; leg: ProvenLeg; out: string; bodies: Bodies },
): Promise<Opened[]> {
  const opened: Opened[] = [];
  for (const { recordId, ...record } of leg.outcome.release?.records ?? []) {
    const bar = session.progress(recordId, record.sizeBytes);
    const file = join(out, recordId);
    const body = practitioner.open(leg, { recordId, ...record }, { body: bodies, onProgress: bar.update });
    await writeVerified(file, body, { signal: session.signal }).finally(bar.stop);
    opened.push({ recordId, region: leg.region, file, ...(await measure(createReadStream(file))) });
  }
  return opened;
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
