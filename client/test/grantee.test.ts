import { X509Certificate } from 'node:crypto';
import { createAuthority, createSigner } from '@yilian/ledger';
import { MainChain } from '@yilian/main-chain';
import { SecretKey, Signer } from '@yilian/pre';
import { type DocumentSigner, KeyCertificate, type RegionEntry, type SignedBy, signDocument } from '@yilian/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FederationView } from '../src/index.ts';
import { ASKING, Case, failure } from './fixture/case.ts';
import { approve, FEDERATION } from './fixture/federation.ts';

let scene: Case;
beforeAll(async () => {
  scene = await Case.open();
});
afterAll(() => scene[Symbol.asyncDispose]());

const HOUR_MS = 3_600_000;
const secret = SecretKey.random();
const possession = new Signer(secret);
const check = (keyCertificate: SignedBy<typeof KeyCertificate>, view = scene.view, at = Date.now()) =>
  failure(() => scene.patient.grantee(view, { ...scene.keyCertificate, keyCertificate }, at));

/** An X.509 signer of the doctor's hospital. */
function certified(role = 'practitioner', options: { notBefore?: number; notAfter?: number } = {}) {
  const { network, mspId } = scene.federation.region(ASKING);
  const { certificate, privateKey } = network.issue(mspId('Hospital1'), role, { commonName: 'Dr. Eve', ...options });
  return { certificate, sign: createSigner(privateKey) };
}

/** A key certificate for `secret` in the name of this X.509 certificate. */
function forged(
  x509: { certificate: string },
  signers: readonly DocumentSigner[],
  change: Partial<KeyCertificate> = {},
): SignedBy<typeof KeyCertificate> {
  const certificate = new X509Certificate(x509.certificate).fingerprint256.replaceAll(':', '').toLowerCase();
  const key = secret.publicKey().toBase64url();
  const { document } = scene.keyCertificate.keyCertificate;
  return signDocument(KeyCertificate, { ...document, certificate, key, ...change }, signers);
}

/** A view in which the authorities changed a region's entry. */
async function changed(region: string, change: (entry: RegionEntry) => Partial<RegionEntry>): Promise<FederationView> {
  const { main } = scene.federation;
  const admins = ['MainA', 'MainB', 'MainC'].map((mspId) => new MainChain(main.connection(mspId, 'admin'), 'main'));
  const current = (await admins[0]!.regions()).find(({ entry }) => entry.region === region)!.entry;
  const entry = { ...current, version: current.version + 1, ...change(current) };
  const proof = await approve(main, admins, { kind: 'region', entry });
  return FederationView.fromProofs([proof], scene.federation.genesis);
}

test('a registered practitioner is shown by name, hospital and fingerprint', () => {
  const { certificate, key } = scene.keyCertificate.keyCertificate.document;
  expect(scene.patient.grantee(scene.view, scene.keyCertificate)).toMatchObject({
    name: 'Dr. Li',
    hospital: 'RegionBHospital1',
    fingerprint: certificate,
    key,
    region: ASKING,
  });
});

describe('a grantee is refused', () => {
  test('without possession of the key', async () => {
    const x509 = certified();
    expect(await check(forged(x509, [x509]))).toEqual({ code: 'POSSESSION_UNPROVEN' });
    const another = new Signer(SecretKey.random());
    expect(await check(forged(x509, [x509, another]))).toEqual({ code: 'POSSESSION_UNPROVEN' });
  });

  test('with signatures beside the two that are checked', async () => {
    const x509 = certified();
    const another = new Signer(SecretKey.random());
    expect(await check(forged(x509, [x509, possession, another]))).toEqual({ code: 'KEY_CERTIFICATE_INVALID' });
    expect(await check(forged(x509, [x509, certified(), possession]))).toEqual({ code: 'KEY_CERTIFICATE_INVALID' });
  });

  test('when somebody else’s registration stands in for theirs', async () => {
    const x509 = certified();
    expect(await check(forged(x509, [x509, possession]))).toEqual({ code: 'REGISTRATION_INVALID' });
  });

  test('when the key was exchanged after signing', async () => {
    const { keyCertificate } = scene.keyCertificate;
    const document = { ...keyCertificate.document, key: secret.publicKey().toBase64url() };
    expect(await check({ ...keyCertificate, document })).toEqual({ code: 'KEY_CERTIFICATE_INVALID' });
  });

  test('when another certificate signed than the one named', async () => {
    const x509 = certified();
    expect(await check(forged(certified(), [x509, possession]))).toEqual({ code: 'KEY_CERTIFICATE_INVALID' });
  });

  test('when a foreign authority issued the certificate', async () => {
    const foreign = createAuthority({ mspId: 'RegionBHospital1' });
    const attributes = { 'yilian.role': 'practitioner' };
    const { certificate, privateKey } = foreign.issue({ commonName: 'Dr. Li', role: 'client', attributes });
    const x509 = { certificate, sign: createSigner(privateKey) };
    expect(await check(forged(x509, [x509, possession]))).toEqual({ code: 'CERTIFICATE_UNTRUSTED' });
  });

  test('of an organisation or region nobody registered', async () => {
    const x509 = certified();
    const elsewhere = forged(x509, [x509, possession], { mspId: 'Nowhere' });
    expect(await check(elsewhere)).toEqual({ code: 'CERTIFICATE_UNTRUSTED' });
    expect(await check(forged(x509, [x509, possession], { region: 'region-z' }))).toEqual({ code: 'REGION_UNKNOWN' });
    const federation = forged(x509, [x509, possession], { federation: 'another' });
    expect(await check(federation)).toEqual({ code: 'KEY_CERTIFICATE_INVALID' });
  });

  test('with a certificate of another role', async () => {
    const x509 = certified('hospital');
    expect(await check(forged(x509, [x509, possession]))).toEqual({ code: 'KEY_CERTIFICATE_INVALID' });
  });

  test('when the certificate or the key certificate is out of its time', async () => {
    const over = certified('practitioner', { notBefore: Date.now() - 2 * HOUR_MS, notAfter: Date.now() - HOUR_MS });
    expect(await check(forged(over, [over, possession]))).toEqual({ code: 'CERTIFICATE_EXPIRED' });
    const x509 = certified();
    const ended = forged(x509, [x509, possession], { notAfter: Date.now() - 1 });
    expect(await check(ended)).toEqual({ code: 'CERTIFICATE_EXPIRED' });
    const longer = forged(x509, [x509, possession], { notAfter: Date.now() + 10_000 * 24 * HOUR_MS });
    expect(await check(longer)).toEqual({ code: 'KEY_CERTIFICATE_INVALID' });
  });

  test('when the authorities registered the revocation of the certificate', async () => {
    const { network, mspId } = scene.federation.region(ASKING);
    const authority = network.authorities.get(mspId('Hospital1'))!;
    const [signature] = scene.keyCertificate.keyCertificate.signatures;
    authority.revoke(signature?.alg === 'ES256' ? signature.certificate : '');
    const view = await changed(ASKING, ({ trusts }) => ({
      trusts: trusts.map((trust) => ({
        ...trust,
        organisations: trust.organisations.map((organisation) =>
          organisation.mspId === authority.mspId ? { ...organisation, crls: [authority.crl()] } : organisation,
        ),
      })),
    }));
    expect(await check(scene.keyCertificate.keyCertificate, view)).toEqual({ code: 'CERTIFICATE_REVOKED' });
    expect(view.versions()).toEqual({ [ASKING]: 2 });
  });

  test('while their region is frozen', async () => {
    const view = await changed(ASKING, () => ({ frozen: true, trusts: [...scene.view.trusts(ASKING)] }));
    expect(await check(scene.keyCertificate.keyCertificate, view)).toEqual({ code: 'REGION_FROZEN', party: ASKING });
  });
});

describe('a view of the federation', () => {
  test('takes no region’s entry on the relay’s word', async () => {
    const { federation } = scene;
    const proof = federation.region(ASKING).proof;
    const honest = { federation: FEDERATION, region: ASKING, mainHeight: 1, scopes: [], main: [] };
    const load = (regions: unknown[], change = {}) => {
      federation.overrides.set('GET region-a.test/v1/federation', () => ({ ...honest, ...change, regions }));
      return failure(() => FederationView.load(federation.relay('region-a'), federation.genesis));
    };
    const { entry } = federation.region(ASKING);
    const [first] = proof.attestations;
    const alone = { ...proof, attestations: [first!] };
    expect(await load([{ region: ASKING, entry, proof: alone }])).toEqual({ code: 'REGION_ENTRY_INVALID' });
    const listed = { region: ASKING, entry, proof };
    expect(await load([listed, listed])).toEqual({ code: 'REGION_ENTRY_INVALID' });
    const registered = { region: ASKING, entry, proof: scene.keyCertificate.proof };
    expect(await load([registered])).toEqual({ code: 'REGION_ENTRY_INVALID' });
    expect(await load([listed], { federation: 'another' })).toEqual({ code: 'FEDERATION_MISMATCH' });
    expect(await load('nonsense' as never)).toEqual({ code: 'REPLY_MALFORMED' });
    federation.overrides.clear();
  });

  test('shows what the proof says where the relay writes something else beside it', async () => {
    const { federation } = scene;
    const { entry, proof } = federation.region(ASKING);
    const regions = [{ region: ASKING, entry: { ...entry, name: 'lie' }, proof }];
    federation.overrides.set('GET region-a.test/v1/federation', () => {
      return { federation: FEDERATION, region: ASKING, mainHeight: 1, scopes: [], main: [], regions };
    });
    const view = await federation.view();
    expect(view.region(ASKING).name).toBe(entry.name);
    expect(view.relayUrl(ASKING)).toBe(entry.relays[0]!.url);
    expect(await failure(() => view.region('region-z'))).toEqual({ code: 'REGION_UNKNOWN' });
    federation.overrides.clear();
  });
});
