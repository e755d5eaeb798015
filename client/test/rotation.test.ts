import { MainChain } from '@yilian/main-chain';
import type { OutcomeProof, Trust } from '@yilian/protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dossier, FederationView, verifyDossier } from '../src/index.ts';
import { Case, failure, HOME } from './fixture/case.ts';
import { approve } from './fixture/federation.ts';

let scene: Case;
let rotation: OutcomeProof;
let rotationId: string;
/** The entry of each region, attested under the new roots. */
let renewed: OutcomeProof[];
beforeAll(async () => {
  scene = await Case.open();
  const { main, mainRelay } = scene.federation;
  const admins = ['MainA', 'MainB', 'MainC'].map((mspId) => new MainChain(main.connection(mspId, 'admin'), 'main'));
  const entry: Trust = { ...main.trust, version: 2, validFrom: Date.now() - 1000 };
  rotation = await approve(main, admins, { kind: 'main', entry });
  rotationId = (await mainRelay.foundation()).changedIn ?? '';
  const regions = await mainRelay.regions();
  renewed = await Promise.all(regions.map(({ transactionId }) => main.prove(transactionId, undefined, 2)));
});
afterAll(() => scene[Symbol.asyncDispose]());

test('a view follows the main chain’s trust roots from the pinned genesis', async () => {
  const { federation } = scene;
  expect(scene.view.trusts('main')).toEqual([federation.genesis.main]);
  expect(await failure(() => FederationView.fromProofs(renewed, federation.genesis))).toMatchObject({
    code: 'REGION_ENTRY_INVALID',
  });
  federation.rotations.push(rotation);
  const view = await federation.view();
  expect(view.trusts('main')).toEqual((await federation.mainRelay.foundation()).main);
  expect(FederationView.fromProofs(renewed, federation.genesis, [rotation]).region(HOME)).toEqual(view.region(HOME));
});

test('a change that the roots before did not attest, or that is none, is refused', async () => {
  const { federation } = scene;
  const selfMade = await federation.main.prove(rotationId, undefined, 2);
  const { proof } = federation.region(HOME);
  for (const main of [[selfMade], [rotation, rotation], [proof]])
    expect(await failure(() => FederationView.fromProofs([proof], federation.genesis, main))).toEqual({
      code: 'ROTATION_INVALID',
    });
});

test('a dossier carries the changes its proofs rest on', async () => {
  const { doctor: practitioner, keyCertificate, federation } = scene;
  const { genesis } = federation;
  const { request, answer } = await scene.answer();
  const view = FederationView.fromProofs(renewed, genesis, [rotation]);
  const evidence = dossier({ view, keyCertificate, request, answer, practitioner });
  expect(evidence.main).toEqual([rotation]);
  expect((await verifyDossier(evidence, genesis)).legs).toMatchObject([{ region: HOME, state: 'released' }]);
  const { main, ...cut } = evidence;
  expect(await failure(() => verifyDossier(cut, genesis))).toEqual({ code: 'REGION_ENTRY_INVALID' });
  const twice = { ...cut, main: [...(main ?? []), rotation] };
  expect(await failure(() => verifyDossier(twice, genesis))).toEqual({ code: 'ROTATION_INVALID' });
});
