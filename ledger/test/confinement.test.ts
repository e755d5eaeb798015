import { once } from 'node:events';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { createAuthority, isConfinedTo, restoreAuthority } from '../src/index.ts';

const OWN = ['a.example', '10.0.0.1', 'localhost', '127.0.0.1'];

/** What comes of a TLS connection to who shows a certificate for these hosts, under a name or address. */
async function handshake(permittedHosts: readonly string[] | undefined, hosts: readonly string[], as: string) {
  const authority = createAuthority({ mspId: 'OrgMSP', ...(permittedHosts !== undefined && { permittedHosts }) });
  const stored = restoreAuthority(authority.record());
  const { certificate, privateKey } = stored.issue({ commonName: 'relay.OrgMSP', role: 'client', hosts });
  const server = createServer({ cert: certificate, key: privateKey }).listen(0, '127.0.0.1');
  server.on('tlsClientError', () => undefined);
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const options = { host: '127.0.0.1', port, ca: authority.rootPem, checkServerIdentity: () => undefined };
  const socket: TLSSocket = connect({ ...options, ...(!/^[\d.]+$/.test(as) && { servername: as }) });
  const ended = await once(socket, 'secureConnect').then(
    () => 'secure',
    (error: unknown) => (error as Error).message,
  );
  socket.destroy();
  server.close();
  return ended;
}

describe('an authority for TLS that was made for one host', () => {
  it.each([
    [['a.example'], 'a.example'],
    [['10.0.0.1', 'localhost'], '10.0.0.1'],
    [['127.0.0.1', 'localhost'], '127.0.0.1'],
  ])('vouches for %s', async (hosts, as) => {
    expect(await handshake(OWN, hosts, as)).toBe('secure');
  });

  it.each([
    [['b.example'], 'b.example'],
    [['a.example', 'b.example'], 'b.example'],
    [['10.0.0.2', 'localhost'], '10.0.0.2'],
    [['a.example', '10.0.0.2'], '10.0.0.2'],
  ])('is not believed of %s, as any other would be', async (hosts, as) => {
    expect(await handshake(OWN, hosts, as)).toBe('permitted subtree violation');
    expect(await handshake(undefined, hosts, as)).toBe('secure');
  });

  it('is told from one for other hosts, for more, for fewer, and for all', () => {
    const made = (permittedHosts?: readonly string[]) =>
      createAuthority({ mspId: 'OrgMSP', ...(permittedHosts !== undefined && { permittedHosts }) }).rootPem;
    expect(isConfinedTo(OWN, made(OWN))).toBe(true);
    for (const other of [
      undefined,
      [],
      OWN.slice(1),
      [...OWN, 'b.example'],
      ['b.example', ...OWN.slice(1)],
      [OWN.join()],
    ])
      expect([other, isConfinedTo(OWN, made(other))]).toEqual([other, false]);
    expect(() => isConfinedTo(OWN, 'nothing')).toThrow();
  });
});
