import { readFile, stat } from 'node:fs/promises';
import type { ServerOptions } from 'node:http';

/** Where a server's TLS certificate and key lie, both PEM. */
export interface ServerTlsFiles {
  readonly certificateFile: string;
  readonly privateKeyFile: string;
}

/** As Node's HTTPS servers take them. */
export interface ServerTls {
  readonly cert: string;
  readonly key: string;
}

/** Undefined where there are no files. @throws CONFIG_INVALID for a missing file, or a key that others may read */
export async function readServerTls(files: ServerTlsFiles | undefined): Promise<ServerTls | undefined> {
  if (files === undefined) return undefined;
  const { certificateFile, privateKeyFile } = files;
  const refuse = (message: string, cause?: unknown): never => {
    throw Object.assign(new Error(message, { cause }), { code: 'CONFIG_INVALID' });
  };
  const read = (file: string) => readFile(file, 'utf8').catch((cause: unknown) => refuse(`cannot read ${file}`, cause));
  const [cert, key] = await Promise.all([read(certificateFile), read(privateKeyFile)]);
  if (((await stat(privateKeyFile)).mode & 0o077) !== 0)
    refuse(`${privateKeyFile} must be readable by its owner alone (0600)`);
  return { cert, key };
}

/**
 * Options of Fastify for a server that speaks HTTPS where it has a certificate, and HTTP where it has none. Fastify's
 * types would tell the two apart for ever after; nobody here asks a server which it is.
 */
export function transport(http: ServerOptions, tls: ServerTls | undefined): { readonly http: ServerOptions } {
  if (tls === undefined) return { http };
  const https = { ...http, ...tls, handshakeTimeout: http.headersTimeout };
  return { https } as unknown as { readonly http: ServerOptions };
}
