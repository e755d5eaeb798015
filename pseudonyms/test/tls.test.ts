import { once } from 'node:events';
import { chmod, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { connect as connectTls } from 'node:tls';
import { createAuthority } from '@yilian/ledger';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPseudonyms } from '../src/index.ts';
import { TestAuthority } from './authority.ts';

let authority: TestAuthority;
let tls: { certificateFile: string; privateKeyFile: string };
let ca: string;
beforeAll(async () => {
  authority = await TestAuthority.open();
  const own = createAuthority({ mspId: 'Authority1' });
  const issued = own.issue({ commonName: 'pseudonyms', role: 'client', hosts: ['127.0.0.1'] });
  ca = own.rootPem;
  tls = { certificateFile: join(authority.folder, 'cert.pem'), privateKeyFile: join(authority.folder, 'key.pem') };
  await writeFile(tls.certificateFile, issued.certificate);
  await writeFile(tls.privateKeyFile, issued.privateKey, { mode: 0o600 });
});
afterAll(() => authority[Symbol.asyncDispose]());

const start = () => startPseudonyms(authority.config({ tls }), authority.dependencies());

test('a service with a certificate speaks TLS, to those who know its root', async () => {
  const { url, close } = await start();
  expect(url).toMatch(/^https:/);
  const health = (options: object) => {
    const asked = request(`${url}/health`, { agent: false, ...options });
    asked.end();
    return once(asked, 'response');
  };
  await expect(health({})).rejects.toMatchObject({ code: expect.stringMatching(/SELF_SIGNED|UNABLE_TO/) as string });
  const [response] = (await health({ ca })) as [NodeJS.ReadableStream];
  expect(JSON.parse(await text(response))).toEqual({ healthy: true });
  await close();
});

test('connections that are idle, or not yet secure, do not hold its end up', async () => {
  const { url, close } = await start();
  const port = Number(new URL(url).port);
  const silent = connect(port, '127.0.0.1');
  const idle = connectTls({ port, host: '127.0.0.1', ca });
  await Promise.all([once(silent, 'connect'), once(idle, 'secureConnect')]);
  const ended = Promise.all([once(silent, 'close'), once(idle, 'close')]);
  for (const socket of [silent, idle]) socket.on('error', () => undefined).resume();
  await close();
  expect((await ended).length).toBe(2);
});

test('a key that others may read is refused, and a certificate that is missing', async () => {
  await chmod(tls.privateKeyFile, 0o644);
  await expect(start()).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  await chmod(tls.privateKeyFile, 0o600);
  tls = { ...tls, certificateFile: join(authority.folder, 'none.pem') };
  await expect(start()).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
});
