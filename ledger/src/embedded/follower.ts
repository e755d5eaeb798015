import { status } from '@grpc/grpc-js';
import type { ChannelConfig } from './config.ts';
import { decoded, type EmbeddedError, RpcError } from './errors.ts';
import { Following } from './following.ts';
import { configured, type Host, type HostOptions, openHost } from './host.ts';
import { readProposal, UNPACKING } from './proposal.ts';
import type { Unary } from './service.ts';
import { isAnswerTo } from './transaction.ts';
import { Upstream, type UpstreamOptions } from './upstream.ts';
import { read } from './wire.ts';

export interface FollowerOptions extends HostOptions {
  /** The gateway to follow, and the client identity of the own organisation that may read its blocks. */
  readonly upstream: UpstreamOptions;
  /** How often the upstream is asked how far it is, milliseconds. Default 1,000. */
  readonly pollMs?: number;
  /** Told once when the upstream was caught. Default: a process warning. */
  readonly onBroken?: (fault: EmbeddedError) => void;
  /** Told when the upstream cannot be reached or blocks cannot be written, which is tried again. Default: nobody. */
  readonly onTrouble?: (trouble: Error) => void;
}

/**
 * One organisation's own view of a channel. It takes blocks from an upstream, judges every one anew, and answers
 * evaluations, events, blocks and commit statuses from its own ledger; what is to be endorsed or ordered it hands on.
 */
export interface FollowerNode extends Host {
  /** Whether it follows and has every block the upstream is known to have. */
  ready(): boolean;
  /** Why it stopped for good: `CHAIN_BROKEN`. What it had before can still be read. */
  fault(): EmbeddedError | undefined;
  /** Milliseconds since the upstream was last heard, by a block or its answer to a poll; infinite before the first. */
  age(): number;
  /** Blocks the upstream is known to have and that are missing here; infinite before it was heard. */
  behind(): number;
  /** Resolves when it first has every block. @throws EmbeddedError CHAIN_BROKEN; Error when it is closed before */
  caughtUp(): Promise<void>;
}

const POLL_MS = 1_000;

/**
 * Opens a follower and begins to follow. It can be read at once, as far as it was before.
 * @throws EmbeddedError CONFIG_INVALID, STORE_LOCKED, STORE_MISMATCH, STORE_CORRUPT, STORE_FAILED; TypeError for an
 * upstream elsewhere without TLS
 */
export async function openFollower(config: ChannelConfig, options: FollowerOptions): Promise<FollowerNode> {
  const { pollMs = POLL_MS, onBroken = warn, onTrouble = () => undefined } = options;
  const upstream = new Upstream(config.channel, options.upstream);
  const { mspId } = options.upstream.identity;
  try {
    const { host, role } = openHost(config, options, ({ channel, committer, lock, recorded }) => {
      if (recorded) configured(() => channel.adoptForeign(recorded));
      const following = new Following({ channel, committer, lock, upstream, pollMs, onBroken, onTrouble });
      const onwards =
        (path: string): Unary =>
        (request, signal) => {
          const { fault } = following;
          if (fault)
            throw new RpcError(status.UNAVAILABLE, `the follower has stopped (${fault.code}): ${fault.message}`);
          return upstream.call(path, request, signal);
        };
      return {
        transactions: {
          endorse: checked(onwards('/gateway.Gateway/Endorse')),
          submit: onwards('/gateway.Gateway/Submit'),
        },
        organisations: [mspId] as const,
        elsewhere: onwards('/gateway.Gateway/Evaluate'),
        following,
        async stop() {
          await following.close();
        },
      };
    });
    const { following } = role;
    const close = async () => {
      await host.close();
      upstream.close();
    };
    return {
      ...host,
      ready: () => following.fault === undefined && following.behind() === 0,
      fault: () => following.fault,
      age: () => following.age(),
      behind: () => following.behind(),
      caughtUp: () => following.caughtUp(),
      close,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    upstream.close();
    throw error;
  }
}

/** Endorses elsewhere, and makes sure that what comes back is the answer to what was asked. */
function checked(endorse: Unary): Unary {
  return async (bytes, signal) => {
    const request = decoded(() => read.endorseRequest(bytes), 'an endorse request is required');
    const proposal = decoded(() => readProposal(request.getProposedTransaction()), UNPACKING);
    const answer = await endorse(bytes, signal);
    if (isAnswerTo(proposal, answer)) return answer;
    throw new RpcError(status.ABORTED, 'the upstream answers another proposal than it was given');
  };
}

function warn(fault: EmbeddedError): void {
  process.emitWarning(fault);
}
