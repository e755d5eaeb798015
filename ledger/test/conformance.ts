import { createHash, randomUUID, verify, X509Certificate } from 'node:crypto';
import {
  type ChaincodeEvent,
  type CloseableAsyncIterable,
  CommitError,
  CommitStatusError,
  type Contract,
  checkpointers,
  EndorseError,
  type Gateway,
  GatewayError,
  type Identity,
  type Signer,
  type Transaction,
} from '@hyperledger/fabric-gateway';
import { common, gateway as gatewayProtos, msp, peer } from '@hyperledger/fabric-protos';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ledgerError } from '../src/ledger-error.ts';
import { toLowS } from '../src/signature.ts';

const { TxValidationCode: Code } = peer;

/** A client's identity and how it signs: SHA-256 of the message, ECDSA, DER with low S (`hash.none`). */
export interface Member {
  readonly identity: Identity;
  readonly signer: Signer;
}

/** A running network for `ledgerConformance`. */
export interface ConformanceNetwork extends AsyncDisposable {
  readonly channel: string;
  /** At least three organisations, each with a peer. */
  readonly mspIds: readonly [string, string, string, ...string[]];
  /** Where `ConformanceContract` is deployed: endorsed by any one, every and any two of these organisations' peers. */
  readonly chaincodes: { readonly any: string; readonly every: string; readonly two: string };
  /** A new client of an organisation. */
  member(mspId: string, attributes?: Readonly<Record<string, string>>): Promise<Member>;
  /** A certificate that claims to be of an organisation, but is not of its authority. */
  stranger(mspId: string): Promise<Member>;
  /**
   * Where the third organisation's identities come from an intermediate authority: a client whom the root above it issued
   * all the same.
   */
  byRoot?(): Promise<Member>;
  /** A gateway for a member, whose caller closes it. */
  connect(member: Member): Gateway;
  /** Revokes a member's certificate, where the engine can at run time. */
  revoke?(member: Member): Promise<void>;
}

/** The behaviour of a Fabric network that this project relies on, seen through fabric-gateway alone. */
export function ledgerConformance(name: string, open: () => Promise<ConformanceNetwork>): void {
  describe(`${name} behaves like a Fabric network`, () => {
    let network: ConformanceNetwork;
    let member: Member;
    let gateway: Gateway;
    const opened: Gateway[] = [];

    const connect = (as: Member): Gateway => {
      const connected = network.connect(as);
      opened.push(connected);
      return connected;
    };
    const contractOf = (chaincode: keyof ConformanceNetwork['chaincodes'] = 'two', through = gateway): Contract =>
      through.getNetwork(network.channel).getContract(network.chaincodes[chaincode]);
    const evaluate = async (fn: string, ...args: string[]) => json(await contractOf().evaluateTransaction(fn, ...args));
    const submit = async (fn: string, ...args: string[]) => json(await contractOf().submitTransaction(fn, ...args));
    const qscc = (fn: string, ...args: (string | Uint8Array)[]) =>
      gateway
        .getNetwork(network.channel)
        .getContract('qscc')
        .evaluateTransaction(fn, network.channel, ...args);
    /** The same signer, doing something else first when it signs for the nth time: 1 proposal, 2 transaction. */
    const pausing = (as: Member, nth: number, first: () => Promise<unknown>): Member => {
      let count = 0;
      const signer: Signer = async (message) => {
        count += 1;
        if (count === nth) await first();
        return as.signer(message);
      };
      return { identity: as.identity, signer };
    };

    beforeAll(async () => {
      network = await open();
      member = await network.member(network.mspIds[0], { role: 'doctor' });
      gateway = connect(member);
    });

    afterAll(async () => {
      for (const connected of opened) connected.close();
      await network[Symbol.asyncDispose]();
    });

    describe('transactions', () => {
      it('commits what is submitted and reads it back', async () => {
        const key = unique();
        expect(await submit('put', key, 'value')).toBe('value');
        expect(await evaluate('get', key)).toBe('value');
      });

      it('reads nothing under a key that was never written, or was deleted', async () => {
        const key = unique();
        expect(await evaluate('get', key)).toBe('');
        await submit('put', key, 'value');
        await submit('remove', key);
        expect(await evaluate('get', key)).toBe('');
      });

      it('does not commit an evaluated transaction', async () => {
        const key = unique();
        await evaluate('put', key, 'value');
        expect(await evaluate('get', key)).toBe('');
      });

      it('gives result, transaction id, block number and status at each step of a submission', async () => {
        const key = unique();
        const proposal = contractOf().newProposal('put', { arguments: [key, 'stepwise'] });
        const transaction = await proposal.endorse();
        expect(transaction.getTransactionId()).toBe(proposal.getTransactionId());
        expect(json(transaction.getResult())).toBe('stepwise');
        const submitted = await transaction.submit();
        const status = await submitted.getStatus();
        expect(status).toMatchObject({
          code: Code.VALID,
          successful: true,
          transactionId: proposal.getTransactionId(),
        });
        expect(status.blockNumber).toBeGreaterThan(0n);
        expect(json(submitted.getResult())).toBe('stepwise');
        expect(await submitted.getStatus()).toEqual(status);
      });

      it('accepts signatures made elsewhere', async () => {
        const key = unique();
        const sign = async (bytes: { getBytes(): Uint8Array; getDigest(): Uint8Array }) =>
          [bytes.getBytes(), await member.signer(bytes.getDigest())] as const;
        const unsigned = contractOf().newProposal('put', { arguments: [key, 'offline'] });
        const proposal = gateway.newSignedProposal(...(await sign(unsigned)));
        const transaction = gateway.newSignedTransaction(...(await sign(await proposal.endorse())));
        const commit = gateway.newSignedCommit(...(await sign(await transaction.submit())));
        expect((await commit.getStatus()).code).toBe(Code.VALID);
        expect(await evaluate('get', key)).toBe('offline');
      });

      it('hides writes from reads of the same transaction', async () => {
        const key = unique();
        expect(await submit('putThenGet', key, 'mine')).toBe('');
        expect(await evaluate('get', key)).toBe('mine');
      });

      it('tells the contract who submits: organisation, attribute, transaction and channel', async () => {
        const proposal = contractOf().newProposal('whoami');
        expect(json(await proposal.evaluate())).toEqual({
          mspId: network.mspIds[0],
          role: 'doctor',
          txId: proposal.getTransactionId(),
          channel: network.channel,
        });
        const other = contractOf('two', connect(await network.member(network.mspIds[1])));
        const seen = json(await other.evaluateTransaction('whoami'));
        expect(seen).toMatchObject({ mspId: network.mspIds[1], role: null });
      });

      it('hands transient data to the contract and leaves it out of the ledger', async () => {
        const [secret, key] = [`secret-${unique()}`, unique()];
        const transientData = { secret };
        expect(json(await contractOf().evaluate('transient', { transientData }))).toBe(secret);
        const proposal = contractOf().newProposal('putTransientLength', { arguments: [key], transientData });
        const submitted = await (await proposal.endorse()).submit();
        expect((await submitted.getStatus()).code).toBe(Code.VALID);
        const committed = Buffer.from(await qscc('GetTransactionByID', proposal.getTransactionId()));
        expect(committed.includes(key)).toBe(true);
        expect(committed.includes(secret)).toBe(false);
      });
    });

    describe('refusals', () => {
      it('refuses to endorse when the contract throws, with its message in the details', async () => {
        const key = unique();
        const error = await rejection(EndorseError, contractOf().submitTransaction('failAfterPut', key, 'NO: not so'));
        expect(error.code).toBe(10);
        expect(error.transactionId).toMatch(/^[0-9a-f]{64}$/);
        expect(error.details).toHaveLength(1);
        expect(error.details[0]).toMatchObject({
          mspId: network.mspIds[0],
          message: 'chaincode response 500, NO: not so',
        });
        expect(await evaluate('get', key)).toBe('');
      });

      it('refuses to evaluate when the contract throws, with the same details and status UNKNOWN', async () => {
        const error = await rejection(GatewayError, contractOf().evaluateTransaction('fail', 'NO: not so'));
        expect(error).not.toBeInstanceOf(EndorseError);
        expect(error.code).toBe(2);
        expect(error.details[0]).toMatchObject({
          mspId: network.mspIds[0],
          message: 'chaincode response 500, NO: not so',
        });
      });

      it('refuses unknown functions, chaincodes, organisations and wrong numbers of arguments', async () => {
        await rejection(EndorseError, contractOf().submitTransaction('noSuchFunction'));
        await rejection(EndorseError, contractOf().submitTransaction('put', 'one argument'));
        const nowhere = gateway.getNetwork(network.channel).getContract('nosuchchaincode');
        expect((await rejection(EndorseError, nowhere.submitTransaction('put', 'a', 'b'))).code).toBe(9);
        expect((await rejection(GatewayError, nowhere.evaluateTransaction('get', 'a'))).code).toBe(9);
        const options = { arguments: [unique(), 'v'], endorsingOrganizations: ['NoSuchMSP'] };
        const error = await rejection(EndorseError, contractOf().submit('put', options));
        expect(error.code).toBe(14);
        expect(error.message).toContain('failed to find any endorsing peers for org(s): NoSuchMSP');
        const channel = gateway.getNetwork('nosuchchannel').getContract(network.chaincodes.two);
        await rejection(EndorseError, channel.submitTransaction('put', unique(), 'v'));
        await rejection(GatewayError, channel.evaluateTransaction('get', 'a'));
      });

      it('finds a contract that is not deterministic', async () => {
        const error = await rejection(EndorseError, contractOf().submitTransaction('random', unique()));
        expect(error.code).toBe(10);
        expect(error.details.map(({ message }) => message)).toContain('ProposalResponsePayloads do not match');
      });

      it('refuses a certificate of a foreign authority', async () => {
        const stranger = contractOf('two', connect(await network.stranger(network.mspIds[0])));
        const error = await rejection(EndorseError, stranger.submitTransaction('put', unique(), 'v'));
        expect(error.details[0]?.message).toContain('error validating proposal: access denied');
        const reading = await rejection(GatewayError, stranger.evaluateTransaction('get', 'a'));
        expect(reading.code).toBe(9);
      });

      it('refuses a signature by another key, and one with high S', async () => {
        const other = await network.member(network.mspIds[0]);
        const masked = contractOf('two', connect({ identity: member.identity, signer: other.signer }));
        const denied = await rejection(EndorseError, masked.submitTransaction('put', unique(), 'v'));
        expect(denied.details[0]?.message).toContain('error validating proposal: access denied');
        const signer: Signer = async (message) => toHighS(await member.signer(message));
        const high = contractOf('two', connect({ identity: member.identity, signer }));
        const refused = await rejection(EndorseError, high.submitTransaction('put', unique(), 'v'));
        expect(refused.details[0]?.message).toContain('error validating proposal');
      });

      it.each<[string, (header: common.ChannelHeader) => unknown]>([
        ['incorrectly computed txid', (header) => header.setTxId('0'.repeat(64))],
        ['epoch is non-zero', (header) => header.setEpoch(1)],
        ['invalid header type', (header) => header.setType(common.HeaderType.MESSAGE)],
      ])('refuses a proposal with a header that is not right: %s', async (message, change) => {
        const bytes = contractOf()
          .newProposal('put', { arguments: [unique(), 'v'] })
          .getBytes();
        const proposed = gatewayProtos.ProposedTransaction.deserializeBinary(bytes);
        const signed = proposed.getProposal() as peer.SignedProposal;
        const proposal = peer.Proposal.deserializeBinary(signed.getProposalBytes_asU8());
        const header = common.Header.deserializeBinary(proposal.getHeader_asU8());
        const channelHeader = common.ChannelHeader.deserializeBinary(header.getChannelHeader_asU8());
        change(channelHeader);
        header.setChannelHeader(channelHeader.serializeBinary());
        proposal.setHeader(header.serializeBinary());
        signed.setProposalBytes(proposal.serializeBinary());
        proposed.setProposal(signed);
        const error = await rejection(EndorseError, gateway.newProposal(proposed.serializeBinary()).endorse());
        expect(error.details[0]?.message).toContain(`error validating proposal: ${message}`);
      });

      it('refuses a proposal whose transaction was committed', async () => {
        const proposal = contractOf().newProposal('put', { arguments: [unique(), 'v'] });
        const submitted = await (await proposal.endorse()).submit();
        await submitted.getStatus();
        const error = await rejection(EndorseError, gateway.newProposal(proposal.getBytes()).endorse());
        expect(error.details[0]?.message).toContain('duplicate transaction found');
      });

      it('refuses an envelope signed by another key at the orderer', async () => {
        const other = connect(await network.member(network.mspIds[1]));
        const transaction = await contractOf()
          .newProposal('put', { arguments: [unique(), 'v'] })
          .endorse();
        const error = (await other
          .newTransaction(transaction.getBytes())
          .submit()
          .catch((reason: unknown) => reason)) as GatewayError;
        expect(error).toBeInstanceOf(GatewayError);
        expect(error.name).toBe('SubmitError');
        expect(error.code).toBe(10);
      });

      it('refuses to tell the status of a transaction to a stranger', async () => {
        const transaction = await contractOf()
          .newProposal('put', { arguments: [unique(), 'v'] })
          .endorse();
        const commit = await transaction.submit();
        const stranger = connect(await network.stranger(network.mspIds[0]));
        const error = await rejection(CommitStatusError, stranger.newCommit(commit.getBytes()).getStatus());
        expect(error.code).toBe(7);
        expect((await commit.getStatus()).code).toBe(Code.VALID);
      });

      /** What a client meets whose certificate is revoked, and another of its organisation. */
      const revocationOf = async (mspId: string) => {
        const revoked = await network.member(mspId);
        const another = contractOf('two', connect(await network.member(mspId)));
        const contract = contractOf('two', connect(revoked));
        const key = unique();
        await contract.submitTransaction('put', key, 'before');
        const endorsed = await contract.newProposal('put', { arguments: [key, 'after'] }).endorse();
        await network.revoke?.(revoked);
        const error = await rejection(EndorseError, contract.submitTransaction('put', key, 'after'));
        return {
          endorsing: error.details[0]?.message,
          submitting: ((await endorsed.submit().catch((reason: unknown) => reason)) as Error).name,
          kept: await evaluate('get', key),
          another: json(await another.submitTransaction('put', key, 'by another')),
        };
      };
      const REVOKED = {
        endorsing: expect.stringContaining('error validating proposal: access denied') as string,
        submitting: 'SubmitError',
        kept: 'before',
        another: 'by another',
      };

      it('refuses a revoked certificate, and takes the others of its organisation', async (context) => {
        if (!network.revoke) return context.skip('the engine cannot revoke at run time');
        expect(await revocationOf(network.mspIds[0])).toEqual(REVOKED);
      });

      it('refuses what an intermediate authority revoked, and takes the others below it', async (context) => {
        if (!network.byRoot || !network.revoke) return context.skip('no organisation has an intermediate authority');
        expect(await revocationOf(network.mspIds[2])).toEqual(REVOKED);
      });

      it('takes what an intermediate authority issued, and nothing of the root above it', async (context) => {
        if (!network.byRoot) return context.skip('no organisation has an intermediate authority');
        const key = unique();
        const below = contractOf('every', connect(await network.member(network.mspIds[2])));
        expect(json(await below.submitTransaction('put', key, 'below'))).toBe('below');
        const beside = contractOf('every', connect(await network.byRoot()));
        const error = await rejection(EndorseError, beside.submitTransaction('put', key, 'beside'));
        expect(error.details[0]?.message).toContain('error validating proposal: access denied');
        expect(json(await below.evaluateTransaction('get', key))).toBe('below');
      });

      it('refuses rich queries', async () => {
        const error = await rejection(GatewayError, contractOf().evaluateTransaction('richQuery'));
        expect(error.details[0]?.message).toContain('ExecuteQuery not supported for leveldb');
      });
    });

    describe('conflicts', () => {
      it('invalidates a transaction whose reads were overtaken', async () => {
        const key = unique();
        await submit('put', key, 'a');
        const late = await contractOf()
          .newProposal('append', { arguments: [key, 'b'] })
          .endorse();
        await submit('append', key, 'c');
        const status = await (await late.submit()).getStatus();
        expect(status).toMatchObject({ code: Code.MVCC_READ_CONFLICT, successful: false });
        expect(await evaluate('get', key)).toBe('ac');
      });

      it('tells a submitter of the conflict as a CommitError', async () => {
        const key = unique();
        const overtake = () => submit('append', key, 'first');
        const slow = contractOf('two', connect(pausing(member, 2, overtake)));
        const error = await rejection(CommitError, slow.submitTransaction('append', key, 'second'));
        expect(error.code).toBe(Code.MVCC_READ_CONFLICT);
        expect(error.transactionId).toMatch(/^[0-9a-f]{64}$/);
        expect(await evaluate('get', key)).toBe('first');
      });

      it('takes a write that read nothing, whoever wrote before', async () => {
        const key = unique();
        const blind = await contractOf()
          .newProposal('put', { arguments: [key, 'blind'] })
          .endorse();
        await submit('put', key, 'before');
        expect((await (await blind.submit()).getStatus()).code).toBe(Code.VALID);
        expect(await evaluate('get', key)).toBe('blind');
      });

      it('lets one of several conflicting transactions through', async () => {
        const key = unique();
        const proposals = Array.from({ length: 4 }, (_, i) =>
          contractOf().newProposal('append', { arguments: [key, `${i}`] }),
        );
        const transactions = await Promise.all(proposals.map((proposal) => proposal.endorse()));
        const commits = await Promise.all(transactions.map((transaction) => transaction.submit()));
        const codes = (await Promise.all(commits.map((commit) => commit.getStatus()))).map(({ code }) => code);
        expect(codes.filter((code) => code === Code.VALID)).toHaveLength(1);
        expect(codes.filter((code) => code === Code.MVCC_READ_CONFLICT)).toHaveLength(3);
        expect(await evaluate('get', key)).toHaveLength(1);
      });

      it('invalidates a transaction whose range got a new key, lost one or saw one changed', async () => {
        for (const change of [
          ['put', 'r2', 'new'],
          ['remove', 'r1'],
          ['put', 'r1', 'changed'],
        ] as const) {
          const prefix = unique();
          await submit('put', `${prefix}r1`, 'v');
          const args = [`${prefix}r`, `${prefix}s`, `${prefix}count`];
          const counting = await contractOf().newProposal('countInto', { arguments: args }).endorse();
          const [fn, key, ...value] = change;
          await submit(fn, `${prefix}${key}`, ...value);
          expect((await (await counting.submit()).getStatus()).code).toBe(Code.PHANTOM_READ_CONFLICT);
        }
      });

      it('takes a transaction whose range stayed as it was', async () => {
        const prefix = unique();
        const args = [`${prefix}r`, `${prefix}s`, `${prefix}count`];
        const counting = await contractOf().newProposal('countInto', { arguments: args }).endorse();
        await submit('put', `${prefix}s`, 'the end of a range is not in it');
        expect((await (await counting.submit()).getStatus()).code).toBe(Code.VALID);
      });

      it('commits a transaction once, however often it is submitted', async () => {
        const key = unique();
        const transaction = await contractOf()
          .newProposal('append', { arguments: [key, 'x'] })
          .endorse();
        const first = await (await transaction.submit()).getStatus();
        const again = await (await transaction.submit()).getStatus();
        expect(first.code).toBe(Code.VALID);
        expect(again).toEqual(first);
        await submit('put', unique(), 'a later block');
        const codes = await statusesInBlocks(gateway, network.channel, transaction, first.blockNumber, 2);
        expect(codes).toEqual([Code.VALID, Code.DUPLICATE_TXID]);
        expect(await evaluate('get', key)).toBe('x');
      });
    });

    describe('endorsement policies', () => {
      const codeWith = async (chaincode: 'any' | 'every' | 'two', count: number) => {
        const options = { arguments: [unique(), 'v'], endorsingOrganizations: network.mspIds.slice(0, count) };
        const transaction = await contractOf(chaincode).newProposal('put', options).endorse();
        return (await (await transaction.submit()).getStatus()).code;
      };

      it('satisfies OR by one, OutOf by two and AND by every organisation', async () => {
        expect(await codeWith('any', 1)).toBe(Code.VALID);
        expect(await codeWith('two', 2)).toBe(Code.VALID);
        expect(await codeWith('every', 3)).toBe(Code.VALID);
      });

      it('invalidates a transaction with too few endorsers', async () => {
        expect(await codeWith('two', 1)).toBe(Code.ENDORSEMENT_POLICY_FAILURE);
        expect(await codeWith('every', 2)).toBe(Code.ENDORSEMENT_POLICY_FAILURE);
      });

      it('does not count an endorsement twice', async () => {
        const options = { arguments: [unique(), 'v'], endorsingOrganizations: [network.mspIds[0]] };
        const transaction = await contractOf().newProposal('put', options).endorse();
        const doubled = rewriteEndorsements(transaction, (endorsements) => [...endorsements, ...endorsements]);
        const status = await (await gateway.newTransaction(doubled).submit()).getStatus();
        expect(status.code).toBe(Code.ENDORSEMENT_POLICY_FAILURE);
      });

      it('does not count an endorsement of something else', async () => {
        const endorsed = (value: string) =>
          contractOf()
            .newProposal('put', { arguments: [unique(), value], endorsingOrganizations: network.mspIds.slice(0, 2) })
            .endorse();
        const [transaction, other] = [await endorsed('a'), await endorsed('b')];
        const [, foreign] = endorsementsOf(other);
        const mixed = rewriteEndorsements(transaction, ([own]) => [
          own as peer.Endorsement,
          foreign as peer.Endorsement,
        ]);
        const status = await (await gateway.newTransaction(mixed).submit()).getStatus();
        expect(status.code).toBe(Code.ENDORSEMENT_POLICY_FAILURE);
      });

      it('does not take an endorsed result for another proposal', async () => {
        const [transaction, other] = [
          await contractOf()
            .newProposal('put', { arguments: [unique(), 'a'] })
            .endorse(),
          await contractOf()
            .newProposal('put', { arguments: [unique(), 'b'] })
            .endorse(),
        ];
        const swapped = rewrite(transaction, (action) =>
          action.setChaincodeProposalPayload(takeApart(other).action.getChaincodeProposalPayload_asU8()),
        );
        const status = await (await gateway.newTransaction(swapped).submit()).getStatus();
        expect(status.code).toBe(Code.INVALID_ENDORSER_TRANSACTION);
      });

      it('finds enough endorsers by itself', async () => {
        for (const [chaincode, count] of [
          ['any', 1],
          ['two', 2],
          ['every', 3],
        ] as const) {
          const transaction = await contractOf(chaincode)
            .newProposal('put', { arguments: [unique(), 'v'] })
            .endorse();
          const endorsers = endorsementsOf(transaction).map((one) => identityOf(one.getEndorser_asU8()).mspId);
          expect(new Set(endorsers).size).toBe(count);
          expect(endorsers).toContain(network.mspIds[0]);
        }
      });

      it('demands the policies of every chaincode that is written', async () => {
        const key = unique();
        const args = [network.chaincodes.every, network.channel, 'put', key, 'called'];
        const proposal = contractOf('any').newProposal('call', { arguments: args });
        expect(new Set(endorsementsOf(await proposal.endorse()).map((one) => one.getEndorser_asB64())).size).toBe(3);
        const few = contractOf('any').newProposal('call', {
          arguments: args,
          endorsingOrganizations: [network.mspIds[0]],
        });
        const status = await (await (await few.endorse()).submit()).getStatus();
        expect(status.code).toBe(Code.ENDORSEMENT_POLICY_FAILURE);
      });

      it('proves each endorsement by signature, certificate and proposal hash', async () => {
        const transaction = await contractOf()
          .newProposal('put', { arguments: [unique(), 'v'] })
          .endorse();
        const { action, header, chaincodeAction, response } = takeApart(transaction);
        const payload = action.getAction()?.getProposalResponsePayload_asU8() as Uint8Array;
        for (const endorsement of endorsementsOf(transaction)) {
          const { certificate } = identityOf(endorsement.getEndorser_asU8());
          const message = Buffer.concat([payload, endorsement.getEndorser_asU8()]);
          const signature = endorsement.getSignature_asU8();
          expect(verify('sha256', message, certificate.publicKey, signature)).toBe(true);
          expect(Buffer.from(toLowS(signature))).toEqual(Buffer.from(signature));
        }
        const proposalHash = createHash('sha256')
          .update(header.getChannelHeader_asU8())
          .update(header.getSignatureHeader_asU8())
          .update(action.getChaincodeProposalPayload_asU8());
        expect(Buffer.from(response.getProposalHash_asU8())).toEqual(proposalHash.digest());
        expect(chaincodeAction.getResponse()?.getStatus()).toBe(200);
        expect(chaincodeAction.getChaincodeId()?.getName()).toBe(network.chaincodes.two);
      });
    });

    describe('keys', () => {
      it('lists a range in the order of bytes, without its end', async () => {
        const prefix = unique();
        const keys = ['a', 'b', 'z', 'é', '\uff00', '\u{1f600}'].map((key) => prefix + key);
        for (const key of [...keys].reverse()) await submit('put', key, 'v');
        const listed = (await evaluate('list', prefix, `${prefix}\u{10ffff}`)) as { key: string }[];
        expect(listed.map(({ key }) => key)).toEqual(keys);
        const some = (await evaluate('list', `${prefix}b`, `${prefix}é`)) as { key: string }[];
        expect(some.map(({ key }) => key)).toEqual([`${prefix}b`, `${prefix}z`]);
      });

      it('pages through a range by bookmarks', async () => {
        const prefix = unique();
        const keys = ['1', '2', '3', '4', '5'].map((key) => prefix + key);
        for (const key of keys) await submit('put', key, 'v');
        const seen: string[][] = [];
        let bookmark = '';
        do {
          const page = (await evaluate('page', prefix, `${prefix}9`, '2', bookmark)) as Page;
          expect(page.metadata.fetchedRecordsCount).toBe(page.entries.length);
          seen.push(page.entries.map(({ key }) => key));
          bookmark = page.metadata.bookmark;
        } while (bookmark !== '');
        expect(seen).toEqual([keys.slice(0, 2), keys.slice(2, 4), keys.slice(4)]);
      });

      it('refuses writes after a paginated query', async () => {
        const error = await rejection(EndorseError, contractOf().submitTransaction('pageThenPut', unique(), unique()));
        expect(error.details[0]?.message).toContain('already performed a paginated query. Writes are not allowed');
      });

      it('finds composite keys by their first parts and keeps them out of plain ranges', async () => {
        const [type, patient] = [unique(), unique()];
        await submit('putComposite', type, patient, 'b');
        await submit('putComposite', type, patient, 'a');
        await submit('putComposite', type, `${patient}x`, 'c');
        expect(await evaluate('listComposite', type, patient)).toEqual([
          { objectType: type, attributes: [patient, 'a'], value: 'a' },
          { objectType: type, attributes: [patient, 'b'], value: 'b' },
        ]);
        const plain = (await evaluate('list', '', '')) as { key: string }[];
        expect(plain.some(({ key }) => key.includes(type))).toBe(false);
      });

      it('reads more rows than a peer hands over at once', async () => {
        const prefix = unique();
        const keys = Array.from({ length: 205 }, (_, i) => `${prefix}${String(i).padStart(3, '0')}`);
        const commits = keys.map((key) => contractOf('any').submitTransaction('put', key, 'v'));
        await Promise.all(commits);
        const listed = json(await contractOf('any').evaluateTransaction('list', prefix, `${prefix}a`)) as {
          key: string;
        }[];
        expect(listed.map(({ key }) => key)).toEqual(keys);
      });

      it('tells the history of a key, newest first, of valid transactions only', async () => {
        const key = unique();
        const stale = await contractOf()
          .newProposal('append', { arguments: [key, 'never'] })
          .endorse();
        const ids: string[] = [];
        for (const [fn, ...args] of [
          ['put', key, 'one'],
          ['remove', key],
          ['put', key, 'two'],
        ] as const) {
          const proposal = contractOf().newProposal(fn, { arguments: args });
          await (await (await proposal.endorse()).submit()).getStatus();
          ids.unshift(proposal.getTransactionId());
        }
        expect((await (await stale.submit()).getStatus()).code).toBe(Code.MVCC_READ_CONFLICT);
        expect(await evaluate('history', key)).toEqual([
          { txId: ids[0], value: 'two', isDelete: false },
          { txId: ids[1], value: '', isDelete: true },
          { txId: ids[2], value: 'one', isDelete: false },
        ]);
      });

      it('keeps the keys of chaincodes apart, and calls from one to the other', async () => {
        const key = unique();
        const args = [network.chaincodes.two, network.channel, 'put', key, 'called'];
        const called = json(await contractOf('any').submitTransaction('call', ...args));
        expect(called).toMatchObject({ status: 200, payload: 'called' });
        expect(await evaluate('get', key)).toBe('called');
        expect(json(await contractOf('any').evaluateTransaction('get', key))).toBe('');
        const failing = [network.chaincodes.two, network.channel, 'failAfterPut', key, 'NO'];
        const failed = json(await contractOf('any').evaluateTransaction('call', ...failing));
        expect(failed).toMatchObject({ status: 500, message: 'NO' });
      });
    });

    describe('events', () => {
      it('delivers one event per valid transaction, in order, from a block on', async () => {
        const key = unique();
        const stale = await contractOf()
          .newProposal('emitAndAppend', { arguments: [key] })
          .endorse();
        const first = await contractOf().submitAsync('emit', { arguments: [key, 'one'] });
        const { blockNumber } = await first.getStatus();
        expect((await (await stale.submit()).getStatus()).code).toBe(Code.MVCC_READ_CONFLICT);
        const second = await contractOf().submitAsync('emit', { arguments: [key, 'two'] });
        await second.getStatus();
        const events = await take(
          gateway.getNetwork(network.channel).getChaincodeEvents(network.chaincodes.two, { startBlock: blockNumber }),
          2,
        );
        expect(events.map(({ eventName, payload }) => [eventName, Buffer.from(payload).toString()])).toEqual([
          ['emitted', 'one'],
          ['emitted', 'two'],
        ]);
        expect(events.map(({ transactionId }) => transactionId)).toEqual([
          first.getTransactionId(),
          second.getTransactionId(),
        ]);
        expect(events[0]).toMatchObject({ blockNumber, chaincodeName: network.chaincodes.two });
      });

      it('delivers events as they happen, and only those of the chaincode asked for', async () => {
        const live = await gateway.getNetwork(network.channel).getChaincodeEvents(network.chaincodes.every);
        await settle(gateway, network, 'every');
        await contractOf('two').submitTransaction('emit', unique(), 'other chaincode');
        const key = unique();
        const submitted = await contractOf('every').submitAsync('emit', { arguments: [key, 'live'] });
        expect((await submitted.getStatus()).code).toBe(Code.VALID);
        const event = (await live[Symbol.asyncIterator]().next()).value as ChaincodeEvent;
        live.close();
        expect(event).toMatchObject({ chaincodeName: network.chaincodes.every, eventName: 'emitted' });
        expect(event.transactionId).toBe(submitted.getTransactionId());
      });

      it('resumes after the event of a checkpoint', async () => {
        const commits = [];
        for (const payload of ['1', '2', '3', '4']) {
          commits.push(await contractOf('any').submitAsync('emit', { arguments: [unique(), payload] }));
        }
        const [first] = await Promise.all(commits.map((commit) => commit.getStatus()));
        const startBlock = first?.blockNumber ?? 0n;
        const channel = gateway.getNetwork(network.channel);
        const all = await take(channel.getChaincodeEvents(network.chaincodes.any, { startBlock }), 4);
        const checkpointer = checkpointers.inMemory();
        for (const event of all.slice(0, 2)) await checkpointer.checkpointChaincodeEvent(event);
        const resumed = channel.getChaincodeEvents(network.chaincodes.any, {
          startBlock: 0n,
          checkpoint: checkpointer,
        });
        expect(await take(resumed, 2)).toEqual(all.slice(2));
      });

      it('delivers blocks that are linked by their hashes', async () => {
        await submit('put', unique(), 'v');
        const height = Number(common.BlockchainInfo.deserializeBinary(await qscc('GetChainInfo')).getHeight());
        const start = BigInt(Math.max(1, height - 4));
        const blocks = await take(
          gateway.getNetwork(network.channel).getBlockEvents({ startBlock: start }),
          height - Number(start),
        );
        let previous: Uint8Array | undefined;
        for (const block of blocks) {
          const header = block.getHeader() as common.BlockHeader;
          if (previous) expect(Buffer.from(header.getPreviousHash_asU8())).toEqual(Buffer.from(previous));
          previous = hashHeader(header);
          const data = block.getData()?.getDataList_asU8() ?? [];
          const dataHash = createHash('sha256').update(Buffer.concat(data)).digest();
          expect(Buffer.from(header.getDataHash_asU8())).toEqual(dataHash);
          const filter = block.getMetadata()?.getMetadataList_asU8()[common.BlockMetadataIndex.TRANSACTIONS_FILTER];
          expect(filter).toHaveLength(data.length);
        }
      });

      it('delivers filtered blocks with verdicts and events without payload', async () => {
        const submitted = await contractOf().submitAsync('emit', { arguments: [unique(), 'secret payload'] });
        const { blockNumber } = await submitted.getStatus();
        const filtered = gateway.getNetwork(network.channel).getFilteredBlockEvents({ startBlock: blockNumber });
        const [block] = await take(filtered, 1);
        expect(block?.getChannelId()).toBe(network.channel);
        const transaction = block
          ?.getFilteredTransactionsList()
          .find((candidate) => candidate.getTxid() === submitted.getTransactionId());
        expect(transaction?.getTxValidationCode()).toBe(Code.VALID);
        const [action] = transaction?.getTransactionActions()?.getChaincodeActionsList() ?? [];
        expect(action?.getChaincodeEvent()?.getEventName()).toBe('emitted');
        expect(action?.getChaincodeEvent()?.getPayload_asU8()).toHaveLength(0);
      });

      it('ends a stream that is closed', async () => {
        const events = await gateway.getNetwork(network.channel).getChaincodeEvents(network.chaincodes.two);
        const next = events[Symbol.asyncIterator]().next();
        events.close();
        const ended = await next.then(
          ({ done }) => done,
          (error: unknown) => (error as GatewayError).code,
        );
        expect([true, 1]).toContain(ended);
      });

      it('refuses events to a stranger', async () => {
        const stranger = connect(await network.stranger(network.mspIds[0])).getNetwork(network.channel);
        const events = await stranger.getChaincodeEvents(network.chaincodes.two, { startBlock: 0n });
        const error = await rejection(GatewayError, events[Symbol.asyncIterator]().next());
        expect(error.code).toBe(7);
        const blocks = await stranger.getBlockEvents();
        await expect(blocks[Symbol.asyncIterator]().next()).rejects.toThrow('Unexpected status response: 403');
      });
    });

    describe('the ledger itself', () => {
      it('tells its height and finds blocks by number, hash and transaction', async () => {
        const submitted = await contractOf().submitAsync('put', { arguments: [unique(), 'v'] });
        const { blockNumber } = await submitted.getStatus();
        const info = common.BlockchainInfo.deserializeBinary(await qscc('GetChainInfo'));
        expect(info.getHeight()).toBeGreaterThan(Number(blockNumber));
        const byNumber = await qscc('GetBlockByNumber', String(blockNumber));
        const block = common.Block.deserializeBinary(byNumber);
        expect(block.getHeader()?.getNumber()).toBe(Number(blockNumber));
        const hash = hashHeader(block.getHeader() as common.BlockHeader);
        expect(Buffer.from(await qscc('GetBlockByHash', hash))).toEqual(Buffer.from(byNumber));
        expect(Buffer.from(await qscc('GetBlockByTxID', submitted.getTransactionId()))).toEqual(Buffer.from(byNumber));
        expect(Buffer.from(info.getCurrentblockhash_asU8())).toHaveLength(32);
      });

      it('returns a committed transaction with its verdict', async () => {
        const transaction = await contractOf()
          .newProposal('put', { arguments: [unique(), 'v'] })
          .endorse();
        await (await transaction.submit()).getStatus();
        const bytes = await qscc('GetTransactionByID', transaction.getTransactionId());
        const processed = peer.ProcessedTransaction.deserializeBinary(bytes);
        expect(processed.getValidationcode()).toBe(Code.VALID);
        const envelope = processed.getTransactionenvelope() as common.Envelope;
        expect(Buffer.from(envelope.getPayload_asU8())).toEqual(Buffer.from(payloadOf(transaction)));
        const { certificate } = identityOf(creatorOf(envelope));
        const signature = envelope.getSignature_asU8();
        expect(verify('sha256', envelope.getPayload_asU8(), certificate.publicKey, signature)).toBe(true);
      });

      it('lets every organisation sign what it holds of a transaction', async () => {
        const submitted = await contractOf().submitAsync('put', { arguments: [unique(), 'v'] });
        await submitted.getStatus();
        const contract = gateway.getNetwork(network.channel).getContract('qscc');
        const args = [network.channel, submitted.getTransactionId()];
        // The other organisations' peers may be a moment behind the one that told the status.
        for (const mspId of network.mspIds) {
          const held = () =>
            contract.evaluate('GetTransactionByID', { arguments: args, endorsingOrganizations: [mspId] });
          await vi.waitFor(held, { timeout: 15_000, interval: 20 });
        }
        const proof = await contract
          .newProposal('GetTransactionByID', { arguments: args, endorsingOrganizations: [...network.mspIds] })
          .endorse();
        expect(endorsementsOf(proof)).toHaveLength(network.mspIds.length);
        expect(peer.ProcessedTransaction.deserializeBinary(proof.getResult()).getValidationcode()).toBe(Code.VALID);
      });

      it('does not find what is not there', async () => {
        const messageOf = async (fn: string, arg: string | Uint8Array) =>
          (await rejection(GatewayError, qscc(fn, arg))).details[0]?.message;
        const id = 'f'.repeat(64);
        expect(await messageOf('GetTransactionByID', id)).toContain(`no such transaction ID [${id}] in index`);
        expect(await messageOf('GetBlockByTxID', id)).toContain(`no such transaction ID [${id}] in index`);
        expect(await messageOf('GetBlockByNumber', '99999999')).toContain('Failed to get block number 99999999');
        expect(await messageOf('GetBlockByNumber', 'x')).toContain('Failed to parse block number');
        expect(await messageOf('GetBlockByHash', new Uint8Array(32))).toContain('Failed to get block hash');
        expect(await messageOf('NoSuchFunction', 'x')).toContain(
          `access denied for [NoSuchFunction][${network.channel}]: [Unmapped policy for qscc/NoSuchFunction]`,
        );
      });
    });

    describe('deadlines and sizes', () => {
      it('gives up waiting for an unknown transaction when the deadline passes', async () => {
        const submitted = await contractOf().submitAsync('put', { arguments: [unique(), 'v'] });
        await submitted.getStatus();
        const signed = gatewayProtos.SignedCommitStatusRequest.deserializeBinary(submitted.getBytes());
        const request = gatewayProtos.CommitStatusRequest.deserializeBinary(signed.getRequest_asU8());
        request.setTransactionId('e'.repeat(64));
        signed.setRequest(request.serializeBinary());
        signed.setSignature('');
        const unknown = gateway.newCommit(signed.serializeBinary());
        const error = await rejection(CommitStatusError, unknown.getStatus({ deadline: Date.now() + 150 }));
        expect(ledgerError(error)).toMatchObject({ code: 'DEADLINE', transactionId: 'e'.repeat(64) });
      });

      it('refuses calls whose deadline has passed', async () => {
        const proposal = contractOf().newProposal('put', { arguments: [unique(), 'v'] });
        const past = { deadline: Date.now() - 1000 };
        expect((await rejection(GatewayError, proposal.evaluate(past))).code).toBe(4);
        expect((await rejection(EndorseError, proposal.endorse(past))).code).toBe(4);
      });

      it('waits for a transaction that is submitted after its status was asked for', async () => {
        const transaction = await contractOf()
          .newProposal('put', { arguments: [unique(), 'v'] })
          .endorse();
        const request = new gatewayProtos.CommitStatusRequest();
        request.setChannelId(network.channel);
        request.setTransactionId(transaction.getTransactionId());
        const identity = new msp.SerializedIdentity();
        identity.setMspid(member.identity.mspId);
        identity.setIdBytes(member.identity.credentials);
        request.setIdentity(identity.serializeBinary());
        const signed = new gatewayProtos.SignedCommitStatusRequest();
        signed.setRequest(request.serializeBinary());
        const waiting = gateway.newCommit(signed.serializeBinary()).getStatus();
        await transaction.submit();
        expect((await waiting).code).toBe(Code.VALID);
      });

      it('carries values and results of a megabyte', async () => {
        const key = unique();
        const value = 'v'.repeat(1_000_000);
        await submit('put', key, value);
        expect(await evaluate('get', key)).toBe(value);
      });
    });
  });
}

interface Page {
  readonly entries: readonly { readonly key: string }[];
  readonly metadata: { readonly fetchedRecordsCount: number; readonly bookmark: string };
}

function unique(): string {
  return `k${randomUUID()}`;
}

/** A contract's answer: the serializer writes strings as they are and everything else as JSON. */
function json(bytes: Uint8Array): unknown {
  const text = Buffer.from(bytes).toString();
  return /^[[{]/.test(text) ? JSON.parse(text) : text;
}

async function rejection<T extends Error>(type: new (...args: never[]) => T, call: Promise<unknown>): Promise<T> {
  const error = await call.then(
    () => new Error('it was not refused'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(type);
  return error as T;
}

/** The first items of a stream, which is then closed. */
async function take<T>(stream: Promise<CloseableAsyncIterable<T>>, count: number): Promise<T[]> {
  using items = await stream;
  const taken: T[] = [];
  for await (const item of items) {
    taken.push(item);
    if (taken.length === count) break;
  }
  return taken;
}

/** Emits until a listener that was started before must have its position. */
async function settle(
  gateway: Gateway,
  { channel, chaincodes }: ConformanceNetwork,
  chaincode: 'every',
): Promise<void> {
  const contract = gateway.getNetwork(channel).getContract(chaincodes[chaincode]);
  await contract.submitTransaction('put', unique(), 'v');
}

async function statusesInBlocks(
  gateway: Gateway,
  channel: string,
  transaction: Transaction,
  startBlock: bigint,
  count: number,
): Promise<number[]> {
  const codes: number[] = [];
  using blocks = await gateway.getNetwork(channel).getFilteredBlockEvents({ startBlock });
  for await (const block of blocks) {
    for (const candidate of block.getFilteredTransactionsList()) {
      if (candidate.getTxid() === transaction.getTransactionId()) codes.push(candidate.getTxValidationCode());
    }
    if (codes.length >= count) break;
  }
  return codes;
}

function takeApart(transaction: Transaction) {
  const payload = common.Payload.deserializeBinary(payloadOf(transaction));
  const data = peer.Transaction.deserializeBinary(payload.getData_asU8());
  const [only] = data.getActionsList();
  const action = peer.ChaincodeActionPayload.deserializeBinary(only?.getPayload_asU8() ?? new Uint8Array());
  const response = peer.ProposalResponsePayload.deserializeBinary(
    action.getAction()?.getProposalResponsePayload_asU8() ?? new Uint8Array(),
  );
  const chaincodeAction = peer.ChaincodeAction.deserializeBinary(response.getExtension_asU8());
  return { payload, data, action, response, chaincodeAction, header: payload.getHeader() as common.Header };
}

function payloadOf(transaction: Transaction): Uint8Array {
  const prepared = gatewayProtos.PreparedTransaction.deserializeBinary(transaction.getBytes());
  return prepared.getEnvelope()?.getPayload_asU8() ?? new Uint8Array();
}

function endorsementsOf(transaction: Transaction): peer.Endorsement[] {
  return takeApart(transaction).action.getAction()?.getEndorsementsList() ?? [];
}

/** The bytes of the same transaction, unsigned, with other endorsements. */
function rewriteEndorsements(
  transaction: Transaction,
  change: (endorsements: peer.Endorsement[]) => peer.Endorsement[],
): Uint8Array {
  return rewrite(transaction, (action) => {
    const endorsed = action.getAction() as peer.ChaincodeEndorsedAction;
    endorsed.setEndorsementsList(change(endorsed.getEndorsementsList()));
    action.setAction(endorsed);
  });
}

/** The bytes of the same transaction, unsigned, with another action. */
function rewrite(transaction: Transaction, change: (action: peer.ChaincodeActionPayload) => void): Uint8Array {
  const { payload, data, action } = takeApart(transaction);
  change(action);
  data.getActionsList()[0]?.setPayload(action.serializeBinary());
  payload.setData(data.serializeBinary());
  const prepared = gatewayProtos.PreparedTransaction.deserializeBinary(transaction.getBytes());
  const envelope = new common.Envelope();
  envelope.setPayload(payload.serializeBinary());
  prepared.setEnvelope(envelope);
  return prepared.serializeBinary();
}

function identityOf(serialized: Uint8Array): { mspId: string; certificate: X509Certificate } {
  const identity = msp.SerializedIdentity.deserializeBinary(serialized);
  return { mspId: identity.getMspid(), certificate: new X509Certificate(identity.getIdBytes_asU8()) };
}

function creatorOf(envelope: common.Envelope): Uint8Array {
  const header = common.Payload.deserializeBinary(envelope.getPayload_asU8()).getHeader();
  return common.SignatureHeader.deserializeBinary(
    header?.getSignatureHeader_asU8() ?? new Uint8Array(),
  ).getCreator_asU8();
}

/** SHA-256 of SEQUENCE { INTEGER, OCTET STRING, OCTET STRING } in DER. */
function hashHeader(header: common.BlockHeader): Buffer {
  const hex = header.getNumber().toString(16);
  const digits = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
  const integer = (digits[0] as number) > 127 ? Buffer.concat([Buffer.of(0), digits]) : digits;
  const tagged = (tag: number, content: Uint8Array) => Buffer.concat([Buffer.of(tag, content.length), content]);
  const fields = [tagged(2, integer), tagged(4, header.getPreviousHash_asU8()), tagged(4, header.getDataHash_asU8())];
  return createHash('sha256')
    .update(tagged(0x30, Buffer.concat(fields)))
    .digest();
}

/** The other signature of the same message: S replaced by n - S. */
function toHighS(der: Uint8Array): Uint8Array {
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const rEnd = 4 + (der[3] as number);
  const r = der.subarray(4, rEnd);
  const s = order - BigInt(`0x${Buffer.from(der.subarray(rEnd + 2)).toString('hex')}`);
  const body = Buffer.from(`00${s.toString(16).padStart(64, '0')}`, 'hex');
  return Buffer.concat([Buffer.of(0x30, r.length + body.length + 4, 2, r.length), r, Buffer.of(2, body.length), body]);
}
