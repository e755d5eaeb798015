import type { Connection } from '@yilian/ledger';
import { MainChain } from '@yilian/main-chain';
import type { CertificateSigner } from '@yilian/protocol';
import { AttestOrder, type AttestReply, HeightOrder } from './api.ts';
import type { Clock } from './clock.ts';
import { cosignHeight } from './cosigning.ts';
import { MainDirectory } from './directory.ts';
import { Envelopes, orderKind } from './envelopes.ts';
import { ProxyError } from './errors.ts';
import type { Journal } from './journal.ts';
import type { Node } from './node.ts';
import { Witness } from './witness.ts';

export interface MainNodeOptions {
  readonly federation: string;
  readonly network: string;
  readonly channel: string;
  /** Bound to the own organisation's peers. */
  readonly connection: Connection;
  readonly privateKey: string;
  readonly signer: CertificateSigner;
  readonly journal: Journal;
  readonly clock: Clock;
}

const ATTEST = orderKind('attest', AttestOrder);
const HEIGHT = orderKind('height', HeightOrder);

/** An authority's attester: it says what its own peer has committed on the main chain. */
export function createMainNode(options: MainNodeOptions): Node {
  const { federation, network, channel, connection, privateKey, signer, journal, clock } = options;
  const chain = new MainChain(connection, channel);
  const directory = new MainDirectory(chain, clock);
  const witness = new Witness({
    connection,
    privateKey,
    network,
    channel,
    trustVersion: (asked) => directory.trustVersion(asked),
  });
  const address = `${network}/${connection.mspId}`;
  const envelopes = new Envelopes({ federation, address, directory, journal, clock });
  return {
    routes: [
      {
        method: 'POST',
        path: '/v1/attestations',
        caller: 'relay',
        handle: async (body): Promise<AttestReply> => {
          const { transactionId, trustRootVersion } = await envelopes.open(body, ATTEST);
          return { attestation: await witness.attest(transactionId, trustRootVersion) };
        },
      },
      {
        method: 'POST',
        path: '/v1/heights',
        caller: 'relay',
        handle: async (body) =>
          cosignHeight(await envelopes.open(body, HEIGHT), { federation, witness, chain, clock, signer }),
      },
    ],
    async prepare() {
      const foundation = await chain.foundation();
      if (foundation.federation !== federation)
        throw new ProxyError('FEDERATION_MISMATCH', 'the chain is another federation’s');
      await directory.trustVersion();
    },
    run: async () => undefined,
    refresh: () => undefined,
    close: () => undefined,
  };
}
