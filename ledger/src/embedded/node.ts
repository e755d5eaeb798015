import type { Organisation } from '../msp.ts';
import type { Channel, EmbeddedConfig } from './config.ts';
import { Endorser } from './endorser.ts';
import { EmbeddedError } from './errors.ts';
import { configured, type Host, type HostLimits, type HostOptions, openHost } from './host.ts';
import { type BatchOptions, Orderer } from './orderer.ts';
import { Signer } from './signer.ts';
import { Submissions } from './submissions.ts';

export interface EmbeddedLimits extends HostLimits {
  /** Transactions waiting for a block. Default 10,000. */
  readonly pending?: number;
}

export interface EmbeddedOptions extends HostOptions {
  readonly batch?: BatchOptions;
  readonly limits?: EmbeddedLimits;
}

/** A Fabric network of one channel in this process: every organisation's peer, the orderer and the gateway. */
export interface EmbeddedNode extends Host {
  /**
   * Takes new roots, intermediates or revocation lists of an organisation at once, and writes them into the chain. When
   * the node is opened again the configuration counts, but for revocation lists, which stay where it gives none.
   * @throws EmbeddedError CONFIG_INVALID, then nothing has changed
   */
  updateOrganisation(change: Partial<Organisation> & Pick<Organisation, 'mspId'>): void;
  /** Changes when a block is cut, as an update of a real channel's `BatchTimeout` and `BatchSize` does. Nothing on the chain says so. */
  updateBatch(batch: BatchOptions): void;
}

/**
 * Opens a network from its configuration and store.
 * @throws EmbeddedError CONFIG_INVALID, STORE_LOCKED, STORE_MISMATCH, STORE_CORRUPT, STORE_FAILED, STORE_FULL
 */
export async function openEmbedded(config: EmbeddedConfig, options: EmbeddedOptions): Promise<EmbeddedNode> {
  const { batch = {}, limits } = options;
  const signer = new Signer(config.orderer.mspId, config.orderer);
  const signers = config.organisations.map(({ mspId, peer }) => new Signer(mspId, peer));
  const peers = new Map(signers.map((one) => [one.mspId, one]));
  const { host, parts, role } = openHost(
    config,
    options,
    ({ channel, committer, lock, simulator, clock, recorded }) => {
      if (recorded) configured(() => channel.keepRevocations(recorded));
      const organisations = [...peers.keys()] as [string, ...string[]];
      for (const one of signers) configured(() => requirePeer(one, channel, clock()));
      const endorser = new Endorser({ channel, peers, simulator, clock });
      const maxPending = limits?.pending ?? 10_000;
      const orderer = new Orderer({ channel, committer, signer, lock, clock, batch, maxPending });
      const submissions = new Submissions({ channel, organisations, simulator, endorser, orderer, clock });
      const transactions = {
        endorse: (bytes: Uint8Array, signal: AbortSignal) => submissions.endorse(bytes, signal),
        submit: (bytes: Uint8Array) => submissions.submit(bytes),
      };
      return { transactions, organisations, orderer, stop: () => orderer.close() };
    },
  );
  return {
    ...host,
    updateOrganisation(change) {
      configured(() => parts.channel.update(change));
      role.orderer.declare();
    },
    updateBatch: (change) => role.orderer.rebatch(change),
  };
}

function requirePeer({ identity, mspId }: Signer, channel: Channel, at: number): void {
  if (channel.identify(identity, at).roles.has('peer')) return;
  throw new EmbeddedError('CONFIG_INVALID', `Certificate of the peer of ${mspId} is not a peer's`);
}
