import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import type { GrpcClient } from '@hyperledger/fabric-gateway';
import { common, peer } from '@hyperledger/fabric-protos';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAuthority } from '../src/ca.ts';
import { readCertificate } from '../src/certificate.ts';
import { type Header, headerHash, makeHeader, makeMetadata, readBlock } from '../src/embedded/block.ts';
import { definitionOf } from '../src/embedded/definition.ts';
import { type EmbeddedNode, type FollowerNode, openEmbedded } from '../src/embedded/index.ts';
import { type Ordering, openOrdering, signOrdering } from '../src/embedded/ordering.ts';
import { Signer } from '../src/embedded/signer.ts';
import { CHANNEL, clientOf, configOf, gatewayOf } from './fixture/embedded.ts';
import { CONFIG, eventually, follow } from './fixture/follower.ts';
import { isWhole, tampered } from './fixture/tampering.ts';

/** A block as its orderer and its peer see it: everything a liar with all their keys can change. */
interface Draft {
  header: Header;
  envelopes: Uint8Array[];
  ordering: Ordering;
  orderer: Signer;
  codes: Uint8Array;
  commitHash: Uint8Array;
}

const ORDERER = new Signer(CONFIG.orderer.mspId, CONFIG.orderer);
const TRUST = { mspId: CONFIG.orderer.mspId, certificates: [readCertificate(CONFIG.orderer.certificate)] };
const member = clientOf('AMSP');
const put = (node: EmbeddedNode, key: string, value: string) =>
  gatewayOf(node.client(), member).getNetwork(CHANNEL).getContract('records').submitTransaction('put', key, value);

let upstream: EmbeddedNode;

beforeAll(async () => {
  upstream = await openEmbedded(CONFIG, { folder: ':memory:' });
  for (const value of ['1', '2', '3', '4']) await put(upstream, 'a', value);
});
afterAll(() => upstream.close());

function take(message: Uint8Array): Draft {
  const block = peer.DeliverResponse.deserializeBinary(message).getBlock() as common.Block;
  const { header, envelopes, metadata } = readBlock(block.serializeBinary());
  const entries = common.BlockMetadata.deserializeBinary(metadata).getMetadataList_asU8();
  return {
    header,
    envelopes: [...envelopes],
    ordering: openOrdering(header, entries[0] as Uint8Array, TRUST),
    orderer: ORDERER,
    codes: entries[2] as Uint8Array,
    commitHash: common.Metadata.deserializeBinary(entries[4] as Uint8Array).getValue_asU8(),
  };
}

/** The block of a draft, hashed and signed anew. */
function reseal({ header, envelopes, ordering, orderer, codes, commitHash }: Draft): Uint8Array {
  const metadata = makeMetadata(signOrdering(header, ordering, orderer), codes, commitHash);
  const data = new BinaryWriter();
  for (const envelope of envelopes) data.tag(1, 2).bytes(envelope);
  const sealed = new common.BlockHeader();
  sealed.setNumber(header.number);
  sealed.setPreviousHash(header.previousHash);
  sealed.setDataHash(header.dataHash);
  const block = new BinaryWriter().tag(1, 2).bytes(sealed.serializeBinary()).tag(2, 2).bytes(data.finish());
  return new BinaryWriter().tag(2, 2).bytes(block.tag(3, 2).bytes(metadata).finish()).finish();
}

/** Follows an upstream that lies about whole blocks; `lie` sees each and says what is delivered. */
async function lied(lie: (message: Uint8Array, number: number) => Iterable<Uint8Array>): Promise<FollowerNode> {
  const client = tampered(upstream.client(), {
    stream: (message) => (isWhole(message) ? lie(message, numberOf(message)) : [message]),
  });
  return follow(client);
}

const numberOf = (message: Uint8Array) =>
  peer.DeliverResponse.deserializeBinary(message).getBlock()?.getHeader()?.getNumber() ?? -1;
/** A lie about block 2 by somebody who has the orderer's and all peers' keys. */
const redrafted = (change: (draft: Draft) => void) => (message: Uint8Array, number: number) => {
  if (number !== 2) return [message];
  const draft = take(message);
  change(draft);
  return [reseal(draft)];
};
const rehash = (draft: Draft) => {
  draft.header = makeHeader(draft.header.number, draft.header.previousHash, draft.envelopes);
};
const flip = (bytes: Uint8Array, at: number) => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
const withMetadata = (message: Uint8Array, change: (entries: Uint8Array[]) => void) => {
  const response = peer.DeliverResponse.deserializeBinary(message);
  const metadata = response.getBlock()?.getMetadata() as common.BlockMetadata;
  const entries = metadata.getMetadataList_asU8();
  change(entries);
  metadata.setMetadataList(entries);
  return response.serializeBinary();
};

describe('A follower stops at a block', () => {
  const swapped: Uint8Array[] = [];
  const other = createAuthority({ mspId: 'OrdererMSP' }).issue({ commonName: 'orderer', role: 'orderer' });
  const lies: [what: string, found: string, lie: (message: Uint8Array, number: number) => Iterable<Uint8Array>][] = [
    [
      'whose verdict was changed',
      'other verdicts',
      (message, number) => [
        number === 2 ? withMetadata(message, (entries) => entries.splice(2, 1, Uint8Array.of(11))) : message,
      ],
    ],
    [
      'with verdicts left out',
      'other verdicts',
      redrafted((draft) => {
        draft.codes = new Uint8Array();
      }),
    ],
    [
      'in which a byte of an envelope differs',
      'other transactions than its hash',
      redrafted(({ envelopes }) => {
        envelopes[0] = flip(envelopes[0] as Uint8Array, 700);
      }),
    ],
    [
      'in which a byte of an envelope differs, and the orderer signed all the same',
      'other verdicts',
      redrafted((draft) => {
        const [envelope = new Uint8Array()] = draft.envelopes;
        draft.envelopes = [flip(envelope, envelope.length - 5)];
        rehash(draft);
      }),
    ],
    [
      'that repeats an earlier transaction as valid',
      'other verdicts',
      redrafted((draft) => {
        draft.envelopes = [...draft.envelopes, ...draft.envelopes];
        draft.codes = Uint8Array.of(0, 0);
        rehash(draft);
      }),
    ],
    [
      'that holds what is no transaction',
      'cannot be read',
      redrafted((draft) => {
        draft.envelopes = [Uint8Array.of(1, 2, 3)];
        rehash(draft);
      }),
    ],
    [
      'that leads to another state than its transactions do',
      'another state',
      redrafted((draft) => {
        draft.commitHash = flip(draft.commitHash, 0);
      }),
    ],
    [
      'that says more than it must',
      'more than a block has to say',
      (message, number) => [
        number === 2 ? withMetadata(message, (entries) => entries.splice(3, 1, Buffer.from('more'))) : message,
      ],
    ],
    ['after one that was dropped', 'comes in place of block 2', (message, number) => (number === 2 ? [] : [message])],
    ['that comes twice', 'comes in place of', (message, number) => (number === 2 ? [message, message] : [message])],
    [
      'that comes too early',
      'Block 3 of the upstream comes in place of block 2',
      (message, number) => {
        if (number !== 2 && number !== 3) return [message];
        swapped.unshift(message);
        return number === 3 ? swapped : [];
      },
    ],
    [
      'of a chain by another orderer',
      'not signed by the orderer',
      redrafted((draft) => {
        draft.orderer = new Signer(CONFIG.orderer.mspId, other);
      }),
    ],
    [
      'that a peer signed',
      'not signed by the orderer',
      redrafted((draft) => {
        const [{ mspId, peer: credential }] = CONFIG.organisations as [(typeof CONFIG.organisations)[0]];
        draft.orderer = new Signer(mspId, credential);
      }),
    ],
    [
      'that the orderer signed after another one',
      'does not follow the block before',
      redrafted((draft) => {
        draft.header = { ...draft.header, previousHash: headerHash(draft.header) };
      }),
    ],
    [
      'that is dated before the last',
      'older than the block before',
      redrafted((draft) => {
        draft.ordering = { at: draft.ordering.at - 3_600_000 };
      }),
    ],
    [
      'that makes a stranger a member',
      'A root of AMSP is not configured here',
      redrafted((draft) => {
        const { rootPem } = createAuthority({ mspId: 'AMSP' });
        draft.ordering = { ...draft.ordering, definition: definition((org) => ({ ...org, roots: [rootPem] })) };
      }),
    ],
    [
      'that eases a policy',
      'policy of chaincode records is not one configured here',
      redrafted((draft) => {
        const chaincodes = [{ name: 'records', endorsement: "OR('AMSP.peer')" }];
        draft.ordering = { ...draft.ordering, definition: { ...definition((org) => org), chaincodes } };
      }),
    ],
    [
      'that revokes by a list of somebody else',
      'cannot be agreed to',
      redrafted((draft) => {
        const crl = createAuthority({ mspId: 'AMSP' }).crl();
        draft.ordering = { ...draft.ordering, definition: definition((org) => ({ ...org, crls: [crl] })) };
      }),
    ],
    ['that is none', 'what is no block', (message, number) => [number === 2 ? message.subarray(0, 99) : message]],
  ];

  it.each(lies)('%s', async (_what, found, lie) => {
    await using follower = await lied(lie);
    await eventually(() => expect(follower.fault()).toBeDefined());
    expect(follower.fault()).toMatchObject({ name: 'EmbeddedError', code: 'CHAIN_BROKEN' });
    expect(follower.fault()?.message).toContain(found);
    expect(follower.ready()).toBe(false);
    expect(follower.height()).toBeLessThanOrEqual(3);
    await expect(follower.caughtUp()).rejects.toMatchObject({ code: 'CHAIN_BROKEN' });
    await follower.verifyChain();
  });

  it('wherever one bit of it differs', async () => {
    const messages: Uint8Array[] = [];
    await using honest = await lied((message) => {
      messages.push(message);
      return [message];
    });
    await honest.caughtUp();
    const length = (messages[1] as Uint8Array).length;
    await fc.assert(
      fc.asyncProperty(fc.nat(length - 1), fc.nat(7), async (at, bit) => {
        let trouble = false;
        const client = tampered(upstream.client(), {
          stream: (message) =>
            isWhole(message) && numberOf(message) === 1
              ? [message.map((byte, i) => (i === at ? byte ^ (1 << bit) : byte))]
              : [message],
        });
        await using follower = await follow(client, {
          onTrouble() {
            trouble = true;
          },
        });
        await eventually(() => expect(trouble || follower.fault() !== undefined).toBe(true));
        expect(follower.height()).toBeLessThanOrEqual(1);
      }),
      { numRuns: 60 },
    );
  });
});

describe('A follower that stopped', () => {
  it('says so to its operator and to its clients, and still reads what it had', async () => {
    const faults: string[] = [];
    const client = tampered(upstream.client(), {
      stream: (message) => (isWhole(message) && numberOf(message) === 3 ? [message.subarray(1)] : [message]),
    });
    await using follower = await follow(client, { onBroken: ({ code }) => faults.push(code) });
    await eventually(() => expect(faults).toEqual(['CHAIN_BROKEN']));
    const network = gatewayOf(follower.client(), member).getNetwork(CHANNEL);
    const contract = network.getContract('records');
    expect(Buffer.from(await contract.evaluateTransaction('get', 'a')).toString()).toBe('2');
    const said = { code: 14, message: expect.stringContaining('stopped (CHAIN_BROKEN)') as string };
    await expect(contract.newProposal('put', { arguments: ['a', '5'] }).endorse()).rejects.toMatchObject(said);
    const blocks = (await network.getBlockEvents({ startBlock: 2n }))[Symbol.asyncIterator]();
    expect((await blocks.next()).value).toBeDefined();
    await expect(blocks.next()).rejects.toMatchObject({ code: 14 });
    const elsewhere = gatewayOf(upstream.client(), member).getNetwork(CHANNEL).getContract('records');
    const submitted = await elsewhere.submitAsync('put', { arguments: ['z', '5'] });
    expect((await submitted.getStatus()).successful).toBe(true);
    const commit = gatewayOf(follower.client(), member).newCommit(submitted.getBytes());
    await expect(commit.getStatus()).rejects.toMatchObject(said);
  });
});

describe('A follower notices that its upstream', () => {
  it.each([
    [-1, 'is its newest, and it had more before'],
    [0, 'is not the one it was before'],
    [2, 'is not the one it was before'],
  ])('is a fork with another past, that has %i blocks more', async (more, found) => {
    const folder = mkdtempSync(join(tmpdir(), 'fork-'));
    const follower = await follow(upstream.client(), { folder });
    await follower.caughtUp();
    await follower.close();
    const fork = await openEmbedded(CONFIG, { folder: ':memory:' });
    while (fork.height() < upstream.height() + more) await put(fork, 'a', 'forked');
    const again = await follow(fork.client(), { folder });
    await eventually(() => expect(again.fault()?.message).toContain(found));
    expect(again.height()).toBe(upstream.height());
    await again.close();
    await fork.close();
    rmSync(folder, { recursive: true });
  });

  it('became a fork between two polls', async () => {
    const fork = await openEmbedded(CONFIG, { folder: ':memory:' });
    while (fork.height() < upstream.height()) await put(fork, 'a', 'forked');
    interface Duplex {
      makeBidiStreamRequest(...args: unknown[]): unknown;
    }
    let client = upstream.client() as unknown as Duplex;
    const switching = {
      ...client,
      makeBidiStreamRequest: (...args: unknown[]) => client.makeBidiStreamRequest(...args),
    };
    await using follower = await follow(switching as unknown as GrpcClient);
    await follower.caughtUp();
    client = fork.client() as unknown as Duplex;
    await eventually(() => expect(follower.fault()?.message).toContain('is not the one it was before'));
    await fork.close();
  });

  it('is of another channel', async () => {
    const other = configOf(CONFIG.chaincodes, { network: 'south' });
    const node = await openEmbedded(other, { folder: ':memory:' });
    await using follower = await follow(node.client());
    await eventually(() => expect(follower.fault()?.message).toContain('Network has no name, or another'));
    expect(follower.height()).toBe(0);
    await node.close();
  });

  it('takes a revocation back', async () => {
    const ca = createAuthority({ mspId: 'DMSP', organisation: 'embedded' });
    const member = { mspId: 'DMSP', roots: [ca.rootPem], peer: ca.issue({ commonName: 'peer', role: 'peer' }) };
    const config = { ...CONFIG, organisations: [...CONFIG.organisations, member] };
    const node = await openEmbedded(config, { folder: ':memory:' });
    node.updateOrganisation({ mspId: 'DMSP', crls: [ca.crl()] });
    await eventually(() => expect(node.height()).toBe(2));
    await put(node, 'a', '1');
    const back = redrafted((draft) => {
      draft.ordering = { ...draft.ordering, definition: definitionOf(config) };
    });
    const client = tampered(node.client(), {
      stream: (message) => (isWhole(message) ? back(message, numberOf(message)) : [message]),
    });
    await using follower = await follow(client, {}, config);
    await eventually(() => expect(follower.fault()?.message).toContain('revocation list of DMSP is taken back'));
    expect(follower.height()).toBe(2);
    await node.close();
  });

  it('holds blocks back that it says it has', async () => {
    await using follower = await lied((message, number) => (number < 2 ? [message] : []));
    await eventually(() => expect(follower.behind()).toBe(upstream.height() - 2));
    expect(follower.ready()).toBe(false);
    expect(follower.fault()).toBeUndefined();
  });
});

type Organisation = ReturnType<typeof definitionOf>['organisations'][number];

/** The configured definition with another AMSP. */
function definition(change: (organisation: Organisation) => Organisation): NonNullable<Ordering['definition']> {
  const all = definitionOf(CONFIG);
  return { ...all, organisations: all.organisations.map((one) => (one.mspId === 'AMSP' ? change(one) : one)) };
}
