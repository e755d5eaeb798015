import { verifyOutcome } from '@yilian/ledger/verify';
import { fromBase64url, merkleRoot, toBase64url } from '@yilian/protocol';
import { followChain, outcomeLeaf, readOutcome } from '@yilian/regional-chain';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccessesReply, FederationReply, GrantStatus, WaitingReply } from '../src/api.ts';
import { FEDERATION, Federation, type Region, until } from './fixture/federation.ts';
import { hash, Patient, Practitioner } from './fixture/people.ts';
import { answerOf, indexed, mirrored, patientOf, reached, submit } from './fixture/steps.ts';

let federation: Federation;
let north: Region;
let south: Region;
let doctor: Practitioner;
const PATIENCE_MS = 5000;

beforeAll(async () => {
  federation = await Federation.open();
  ({ north, south } = federation);
  await federation.settle();
  doctor = await Practitioner.register(south);
});

afterAll(async () => {
  await federation?.[Symbol.asyncDispose]();
});

/** A queue of a region's relay, from outside. */
function queueOf(region: Region, name: string) {
  const connection = new Redis({ path: new URL(region.redis.url).pathname, maxRetriesPerRequest: null });
  const queue = new Queue(name, { connection, prefix: `yilian:${FEDERATION}:${region.name}` });
  const close = async () => {
    await queue.close();
    connection.disconnect();
  };
  return { queue, close };
}

/** Leaves of the region's first `size` outcomes in block order, as anybody can read them. */
async function outcomesOf(region: Region, size: number): Promise<string[]> {
  const leaves: string[] = [];
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const connection = region.network.connect(region.hospital, 'hospital');
  for await (const event of followChain(connection, region.name, { signal })) {
    if (event.kind === 'outcome') leaves.push(toBase64url((await readOutcome(region.chain, event)).leaf));
    if (leaves.length >= size) break;
  }
  return leaves;
}

describe('a query across regions', () => {
  it('releases what the patient granted, with proof, headers and shares, and mirrors the outcome', async () => {
    const patient = await Patient.enrol(north);
    const recordId = await patient.publish();
    const grantId = await patient.grant(doctor);
    await indexed(federation, patient);
    const { body: grant } = await north.call<GrantStatus>('GET', `/v1/grants/${grantId}`);
    expect(grant).toMatchObject({ grantId, threshold: 2, destroyedBy: [], acknowledgedBy: north.network.mspIds });
    const accepted = await submit(south, doctor.ask(patient.pseudonym, { priority: 'urgent' }));
    expect(accepted.homes).toEqual(['north']);
    const status = await reached(south, accepted.requestId, 'released');
    expect(status.final).toBe(true);
    const { answers } = await answerOf(south, accepted.requestId);
    expect(answers.map(({ region }) => region)).toEqual(['north']);
    expect(answers[0]?.headers.map((header) => header.recordId)).toEqual([recordId]);
    expect(answers[0]?.shares.length).toBeGreaterThanOrEqual(2);
    await mirrored(south, accepted.requestId, 'released');

    const receipt = doctor.receipt('north', accepted.requestId, status.legs[0]?.transactionId ?? '', [recordId]);
    const { status: http, body } = await south.call('POST', '/v1/receipts', { receipt });
    expect({ http, body }).toEqual({ http: 200, body: { state: 'committed' } });
    const query = patient.query();
    const {
      body: { accesses },
    } = await north.call<AccessesReply>('POST', '/v1/accesses', { query });
    expect(accesses).toMatchObject([
      { requestId: accepted.requestId, outcome: { outcome: 'released' }, openedAt: receipt.document.openedAt },
    ]);
  });

  it('says denied, with proof, when the patient granted nothing', async () => {
    const patient = await patientOf(federation, north);
    const { requestId } = await submit(south, doctor.ask(patient.pseudonym));
    await reached(south, requestId, 'denied');
    const { answers } = await answerOf(south, requestId);
    const proven = verifyOutcome(answers[0]?.proof as never, [north.network.trust]);
    expect(JSON.parse(Buffer.from(proven.payload).toString())).toMatchObject({
      requestId,
      outcome: 'denied',
      scopes: [{ permitted: false, reason: 'NO_GRANT' }],
    });
    await mirrored(south, requestId, 'denied');
  });

  it('releases nothing after a revocation, which every proxy hears of', async () => {
    const patient = await Patient.enrol(north);
    await patient.publish();
    const grantId = await patient.grant(doctor);
    await indexed(federation, patient);
    const { status } = await north.call('POST', '/v1/revocations', patient.revocation(grantId));
    expect(status).toBe(200);
    for (const witness of north.witnesses) expect(witness.revocations).toMatchObject([{ document: { grantId } }]);
    const { requestId } = await submit(south, doctor.ask(patient.pseudonym));
    await reached(south, requestId, 'denied');
    expect((await north.chain.outcome(requestId)).outcome.scopes).toMatchObject([{ reason: 'REVOKED' }]);
  });

  it('waits for consent when asked to, and is decided once the patient grants', async () => {
    const patient = await patientOf(federation, north);
    const { requestId } = await submit(south, doctor.ask(patient.pseudonym, { waitForConsent: true }));
    await reached(south, requestId, 'waiting');
    expect((await north.chain.waiting(patient.pseudonym)).map((entry) => entry.requestId)).toEqual([requestId]);
    await patient.grant(doctor);
    await reached(south, requestId, 'released');
    expect(await north.chain.waiting(patient.pseudonym)).toEqual([]);
  });

  it('denies a waiting request that the patient declines', async () => {
    const patient = await patientOf(federation, north);
    const { requestId } = await submit(south, doctor.ask(patient.pseudonym, { waitForConsent: true }));
    await reached(south, requestId, 'waiting');
    const stranger = await Patient.enrol(north);
    const forged = await north.call('POST', '/v1/denials', stranger.denial(requestId));
    expect(forged).toMatchObject({ status: 422, body: { code: 'NOT_WAITING' } });
    const ask = (query: unknown) => north.call<WaitingReply>('POST', '/v1/waiting', { query });
    expect((await ask(patient.query())).body.waiting.map((entry) => entry.requestId)).toEqual([requestId]);
    expect((await ask(stranger.query())).body.waiting).toEqual([]);
    const { pseudonym } = patient;
    for (const [query, code] of [
      [stranger.query({ pseudonym }), 'SIGNATURE_MISSING'],
      [patient.query({ region: 'south' }), 'REGION_MISMATCH'],
      [patient.query({ signedAt: Date.now() - 3_700_000 }), 'QUERY_STALE'],
    ] as const)
      expect((await ask(query)).body).toMatchObject({ code });
    expect((await north.call('POST', '/v1/denials', patient.denial(requestId))).status).toBe(200);
    expect((await ask(patient.query())).body.waiting).toEqual([]);
    await reached(south, requestId, 'denied');
    expect((await north.chain.outcome(requestId)).outcome.scopes).toMatchObject([{ reason: 'DECLINED' }]);
  });

  it('lets a waiting request expire at its end', async () => {
    const patient = await patientOf(federation, north);
    const changes = { waitForConsent: true, notAfter: Date.now() + 1500 };
    const { requestId } = await submit(south, doctor.ask(patient.pseudonym, changes));
    await reached(south, requestId, 'waiting');
    await reached(south, requestId, 'expired');
    await mirrored(south, requestId, 'expired');
    expect((await north.chain.outcome(requestId)).outcome.release).toBeUndefined();
  });

  it('proves by the main chain that no region holds a patient', async () => {
    const pseudonym = hash();
    const { requestId, homes } = await submit(south, doctor.ask(pseudonym));
    expect(homes).toEqual([]);
    await reached(south, requestId, 'absent');
    const { absence, answers } = await until(async () => {
      const reply = await answerOf(south, requestId);
      expect(reply.absence).toBeDefined();
      return reply;
    });
    expect(answers).toEqual([]);
    const proven = verifyOutcome(absence as never, [federation.main.trust], { function: 'Index:absent' });
    expect(JSON.parse(Buffer.from(proven.payload).toString())).toEqual({ pseudonym, requestId });
    await mirrored(south, requestId, 'absent');
  });

  it('goes to a region that was indexed only after the question was recorded', async () => {
    const [index, absence] = [queueOf(north, 'mirror'), queueOf(south, 'legs')];
    await Promise.all([index.queue.pause(), absence.queue.pause()]);
    await until(async () => expect(await index.queue.getActiveCount()).toBe(0));
    const patient = await Patient.enrol(north);
    await patient.grant(doctor);
    await patient.publish();
    const { requestId, homes } = await submit(south, doctor.ask(patient.pseudonym));
    expect(homes).toEqual([]);
    await index.queue.resume();
    await indexed(federation, patient);
    await absence.queue.resume();
    await reached(south, requestId, 'released');
    expect((await south.chain.request(requestId)).homes).toEqual(['north']);
    await mirrored(south, requestId, 'released');
    for (const each of [index, absence]) await each.close();
  });
});

describe('a query inside one region', () => {
  it('is asked and decided in one transaction', async () => {
    const own = await Practitioner.register(north);
    const patient = await Patient.enrol(north);
    const recordId = await patient.publish();
    await patient.grant(own);
    await indexed(federation, patient);
    const accepted = await submit(north, own.ask(patient.pseudonym));
    expect(accepted.homes).toEqual(['north']);
    const { transactionId } = await north.chain.outcome(accepted.requestId);
    expect(transactionId).toBe(accepted.transactionId);
    const { status, answers } = await answerOf(north, accepted.requestId);
    expect(status.legs).toEqual([{ region: 'north', state: 'released', transactionId }]);
    expect(answers[0]?.headers.map((header) => header.recordId)).toEqual([recordId]);
    expect(answers[0]?.shares.length).toBeGreaterThanOrEqual(2);
  });

  it('gives the same answer to a request submitted twice', async () => {
    const own = await Practitioner.register(north);
    const patient = await patientOf(federation, north);
    const request = own.ask(patient.pseudonym);
    const first = await submit(north, request);
    expect(await submit(north, request)).toEqual(first);
  });
});

describe('the registry', () => {
  it('shows every region with a proof that holds against the main chain', async () => {
    const { body } = await south.call<FederationReply>('GET', '/v1/federation');
    expect(body.regions.map(({ region }) => region)).toEqual(['north', 'south']);
    for (const { entry, proof } of body.regions) {
      const proven = verifyOutcome(proof as never, [federation.main.trust], { function: 'Registry:approve' });
      expect(JSON.parse(Buffer.from(proven.payload).toString())).toEqual({ applied: true, kind: 'region', entry });
    }
    expect(body.mainHeight).toBeGreaterThan(0);
  });

  it('mirrors a change of a region within seconds', async () => {
    await federation.register(north.entry(2, { name: 'North, renamed' }));
    for (const region of [north, south])
      await until(async () => expect((await region.chain.mirrorOf('north')).entry.version).toBe(2), 5000);
  });

  it('mirrors a change of the main chain’s trust roots, and shows it as the roots before attest it', async () => {
    const { trust } = federation.main;
    const entry = { ...trust, version: 2, validFrom: Date.now() + 600_000 };
    for (const authority of federation.authorities.slice(0, 2)) await authority.approve({ kind: 'main', entry });
    const main = await until(async () => {
      expect((await south.chain.foundation()).main.map(({ version }) => version)).toEqual([2, 1]);
      const { body } = await south.call<FederationReply>('GET', '/v1/federation');
      expect(body.main).toHaveLength(1);
      return body.main;
    });
    const proven = verifyOutcome(main[0] as never, [trust], { function: 'Registry:approve' });
    expect(JSON.parse(Buffer.from(proven.payload).toString())).toMatchObject({ applied: true, kind: 'main', entry });
  });

  it('sends whoever asks for a foreign key certificate to its own region', async () => {
    const patient = await Patient.enrol(north);
    await patient.grant(doctor);
    const { status, body } = await north.call('GET', `/v1/key-certificates/${doctor.keyCertificateId}`);
    expect({ status, body }).toMatchObject({ status: 404, body: { code: 'FOREIGN' } });
  });
});

describe('checkpoints', () => {
  it('anchor every outcome on the main chain, each extending the one before', async () => {
    const sizes: number[] = [];
    for (let round = 0; round < 2; round += 1) {
      const patient = await patientOf(federation, north);
      const { requestId } = await submit(south, doctor.ask(patient.pseudonym));
      await reached(south, requestId, 'denied');
      const { outcome, transactionId } = await north.chain.outcome(requestId);
      const leaf = toBase64url(outcomeLeaf(transactionId, outcome));
      await until(async () => {
        const checkpoint = await federation.authorities[0]?.checkpoint('north');
        const { size = 0, root } = checkpoint?.document ?? {};
        const leaves = await outcomesOf(north, size);
        expect(leaves).toContain(leaf);
        expect(root).toBe(toBase64url(merkleRoot(leaves.map(fromBase64url))));
        sizes.push(size);
      });
    }
    expect(sizes[1]).toBeGreaterThan(sizes[0] ?? 0);
  });
});
