import { GatewayError, type GrpcClient } from '@hyperledger/fabric-gateway';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EmbeddedNode, openEmbedded } from '../src/embedded/index.ts';
import { ConformanceContract } from './conformance-contract.ts';
import { CHANNEL, clientOf, configOf, gatewayOf, POLICIES } from './fixture/embedded.ts';

type Raw = (path: string, request: Uint8Array) => Promise<{ code?: number; response?: Uint8Array }>;

const UNARY = ['Evaluate', 'Endorse', 'Submit', 'CommitStatus'].map((name) => `/gateway.Gateway/${name}`);
const INTERNAL = 13;
const DEADLINE_EXCEEDED = 4;

describe('Bytes from outside', () => {
  let node: EmbeddedNode;
  let raw: Raw;
  const recorded: [path: string, bytes: Uint8Array][] = [];

  beforeAll(async () => {
    const chaincode = { name: 'any', version: '1', endorsement: POLICIES.any, contracts: [ConformanceContract] };
    node = await openEmbedded(configOf([chaincode]), { folder: ':memory:' });
    const client = node.client();
    const same = (bytes: Uint8Array) => Buffer.from(bytes);
    raw = (path, request) =>
      new Promise((resolve) => {
        const options = { deadline: Date.now() + 100 };
        client.makeUnaryRequest(path, same, same, request, options, (error, response) =>
          resolve(error ? { code: error.code } : { response: response as Uint8Array }),
        );
      });
    const recording = {
      ...client,
      makeUnaryRequest: ((...args: Parameters<GrpcClient['makeUnaryRequest']>) => {
        const [path, serialize, , argument] = args as unknown as [
          string,
          (value: unknown) => Uint8Array,
          unknown,
          unknown,
        ];
        recorded.push([path, Uint8Array.from(serialize(argument))]);
        return client.makeUnaryRequest(...args);
      }) as GrpcClient['makeUnaryRequest'],
    } as GrpcClient;
    const contract = gatewayOf(recording, clientOf('AMSP')).getNetwork(CHANNEL).getContract('any');
    await contract.submitTransaction('put', 'key', 'value');
    await contract.evaluateTransaction('get', 'key');
  });

  afterAll(() => node.close());

  it('that announce more than they hold cost nothing', async () => {
    const announced = 'ffffffff0f';
    const within = (field: string, content: string) =>
      `${field}${(content.length / 2).toString(16).padStart(2, '0')}${content}`;
    const overlong = [
      `0a${announced}`,
      `12${announced}41`,
      within('1a', `0a${announced}`),
      `18${announced}`,
      `0b0c${announced}`,
    ];
    const started = performance.now();
    for (const hex of [...overlong, ...overlong.map((inner) => within('0a', inner))]) {
      for (const path of UNARY) {
        const { code } = await raw(path, Buffer.from(hex, 'hex'));
        expect([3, 7, 10]).toContain(code);
      }
    }
    expect(performance.now() - started).toBeLessThan(2_000);
  });

  it('that are no request are refused as such', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...UNARY), fc.uint8Array({ maxLength: 200 }), async (path, bytes) => {
        const { code } = await raw(path, bytes);
        expect([3, 9, 10, 7]).toContain(code);
      }),
      { numRuns: 200 },
    );
  });

  it('that were a request before they were changed never harm the node, and never write', async () => {
    expect(recorded.map(([path]) => path.split('/')[2])).toEqual(['Endorse', 'Submit', 'CommitStatus', 'Evaluate']);
    const height = node.height();
    const change = fc.record({
      at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      remove: fc.nat(3),
      insert: fc.uint8Array({ maxLength: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...recorded), change, async ([path, bytes], { at, remove, insert }) => {
        const index = Math.floor(at * bytes.length);
        const changed = Buffer.concat([bytes.subarray(0, index), insert, bytes.subarray(index + remove)]);
        const { code } = await raw(path, changed);
        expect(code).not.toBe(INTERNAL);
        if (code === DEADLINE_EXCEEDED) expect(path).toBe('/gateway.Gateway/CommitStatus');
      }),
      { numRuns: 400 },
    );
    const again = gatewayOf(node.client(), clientOf('BMSP')).getNetwork(CHANNEL).getContract('any');
    expect(Buffer.from(await again.evaluateTransaction('get', 'key')).toString()).toBe('value');
    const history = JSON.parse(Buffer.from(await again.evaluateTransaction('history', 'key')).toString()) as unknown[];
    expect(history).toHaveLength(1);
    expect(node.height()).toBeGreaterThanOrEqual(height);
    await node.verifyChain();
  });

  it('to methods that do not exist are refused', async () => {
    expect(await raw('/gateway.Gateway/NoSuchMethod', new Uint8Array())).toEqual({ code: 12 });
    expect(await raw('/gateway.Gateway/ChaincodeEvents', new Uint8Array())).toEqual({ code: 12 });
  });

  it('that are no event request end the stream with an error', async () => {
    const client = node.client();
    const same = (bytes: Uint8Array) => Buffer.from(bytes);
    const events = client.makeServerStreamRequest(
      '/gateway.Gateway/ChaincodeEvents',
      same,
      same,
      Buffer.from('junk'),
      {},
    );
    const error = await events[Symbol.asyncIterator]()
      .next()
      .catch((reason: unknown) => reason);
    expect(error).not.toBeInstanceOf(GatewayError);
    expect(error).toMatchObject({ code: 3 });
    for (const path of ['/protos.Deliver/Deliver', '/protos.Deliver/DeliverFiltered']) {
      const blocks = client.makeBidiStreamRequest(path, same, same, {});
      blocks.write(Buffer.from('junk'));
      const answer = await blocks[Symbol.asyncIterator]().next();
      expect(Buffer.from(answer.value as Uint8Array).toString('hex')).toBe('089003');
      blocks.cancel();
    }
  });
});
