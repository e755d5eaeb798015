import { evaluate, LedgerError } from '@yilian/ledger';
import { CHAINCODE as MAIN } from '@yilian/main-chain';
import { SecretKey } from '@yilian/pre';
import {
  Checkpoint,
  ConsentDenial,
  canonicalJson,
  DestructionReceipt,
  documentId,
  Request,
  signDocument,
} from '@yilian/protocol';
import { CHAINCODE as REGIONAL } from '@yilian/regional-chain';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { textMutation, valueMutation } from './mutations.ts';
import { ELSEWHERE, HOME, random, Stage } from './stage.ts';

/** A call that the contract accepts as it stands. */
interface Call {
  readonly network: string;
  readonly mspId: string;
  readonly role: string;
  readonly name: string;
  readonly args: readonly unknown[];
}

let stage: Stage;
let calls: Call[];
beforeAll(async () => {
  stage = await Stage.open();
  calls = await validCalls();
}, 60_000);
afterAll(() => stage[Symbol.asyncDispose]());

const texts = (args: readonly unknown[]) =>
  args.map((value) => (typeof value === 'string' ? value : canonicalJson(value)));

/** Runs a call on one peer: `accepted`, the refusal's code, or an error that has none. */
async function attempt({ network, mspId, role, name }: Call, args: readonly (string | Uint8Array)[]): Promise<string> {
  const connection = stage.testbed.connection(network, stage.testbed.member(mspId, role));
  try {
    await evaluate(connection.contract(network, network === 'main' ? MAIN : REGIONAL), name, args);
    return 'accepted';
  } catch (error) {
    if (!(error instanceof LedgerError)) throw error;
    return error.contractCode ?? `${error.code} without a code: ${error.message}`;
  } finally {
    connection.close();
  }
}

/** Every writing function, with arguments it accepts. */
async function validCalls(): Promise<Call[]> {
  const { testbed, federation } = stage;
  await stage.registerProxies();
  const [patient, unsure, rotated] = [await stage.patient(), await stage.patient(), await stage.patient()];
  const [doctor, own] = [await stage.doctor(), await stage.doctor(HOME)];
  await stage.publish(patient);
  await stage.grant(patient, doctor);
  const toAcknowledge = await stage.grant(patient, doctor, {}, 0);
  const toDestroy = await stage.grant(patient, doctor, {}, 0);
  await stage.relay().revoke(stage.revocation(patient, toDestroy));
  const height = await stage.mainHeight();
  const newcomer = stage.patientKey(stage.newKeys());
  const registered = await testbed.prove('main', await testbed.main().registerPatient(newcomer));
  const { outcome, committed } = await stage.decide(doctor, stage.request(doctor, patient));
  const waiting = stage.request(doctor, unsure, { waitForConsent: true });
  await stage.relay().decide(waiting, doctor.keyCertificate, height);
  const asked = stage.request(doctor, patient);
  await stage.relay(ELSEWHERE).ask(asked, [HOME]);
  const answered = await stage.decide(doctor, asked);
  const nobody = stage.request(doctor, { pseudonym: random(32) });
  const nobodyId = documentId(Request.type, nobody.document);
  await stage.relay(ELSEWHERE).ask(nobody, []);
  const absent = await testbed.prove('main', await testbed.main().declareAbsent(nobody.document.pseudonym, nobodyId));
  const announced = await testbed.prove(HOME, await stage.relay().announce(patient.pseudonym));
  const [region] = await testbed.main().regions();
  const regionProof = await testbed.prove('main', region ?? committed);
  const old = await stage.publish(rotated);
  await stage.hospital().bind(stage.scopeKey(rotated, { epoch: 2 }));
  const requestId = documentId(Request.type, waiting.document);
  const denial = { federation, region: HOME, pseudonym: unsure.pseudonym, requestId, signedAt: Date.now() };
  const { grant } = await stage.relay().grantEntry(toDestroy);
  const commitment = grant.proxies.find(({ mspId }) => mspId === 'HospitalA1')?.commitment ?? '';
  const destruction = { federation, region: HOME, grantId: toDestroy, mspId: 'HospitalA1', commitment, destroyedAt: 1 };
  const proxy = testbed.member('HospitalA1', 'proxy');
  const practitioner = testbed.member('HospitalA1', 'practitioner', 'newcomer');
  const checkpoint = { federation, region: HOME, size: 1, root: random(32), at: Date.now() };
  const by =
    (network: string, mspId: string) =>
    (role: string, name: string, ...args: unknown[]): Call => ({ network, mspId, role, name, args });
  const [home, elsewhere, main] = [by(HOME, 'HospitalA1'), by(ELSEWHERE, 'CommissionB'), by('main', 'Authority1')];
  return [
    home('relay', 'Federation:mirror', regionProof),
    home(
      'hospital',
      'Practitioners:register',
      stage.keyCertificate(practitioner, SecretKey.random(), { region: HOME }),
    ),
    home('hospital', 'Patients:enrol', newcomer, registered),
    home('hospital', 'Patients:bind', stage.scopeKey(patient, { scope: 'imaging' })),
    home('relay', 'Patients:announce', patient.pseudonym),
    home('relay', 'Patients:indexed', [patient.pseudonym]),
    home('hospital', 'Records:publish', stage.record(patient)),
    home('hospital', 'Records:rewrap', stage.rewrap(rotated, old)),
    home('proxy', 'Grants:proxy', stage.proxyKey(proxy)),
    home('relay', 'Grants:grant', stage.grantDocument(patient, doctor), doctor.keyCertificate, doctor.registration),
    home('proxy', 'Grants:acknowledge', toAcknowledge),
    home('relay', 'Grants:revoke', stage.revocation(patient, toAcknowledge)),
    home('proxy', 'Grants:destroyed', signDocument(DestructionReceipt, destruction, [proxy])),
    home('relay', 'Requests:ask', stage.request(own, patient), [ELSEWHERE]),
    home('relay', 'Requests:decide', stage.request(doctor, patient), doctor.keyCertificate, height, []),
    home('relay', 'Requests:decline', signDocument(ConsentDenial, denial, [unsure.signer])),
    home('relay', 'Requests:opened', [stage.receipt(doctor, outcome, committed)]),
    home('relay', 'Requests:accesses', stage.accessQuery(patient), '', ''),
    elsewhere('relay', 'Requests:mirror', [await answered.proof()]),
    elsewhere('relay', 'Requests:absent', nobodyId, absent),
    main('relay', 'Patients:register', stage.patientKey(stage.newKeys())),
    main('relay', 'Index:add', announced),
    main('relay', 'Index:absent', random(32), random(32)),
    main('admin', 'Registry:approve', { kind: 'region', entry: { ...region?.entry, version: 2 } }),
    main('relay', 'Checkpoints:anchor', signDocument(Checkpoint, checkpoint, stage.proxyMembers()), []),
  ];
}

/** Where a signature covers every byte: the document of a signed one, alone or first of a list. */
function signedPart(value: unknown): readonly string[] | undefined {
  if (Array.isArray(value)) {
    const inner = signedPart(value[0]);
    return inner === undefined ? undefined : ['0', ...inner];
  }
  const isSigned = typeof value === 'object' && value !== null && 'document' in value && 'signatures' in value;
  return isSigned ? ['document'] : undefined;
}

const anyCall = () => fc.nat({ max: calls.length - 1 }).map((index) => calls[index] as Call);

/** One call with one of its JSON arguments changed by `mutate`. */
function mutated(mutate: (value: unknown) => fc.Arbitrary<string>, suits: (value: unknown) => boolean) {
  return anyCall().chain((call) => {
    const places = call.args.flatMap((value, index) => (typeof value === 'object' && suits(value) ? [index] : []));
    if (places.length === 0) return fc.constant(undefined);
    return fc
      .constantFrom(...places)
      .chain((place) => mutate(call.args[place]).map((text) => ({ call, args: texts(call.args).with(place, text) })));
  });
}

describe('the contracts', () => {
  test('accept every call as it stands', async () => {
    const verdicts = [];
    for (const call of calls) verdicts.push([call.name, await attempt(call, texts(call.args))]);
    expect(verdicts).toEqual(calls.map(({ name }) => [name, 'accepted']));
  });

  test('take each call from the one role it is for, save what a patient signed', async () => {
    const anybody = new Set(['Grants:grant', 'Grants:revoke', 'Requests:decline', 'Requests:accesses']);
    const verdicts: string[] = [];
    const expected: string[] = [];
    for (const call of calls) {
      for (const role of ['admin', 'hospital', 'relay', 'proxy', 'practitioner']) {
        const may =
          role === call.role || anybody.has(call.name) || (role === 'admin' && call.name === 'Federation:mirror');
        if (role === call.role) continue;
        verdicts.push(`${call.name} ${role}: ${await attempt({ ...call, role }, texts(call.args))}`);
        expected.push(`${call.name} ${role}: ${may ? 'accepted' : 'ROLE_REQUIRED'}`);
      }
    }
    expect(verdicts).toEqual(expected);
  });

  test('refuse any change within what is signed, with a code', async () => {
    const change = mutated(
      (value) => valueMutation(value, signedPart(value)).map((other) => JSON.stringify(other)),
      (value) => signedPart(value) !== undefined,
    );
    await fc.assert(
      fc.asyncProperty(change, async (attempted) => {
        if (attempted === undefined) return;
        const same = texts(attempted.call.args).every((text, index) => text === attempted.args[index]);
        if (!same) expect(await attempt(attempted.call, attempted.args)).toMatch(/^[A-Z][A-Z0-9_]+$/);
      }),
      { numRuns: 600 },
    );
  }, 60_000);

  test('refuse every other spelling of an argument', async () => {
    const change = mutated(
      (value) => textMutation(canonicalJson(value)),
      () => true,
    );
    await fc.assert(
      fc.asyncProperty(change, async (attempted) => {
        if (attempted === undefined) return;
        const code = await attempt(attempted.call, attempted.args);
        const optional = attempted.args.some((text) => text === '');
        if (!optional) expect(['ARGUMENT_MALFORMED', 'ARGUMENT_TOO_LARGE', 'DOCUMENT_MALFORMED']).toContain(code);
        else expect(code).toMatch(/^(accepted|[A-Z][A-Z0-9_]+)$/);
      }),
      { numRuns: 400 },
    );
  }, 60_000);

  test('answer any change anywhere with a code, and stay up', async () => {
    const change = mutated(
      (value) => valueMutation(value).map((other) => tryCanonical(other)),
      () => true,
    );
    await fc.assert(
      fc.asyncProperty(change, async (attempted) => {
        if (attempted === undefined) return;
        expect(await attempt(attempted.call, attempted.args)).toMatch(/^(accepted|[A-Z][A-Z0-9_]+)$/);
      }),
      { numRuns: 600 },
    );
    for (const call of calls) expect(await attempt(call, texts(call.args))).toBe('accepted');
  }, 60_000);

  test('refuse identifiers that are none, and bytes that are no text', async () => {
    const strange = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 50 }),
      fc.constantFrom('', '\u0000', 'a\u0000b', '\u{10FFFF}', '../x', 'A'.repeat(100_000), '__proto__'),
      fc.uint8Array({ minLength: 1, maxLength: 43 }),
    );
    const ids = calls.filter(({ args }) => args.some((value) => typeof value === 'string'));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...ids), strange, async (call, id) => {
        const args = call.args.map((value) =>
          typeof value === 'string' && value !== '' ? id : (texts([value])[0] ?? ''),
        );
        if (call.name === 'Requests:accesses') return;
        expect(await attempt(call, args)).toMatch(/^(ARGUMENT|DOCUMENT)_(MALFORMED|TOO_LARGE)$/);
      }),
      { numRuns: 80 },
    );
  }, 60_000);

  test('are called by one name each', async () => {
    const [call] = calls;
    if (call === undefined) throw new Error('no call');
    const args = texts(call.args);
    for (const name of ['mirror', 'Federation:mirror\n', 'Federation:mirror\nx', ':mirror', 'Federation::mirror'])
      expect(await attempt({ ...call, name }, args)).toBe('FUNCTION_UNKNOWN');
    for (const name of [
      'Federation:toString',
      'Federation:constructor',
      'Federation:beforeTransaction',
      'Federation:x',
    ])
      expect(await attempt({ ...call, name }, args)).toBe('FUNCTION_UNKNOWN');
  });
});

function tryCanonical(value: unknown): string {
  try {
    return canonicalJson(value);
  } catch {
    return JSON.stringify(value);
  }
}
