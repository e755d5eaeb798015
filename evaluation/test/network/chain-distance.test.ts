import { Readable } from 'node:stream';
import { status } from '@grpc/grpc-js';
import type { ChaincodeEvent, GrpcClient } from '@hyperledger/fabric-gateway';
import type { peer } from '@hyperledger/fabric-protos';
import { evaluate, submit } from '@yilian/ledger';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { distant } from '../../src/network/chain-distance.ts';
import { type ChainProfile, HERE, thinProfile } from '../../src/network/chain-profile.ts';
import { CHANNEL, Chain } from './chain.ts';

const CUT_MS = 20;
let chain: Chain;
beforeAll(async () => {
  chain = await Chain.open(CUT_MS);
});
afterAll(async () => chain[Symbol.asyncDispose]());

const clientAt = (profile: Partial<ChainProfile>, ackAfterCommit = false) =>
  chain.client({ profile: { ...HERE, ...profile }, ackAfterCommit });
const contractAt = (...distance: Parameters<typeof clientAt>) =>
  chain.connection(clientAt(...distance)).contract(CHANNEL, 'any');

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

const FAR_ORDER = { submitMs: 40, orderMs: 60, deliveryMs: 50 };

/** Of {@link FAR_ORDER} until a commit is seen, block cut included, whose timer may be early by a millisecond. */
const SEEN_MS = 40 + (CUT_MS - 1) + 60 + 50;

/** Milliseconds after a transaction was handed in. */
async function lifeOf(...distance: Parameters<typeof clientAt>) {
  const endorsed = await contractAt(...distance)
    .newProposal('append', { arguments: ['life', '.'] })
    .endorse();
  const startedAt = performance.now();
  const submitted = await endorsed.submit();
  const acknowledged = performance.now() - startedAt;
  const { successful } = await submitted.getStatus();
  const visible = performance.now() - startedAt;
  const committed = (await chain.commits.committed(endorsed.getTransactionId())) - startedAt;
  expect(successful).toBe(true);
  return { acknowledged, committed, visible };
}

describe('on a distant chain', () => {
  it('an evaluation takes the round trips to the gateway and from there to the peer', async () => {
    const contract = contractAt({ requestMs: 30, evaluateMs: 40 });
    expect(await timed(() => evaluate(contract, 'list', ['a', 'b']))).toBeGreaterThanOrEqual(70);
  });

  it('an endorsement takes those to the gateway and to the endorser, and none of what comes later', async () => {
    const contract = contractAt({ requestMs: 30, endorseMs: 40, submitMs: 9_000, orderMs: 9_000, deliveryMs: 9_000 });
    const ms = await timed(() => contract.newProposal('put', { arguments: ['a', '1'] }).endorse());
    expect(ms).toBeGreaterThanOrEqual(70);
    expect(ms).toBeLessThan(9_000);
  });

  it('a transaction is acknowledged on the way back from the orderer, and seen after consensus and delivery', async () => {
    const { acknowledged, committed, visible } = await lifeOf(FAR_ORDER);
    expect(committed).toBeGreaterThanOrEqual(40 + CUT_MS - 1);
    expect(acknowledged).toBeGreaterThanOrEqual(80);
    expect(acknowledged).toBeLessThan(visible);
    expect(visible).toBeGreaterThanOrEqual(SEEN_MS);
  });

  it('an acknowledgement can be made to wait until the commit is seen', async () => {
    const { acknowledged, visible } = await lifeOf(FAR_ORDER, true);
    expect(acknowledged).toBeGreaterThanOrEqual(SEEN_MS);
    expect(visible).toBeGreaterThanOrEqual(acknowledged);
  });

  it('a thin client crosses the distance with each of three calls', async () => {
    const contract = contractAt(thinProfile(30));
    expect(await timed(() => submit(contract, 'put', ['thin', '1']))).toBeGreaterThanOrEqual(90);
  });

  it('a commit that is long over is seen at once, whoever asks', async () => {
    const near = await contractAt({})
      .newProposal('put', { arguments: ['long', '1'] })
      .endorse();
    const submitted = await near.submit();
    await submitted.getStatus();
    const committedAt = await chain.commits.committed(near.getTransactionId());
    const asking = () =>
      chain
        .connection(clientAt({ orderMs: 800 }))
        .gateway.newCommit(submitted.getBytes())
        .getStatus();
    await asking();
    expect(performance.now() - committedAt).toBeGreaterThanOrEqual(800);
    expect(await timed(asking)).toBeLessThan(800);
  });

  it('events and blocks come in order, so much after the commit', async () => {
    const client = clientAt({ ...FAR_ORDER, requestMs: 20 });
    const network = chain.connection(client).network(CHANNEL);
    const startBlock = BigInt(chain.node.height());
    using events = await network.getChaincodeEvents('any', { startBlock });
    using blocks = await network.getFilteredBlockEvents({ startBlock });
    const sentAt: number[] = [];
    const emitting = (async () => {
      for (const name of ['first', 'second', 'third']) {
        sentAt.push(performance.now());
        await submit(contractAt({}), 'emit', [name, 'payload']);
      }
    })();
    const lateMs = 10 + (CUT_MS - 1) + 60 + 50;
    const isLate = (index: number) => expect(performance.now() - sentAt[index]!).toBeGreaterThanOrEqual(lateMs);
    const read = async (from: AsyncIterable<unknown>, numberOf: (one: never) => number) => {
      const numbers: number[] = [];
      for await (const one of from) {
        isLate(numbers.length);
        if (numbers.push(numberOf(one as never)) === 3) break;
      }
      return numbers;
    };
    const [ofEvents, ofBlocks] = await Promise.all([
      read(events, ({ blockNumber }: ChaincodeEvent) => Number(blockNumber)),
      read(blocks, (block: peer.FilteredBlock) => block.getNumber()),
    ]);
    await emitting;
    const expected = [0, 1, 2].map((index) => Number(startBlock) + index);
    expect(ofEvents).toEqual(expected);
    expect(ofBlocks).toEqual(expected);
  });

  it('a follower is behind by consensus and delivery, and hands transactions on over the whole way', async () => {
    await using follower = await chain.follower(clientAt(FAR_ORDER));
    await follower.caughtUp();
    const contract = chain.connection(follower.client()).contract(CHANNEL, 'any');
    expect(await timed(() => submit(contract, 'put', ['followed', '1']))).toBeGreaterThanOrEqual(SEEN_MS);
    expect(follower.height()).toBe(chain.node.height());
  });

  it('a call ends by its deadline wherever it is', async () => {
    const late = (profile: Partial<ChainProfile>) =>
      chain
        .connection(clientAt(profile), { evaluateMs: 60 })
        .contract(CHANNEL, 'any')
        .evaluateTransaction('list', 'a', 'b');
    const expired = { code: status.DEADLINE_EXCEEDED };
    await expect(late({ requestMs: 60_000 })).rejects.toMatchObject(expired);
    await expect(late({ evaluateMs: 60_000 })).rejects.toMatchObject(expired);
  });

  it('what is cancelled on the way to the orderer is never committed', async () => {
    const client = clientAt({ submitMs: 60 });
    const contract = chain.connection(client).contract(CHANNEL, 'any');
    const endorsed = await contract.newProposal('put', { arguments: ['never', '1'] }).endorse();
    const submitting = endorsed.submit();
    // The transaction is signed first, in a microtask.
    setImmediate(() => client.close());
    await expect(submitting).rejects.toMatchObject({ code: status.CANCELLED });
    await submit(contractAt({ submitMs: 60 }), 'put', ['after', '1']);
    const found = await contract.evaluateTransaction('list', 'never', 'never~');
    expect(JSON.parse(Buffer.from(found).toString())).toEqual([]);
  });

  it('a client that throws when it is too late for its caller makes the call fail', async () => {
    const client = {
      makeUnaryRequest: () => {
        throw new Error('the channel was closed');
      },
    } as unknown as GrpcClient;
    const { clock, commits } = chain;
    const far = chain.connection(distant(client, { profile: thinProfile(4), clock, commits }));
    await expect(far.contract(CHANNEL, 'any').evaluateTransaction('list', 'a', 'b')).rejects.toMatchObject({
      code: status.UNAVAILABLE,
      message: expect.stringContaining('the channel was closed') as unknown,
    });
  });

  it('closing ends calls and streams, and cancelling a stream ends it with messages under way', async () => {
    const client = clientAt({ requestMs: 60_000 });
    const connection = chain.connection(client);
    const call = connection
      .contract(CHANNEL, 'any')
      .evaluateTransaction('list', 'a', 'b')
      .catch((error: unknown) => error);
    const streams = await Promise.all(
      [1, 2].map(() => connection.network(CHANNEL).getFilteredBlockEvents({ startBlock: 0n })),
    );
    const reading = streams.map((stream) =>
      stream[Symbol.asyncIterator]()
        .next()
        .catch((error: unknown) => error),
    );
    streams[0]?.close();
    const cancelled = { code: status.CANCELLED };
    expect(await reading[0]).toMatchObject(cancelled);
    client.close();
    expect(await reading[1]).toMatchObject(cancelled);
    expect(await call).toMatchObject(cancelled);
  });

  it('a stream holds so many messages under way and lets the rest wait', async () => {
    let read = 0;
    const source = Object.assign(
      Readable.from(
        (function* () {
          for (; read < 2_000; read += 1) yield read;
        })(),
        { highWaterMark: 1 },
      ),
      { cancel: () => undefined },
    );
    const client = { makeServerStreamRequest: () => source } as unknown as GrpcClient;
    const far = distant(client, { profile: { ...HERE, deliveryMs: 5 }, clock: chain.clock, commits: chain.commits });
    const stream = far.makeServerStreamRequest('path', () => Buffer.of(), Number, '', {}) as AsyncIterable<number>;
    let next = 0;
    for await (const message of stream) {
      expect(message).toBe(next);
      next += 1;
      expect(read - next).toBeLessThan(300);
    }
    expect(next).toBe(2_000);
  });
});
