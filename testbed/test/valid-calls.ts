import type { EmbeddedChaincode } from '@yilian/ledger/embedded';
import { CHAINCODE as MAIN } from '@yilian/main-chain';
import { contracts as mainContracts } from '@yilian/main-chain/contracts';
import { SecretKey } from '@yilian/pre';
import {
  Checkpoint,
  ConsentDenial,
  canonicalJson,
  DestructionReceipt,
  documentId,
  RECORDS_PER_PAGE,
  Request,
  signDocument,
} from '@yilian/protocol';
import { packProofs, CHAINCODE as REGIONAL } from '@yilian/regional-chain';
import { contracts as regionalContracts } from '@yilian/regional-chain/contracts';
import type { Testbed } from '@yilian/testbed';
import { ELSEWHERE, HOME, HOUR_MS, random, type Stage, type StageDoctor, type StagePatient, shifted } from './stage.ts';

/** A call that the contract accepts as it stands. */
export interface Call {
  readonly testbed: Testbed;
  readonly network: string;
  readonly mspId: string;
  readonly role: string;
  readonly name: string;
  readonly args: readonly unknown[];
  /** Whether it only reads. */
  readonly reads: boolean;
}

/** Arguments that may be left out, by their places: an empty text is a value of theirs. */
const OPTIONAL: Readonly<Record<string, readonly number[]>> = {
  'Grants:grant': [2],
  'Grants:list': [1],
  'Requests:accesses': [1, 2],
  'Requests:decide': [1, 2],
  'Requests:page': [2],
  'Requests:pending': [0],
  'Requests:waiting': [0, 1],
};
export const mayBeEmpty = ({ name }: Call, place: number): boolean => OPTIONAL[name]?.includes(place) ?? false;

export const chaincodeOf = ({ network }: Pick<Call, 'network'>): string => (network === 'main' ? MAIN : REGIONAL);
export const texts = (args: readonly unknown[]): string[] =>
  args.map((value) => (typeof value === 'string' ? value : canonicalJson(value)));

/** Every function of both chains' contracts, as `<chaincode> <Contract>:<function>`. */
export const FUNCTIONS: readonly string[] = [
  ...functionsOf(MAIN, mainContracts),
  ...functionsOf(REGIONAL, regionalContracts),
].sort();

function functionsOf(chaincode: string, contracts: EmbeddedChaincode['contracts']): string[] {
  return contracts.flatMap((type) =>
    Object.getOwnPropertyNames(type.prototype)
      .filter((member) => member !== 'constructor')
      .map((member) => `${chaincode} ${new type().getName()}:${member}`),
  );
}

/** The functions that these calls are of, spelled as {@link FUNCTIONS} is. */
export function functionsIn(calls: readonly Call[]): string[] {
  return calls.map((call) => `${chaincodeOf(call)} ${call.name}`).sort();
}

/** Before every other hash. */
const FIRST_ID = 'A'.repeat(43);

type By = (network: string, mspId: string) => (role: string, name: string, ...args: unknown[]) => Call;

/**
 * Every function with arguments it accepts, each once, and none waiting for another. They are valid for half a minute: stop
 * the clock to keep them so.
 * @param bare chains that nobody founded yet
 */
export async function validCalls(stage: Stage, bare: Testbed): Promise<Call[]> {
  await stage.registerProxies();
  const [patient, doctor] = [await stage.patient(), await stage.doctor()];
  await stage.publish(patient);
  await stage.grant(patient, doctor);
  const by =
    (testbed: Testbed, reads: boolean): By =>
    (network, mspId) =>
    (role, name, ...args) => ({ testbed, network, mspId, role, name, args, reads });
  const [writes, reads] = [by(stage.testbed, false), by(stage.testbed, true)];
  return [
    by(bare, false)('main', 'Authority1')('admin', 'Registry:found', bare.genesis),
    by(bare, false)(HOME, 'HospitalA1')('admin', 'Federation:found', HOME, bare.genesis),
    ...(await enrolments(stage, writes)),
    ...(await releases(stage, writes, reads, doctor)),
    ...(await consents(stage, writes, patient, doctor)),
    ...(await questions(stage, writes, patient, doctor)),
    ...(await changesOfMain(stage, writes, patient)),
    ...(await lookups(stage, reads, patient, doctor)),
  ];
}

/** People, keys and records. */
async function enrolments(stage: Stage, by: By): Promise<Call[]> {
  const { testbed } = stage;
  const hospital = by(HOME, 'HospitalA1');
  const newcomer = stage.patientKey(stage.newKeys());
  const registered = await testbed.prove('main', await testbed.main().registerPatient(newcomer));
  const practitioner = testbed.member('HospitalA1', 'practitioner', 'newcomer');
  const keyCertificate = stage.keyCertificate(practitioner, SecretKey.random(), { region: HOME });
  const [unbound, rotated] = [await stage.patient([]), await stage.patient()];
  const old = await stage.publish(rotated);
  await stage.hospital().bind(stage.scopeKey(rotated, { epoch: 2 }));
  await stage.relay().announce(rotated.pseudonym);
  return [
    hospital('hospital', 'Practitioners:register', keyCertificate),
    hospital('hospital', 'Patients:enrol', newcomer, registered),
    hospital('hospital', 'Patients:bind', stage.scopeKey(unbound)),
    hospital('relay', 'Patients:indexed', [rotated.pseudonym]),
    hospital('hospital', 'Records:publish', stage.record(rotated, { epoch: 2 })),
    hospital('hospital', 'Records:rewrap', stage.rewrap(rotated, old)),
  ];
}

/** Grants, and what proxies do about them. */
async function consents(stage: Stage, by: By, patient: StagePatient, doctor: StageDoctor): Promise<Call[]> {
  const { testbed, federation } = stage;
  const hospital = by(HOME, 'HospitalA1');
  const proxy = testbed.member('HospitalA1', 'proxy');
  const toAcknowledge = await stage.grant(patient, doctor, {}, 0);
  const toRevoke = await stage.grant(patient, doctor, {}, 0);
  const grantId = await stage.grant(patient, doctor, {}, 0);
  await stage.relay().revoke(stage.revocation(patient, grantId));
  const { grant } = await stage.relay().grantEntry(grantId);
  const commitment = grant.proxies.find(({ mspId }) => mspId === 'HospitalA1')?.commitment ?? '';
  const destruction = { federation, region: HOME, grantId, mspId: 'HospitalA1', commitment, destroyedAt: Date.now() };
  const granted = stage.grantDocument(patient, doctor);
  return [
    hospital('proxy', 'Grants:proxy', stage.proxyKey(proxy)),
    hospital('relay', 'Grants:grant', granted, doctor.keyCertificate, doctor.registration),
    hospital('proxy', 'Grants:acknowledge', toAcknowledge),
    hospital('relay', 'Grants:revoke', stage.revocation(patient, toRevoke)),
    hospital('proxy', 'Grants:destroyed', signDocument(DestructionReceipt, destruction, [proxy])),
  ];
}

/** Requests, of which one is over, one waits, one is answered and one is about nobody. */
async function questions(stage: Stage, by: By, patient: StagePatient, doctor: StageDoctor): Promise<Call[]> {
  const { testbed, federation } = stage;
  const [home, elsewhere] = [by(HOME, 'HospitalA1'), by(ELSEWHERE, 'CommissionB')];
  const asking = stage.relay(ELSEWHERE);
  const idOf = ({ document }: ReturnType<Stage['request']>) => documentId(Request.type, document);
  const over = await shifted(-240_000, async () => {
    const request = stage.request(doctor, patient, { notAfter: Date.now() + 1000 });
    await asking.ask(request, [HOME]);
    return idOf(request);
  });
  const notBefore = Date.now() - HOUR_MS;
  const height = await stage.mainHeight();
  const unsure = await stage.patient();
  const waiting = stage.request(doctor, unsure, { waitForConsent: true });
  await stage.relay().decide(waiting, doctor.keyCertificate, height);
  const { pseudonym } = unsure;
  const denial = { federation, region: HOME, pseudonym, requestId: idOf(waiting), signedAt: Date.now() };
  const asked = stage.request(doctor, patient);
  await asking.ask(asked, [HOME]);
  const answered = await stage.decide(doctor, asked);
  const nobody = stage.request(doctor, { pseudonym: random(32) });
  await asking.ask(nobody, []);
  const absent = await testbed.main().declareAbsent(nobody.document.pseudonym, idOf(nobody));
  return [
    elsewhere('relay', 'Requests:ask', stage.request(doctor, patient, { notBefore }), [HOME]),
    home('relay', 'Requests:decide', stage.request(doctor, patient, { notBefore }), doctor.keyCertificate, height, []),
    home('relay', 'Requests:decline', signDocument(ConsentDenial, denial, [unsure.signer])),
    elsewhere('relay', 'Requests:mirror', packProofs([await answered.proof()])),
    elsewhere('relay', 'Requests:absent', idOf(nobody), await testbed.prove('main', absent)),
    elsewhere('relay', 'Requests:fail', over, HOME),
    home('relay', 'Requests:opened', [stage.receipt(doctor, answered.outcome, answered.committed)]),
  ];
}

/** Releases of more records than one transaction holds. */
async function releases(stage: Stage, writes: By, reads: By, doctor: StageDoctor): Promise<Call[]> {
  const patient = await stage.patient();
  const { header } = stage.record(patient).document;
  const records = Array.from({ length: RECORDS_PER_PAGE + 1 }, () => stage.publish(patient, { header }));
  await Promise.all(records);
  await stage.grant(patient, doctor);
  const decided = async () => {
    const request = stage.request(doctor, patient);
    await stage.decide(doctor, request);
    return documentId(Request.type, request.document);
  };
  const [first, second] = [await decided(), await decided()];
  const height = await stage.mainHeight();
  const paged = await stage.relay().page(second, 1, height);
  return [
    writes(HOME, 'HospitalA1')('relay', 'Requests:page', first, '1', height),
    reads(HOME, 'AuditorA')('relay', 'Requests:pageOf', second, '1'),
    reads(HOME, 'AuditorA')('relay', 'Requests:release', second, paged.transactionId),
    reads(HOME, 'AuditorA')('relay', 'Requests:standing', second, paged.transactionId),
    reads(HOME, 'AuditorA')('relay', 'Requests:receipts', second, paged.transactionId),
  ];
}

async function changesOfMain(stage: Stage, by: By, patient: StagePatient): Promise<Call[]> {
  const { testbed, federation } = stage;
  const [home, authority] = [by(HOME, 'HospitalA1'), by('main', 'Authority1')];
  const [region] = await testbed.main().regions();
  if (region === undefined) throw new Error('no region');
  const announced = await testbed.prove(HOME, await stage.relay().announce(patient.pseudonym));
  const newcomer = await stage.patient();
  await stage.publish(newcomer);
  const checkpoint = { federation, region: HOME, size: 1, root: random(32), at: Date.now() };
  const second = { ...region.entry, version: region.entry.version + 1, name: '上海' };
  const applied = await testbed.prove('main', await testbed.approve({ kind: 'region', entry: second }));
  const third = { ...second, version: second.version + 1 };
  return [
    home('relay', 'Patients:announce', newcomer.pseudonym),
    home('relay', 'Federation:mirror', applied),
    authority('relay', 'Patients:register', stage.patientKey(stage.newKeys())),
    authority('relay', 'Index:add', announced),
    authority('relay', 'Index:absent', random(32), random(32)),
    authority('admin', 'Registry:approve', { kind: 'region', entry: third }),
    authority('relay', 'Checkpoints:anchor', signDocument(Checkpoint, checkpoint, stage.proxyMembers()), []),
  ];
}

/** Everything that only reads. */
async function lookups(stage: Stage, by: By, patient: StagePatient, doctor: StageDoctor): Promise<Call[]> {
  const [home, elsewhere, main] = [by(HOME, 'AuditorA'), by(ELSEWHERE, 'AuditorB'), by('main', 'Authority4')];
  const recordId = await stage.publish(patient);
  const grantId = await stage.grant(patient, doctor, {}, 0);
  const asked = stage.request(doctor, patient);
  await stage.relay(ELSEWHERE).ask(asked, [HOME]);
  await stage.decide(doctor, asked);
  const requestId = documentId(Request.type, asked.document);
  const { pseudonym } = patient;
  return [
    home('relay', 'Federation:get'),
    home('relay', 'Federation:region', ELSEWHERE),
    home('relay', 'Federation:scopes'),
    elsewhere('relay', 'Practitioners:get', doctor.id),
    home('relay', 'Patients:unindexed'),
    home('relay', 'Patients:get', pseudonym),
    home('relay', 'Patients:scopes', pseudonym),
    home('relay', 'Records:get', recordId),
    home('relay', 'Records:headers', [recordId]),
    home('relay', 'Grants:proxies'),
    home('relay', 'Grants:get', grantId),
    home('relay', 'Grants:list', pseudonym, doctor.id),
    elsewhere('relay', 'Requests:request', requestId),
    home('relay', 'Requests:outcome', requestId),
    elsewhere('relay', 'Requests:pending', FIRST_ID),
    home('relay', 'Requests:waiting', pseudonym, `${pseudonym}/${requestId}`),
    home('relay', 'Requests:accesses', stage.accessQuery(patient), '', ''),
    main('relay', 'Registry:get'),
    main('relay', 'Registry:regions'),
    main('relay', 'Registry:scopes'),
    main('relay', 'Registry:scopeState'),
    main('relay', 'Patients:get', pseudonym),
    main('relay', 'Index:lookup', pseudonym),
    main('relay', 'Checkpoints:get', HOME),
    main('relay', 'Checkpoints:fork', HOME),
  ];
}
