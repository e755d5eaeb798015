import type { Contract } from './contract.ts';
import { type ContractRouter, createRouter, loadShim } from './fabric.ts';

/** As Fabric's own. */
const MAX_MESSAGE_BYTES = 100 * 1024 * 1024;

export interface ContractServerOptions {
  readonly contracts: readonly (new () => Contract)[];
  /** Of the installed package, `label:hash`: what the peer launches. */
  readonly packageId: string;
  /** `host:port` to listen on. */
  readonly address: string;
  /** PEM. Peers must show a certificate under `clientRoots`. */
  readonly tls: { readonly certificate: string; readonly privateKey: string; readonly clientRoots: string };
}

/** `shim.server`, which the types of fabric-shim leave out. It has no way to end but its own gRPC server's. */
type OpenServer = (
  router: ContractRouter,
  options: Readonly<Record<string, unknown>>,
) => { start(): Promise<void>; readonly _server: { forceShutdown(): void } };

/**
 * Serves contracts to the peers of one organisation as Fabric's chaincode as a service, over mutual TLS.
 * @throws Error when it cannot listen
 */
export async function serveContracts(options: ContractServerOptions): Promise<{ close(): Promise<void> }> {
  const { contracts, packageId, address, tls } = options;
  const { server: open } = loadShim() as unknown as { readonly server: OpenServer };
  const server = open(createRouter(contracts, packageId), {
    ccid: packageId,
    address,
    tlsProps: {
      key: Buffer.from(tls.privateKey),
      cert: Buffer.from(tls.certificate),
      clientCACerts: Buffer.from(tls.clientRoots),
    },
    // The one of grpc-js, 4 MiB, ends the peer's stream.
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  });
  await server.start();
  return {
    async close() {
      server._server.forceShutdown();
    },
  };
}
