import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { SecretKey } from '@yilian/pre';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type * as core from '../src/core/index.ts';
import { type Dossier, dossier } from '../src/index.ts';
import { ASKING, Case, PLAINTEXT } from './fixture/case.ts';
import { collect, FEDERATION } from './fixture/federation.ts';
import { servePage } from './fixture/page.ts';

/** What the bundle puts into the page. */
declare const yilian: typeof core & { readonly SecretKey: typeof SecretKey };

const executablePath = (process.env['PATH'] ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'chromium'))
  .find(isExecutable);

describe.skipIf(executablePath === undefined)('in Chromium, which is skipped when PATH has no chromium', () => {
  let scene: Case;
  let served: Awaited<ReturnType<typeof servePage>>;
  let browser: Browser;
  let page: Page;
  const files = new Map<string, Uint8Array>();

  beforeAll(async () => {
    scene = await Case.open();
    served = await servePage(async (path) => {
      if (path !== '/v1/federation') return files.get(path);
      return new Uint8Array(await (await scene.federation.fetch(`http://${ASKING}.test${path}`)).arrayBuffer());
    });
    browser = await chromium.launch({ executablePath: executablePath ?? '', args: ['--no-sandbox'] });
    page = await browser.newPage();
    await page.goto(served.url);
  }, 60_000);

  afterAll(async () => {
    await browser.close();
    served.close();
    await scene[Symbol.asyncDispose]();
  });

  test('a dossier is verified offline, and refused with a field changed', async () => {
    const { view, keyCertificate, doctor: practitioner, federation } = scene;
    const { request, answer, leg, record } = await scene.answer();
    const receipts = [practitioner.receipt(leg, [record.recordId])];
    const whole = dossier({ view, keyCertificate, request, answer, practitioner, receipts });
    const verify = (document: Dossier) =>
      page.evaluate(
        async ([value, genesis]) => {
          try {
            return (await yilian.verifyDossier(value, genesis)).requester.name;
          } catch (error) {
            return error instanceof yilian.ClientError ? error.code : String(error);
          }
        },
        [document, federation.genesis] as const,
      );
    expect(await verify(whole)).toBe('Dr. Li');
    const document = { ...request.document, purpose: 'HRESCH' };
    expect(await verify({ ...whole, request: { ...request, document } })).toBe('REQUEST_INVALID');
  });

  test('a record is verified up to main-chain roots and opened', async () => {
    const request = scene.ask();
    const reply = await scene.federation.decide(request, ['region-a']);
    const { cid, sealedSizeBytes: sizeBytes } = scene.published;
    files.set('/body', await collect(scene.federation.vault.get(cid as never, { sizeBytes })));
    const secret = [...scene.secret.toBytes()];
    const opened = await page.evaluate(
      async ({ url, federation, genesis, secret: bytes, request: question, reply: given }) => {
        const view = await yilian.FederationView.load(new yilian.RelayClient(url), genesis);
        const doctor = new yilian.Practitioner({
          federation,
          region: 'region-b',
          mspId: 'RegionBHospital1',
          certificate: '',
          sign: () => new Uint8Array(),
          secret: yilian.SecretKey.fromBytes(Uint8Array.from(bytes)),
        });
        const [leg] = doctor.verify(view, question, given).legs;
        if (leg === undefined || !yilian.isProven(leg)) throw new Error('not proven');
        const body = async function* () {
          yield new Uint8Array(await (await fetch('/body')).arrayBuffer());
        };
        const [record] = leg.outcome.release?.records ?? [];
        if (record === undefined) throw new Error('not released');
        let text = '';
        for await (const piece of doctor.open(leg, record, { body })) text += new TextDecoder().decode(piece);
        return text;
      },
      { url: served.url, federation: FEDERATION, genesis: scene.federation.genesis, secret, request, reply },
    );
    expect(opened).toBe(PLAINTEXT);
  });
});

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
