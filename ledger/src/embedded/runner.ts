import { peer } from '@hyperledger/fabric-protos';
import type { ChaincodeStub } from 'fabric-shim';
import { type ContractRouter, createRouter, loadShim } from '../fabric.ts';
import type { EmbeddedChaincode } from './config.ts';
import { inContractScope } from './contract-scope.ts';
import type { Proposal } from './proposal.ts';
import type { Simulation } from './simulation.ts';

/** One execution of a chaincode on behalf of one organisation's peer. */
export interface Invocation {
  readonly chaincode: string;
  readonly proposal: Proposal;
  readonly mspId: string;
  readonly simulation: Simulation;
  readonly signal: AbortSignal;
}

/** What the chaincode answered. */
export interface ChaincodeResponse {
  readonly status: number;
  readonly message: string;
  readonly payload: Uint8Array;
  readonly event: { readonly name: string; readonly payload: Uint8Array } | undefined;
}

export interface RunnerOptions {
  readonly executionMs: number;
  /** Told of errors a contract let escape after its transaction was over. */
  readonly onFault: (fault: unknown) => void;
}

type StubConstructor = new (
  handler: object,
  channel: string,
  txId: string,
  input: peer.ChaincodeInput,
  signed: peer.SignedProposal,
  mspId: string,
) => ChaincodeStub & { readonly chaincodeEvent?: peer.ChaincodeEvent };

/** Runs contracts with fabric-shim's own router and stub, in this process. */
export class Runner {
  readonly #routers: ReadonlyMap<string, ContractRouter>;
  readonly #options: RunnerOptions;
  readonly #Stub: StubConstructor;

  constructor(chaincodes: Iterable<EmbeddedChaincode>, options: RunnerOptions) {
    this.#routers = new Map(
      [...chaincodes].map(({ name, version, contracts }) => [name, createRouter(contracts, name, version)]),
    );
    this.#options = options;
    this.#Stub = stubOf(loadShim().ChaincodeStub as unknown as StubConstructor);
  }

  /** @throws Error when the contract neither returned nor failed in time, let an error escape, or the caller gave up */
  async execute(invocation: Invocation): Promise<ChaincodeResponse> {
    const { proposal, signal, simulation, chaincode } = invocation;
    const stop = Promise.withResolvers<never>();
    const fail = (why: string) => stop.reject(new Error(`failed to execute transaction ${proposal.txId}: ${why}`));
    const timer = setTimeout(fail, this.#options.executionMs, 'timeout expired while executing transaction');
    const onAbort = () => fail('the caller gave up');
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    let over = false;
    const onEscape = (fault: unknown) => {
      if (over) this.#options.onFault(fault);
      else
        fail(`chaincode ${chaincode} let an error escape, ${String((fault as Error | undefined)?.message ?? fault)}`);
    };
    try {
      const calls = new Set([chaincode]);
      const running = inContractScope(onEscape, () => this.#call(invocation, chaincode, proposal.input, calls));
      running.catch(() => undefined);
      return await Promise.race([running, stop.promise]);
    } finally {
      over = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      simulation.close();
    }
  }

  async #call(
    invocation: Invocation,
    namespace: string,
    input: peer.ChaincodeInput,
    calls: Set<string>,
  ): Promise<ChaincodeResponse> {
    const { proposal, mspId } = invocation;
    const router = this.#routers.get(namespace);
    if (!router) throw new Error(`chaincode ${namespace} not found`);
    if (input.getIsInit()) throw new Error(`chaincode ${namespace} does not require initialization but called as init`);
    const handler = this.#handler(invocation, namespace, calls);
    const stub = new this.#Stub(handler, proposal.channel, proposal.txId, input, proposal.signed, mspId);
    const { status, message, payload } = await router.Invoke(stub);
    const event = stub.chaincodeEvent;
    return {
      status,
      message: message ?? '',
      payload: payload ?? new Uint8Array(),
      event: event && { name: event.getEventName(), payload: event.getPayload_asU8() },
    };
  }

  /** What fabric-shim's stub asks its peer for. */
  #handler(invocation: Invocation, namespace: string, calls: Set<string>): object {
    const { simulation, proposal } = invocation;
    const refuse = (what: string) => async (): Promise<never> => {
      throw new Error(`${what} not supported by the embedded Fabric node`);
    };
    const noPrivateData = refuse('private data is');
    const noKeyPolicies = refuse('key-level endorsement policies are');
    return {
      handleGetState: async (collection: string, key: string) =>
        collection ? noPrivateData() : simulation.get(namespace, key),
      handlePutState: async (collection: string, key: string, value: Uint8Array) =>
        collection ? noPrivateData() : simulation.put(namespace, key, bytesOf(value)),
      handleDeleteState: async (collection: string, key: string) =>
        collection ? noPrivateData() : simulation.put(namespace, key, new Uint8Array()),
      handleGetStateByRange: async (
        collection: string,
        start: string,
        end: string,
        _channel: string,
        _txId: string,
        query?: Uint8Array,
      ) => {
        if (collection) return noPrivateData();
        const { size, bookmark } = readPageQuery(query);
        if (size === 0 && bookmark === '') return { iterator: iteratorOf(simulation.range(namespace, start, end)) };
        const page = simulation.page(namespace, start, end, { size, bookmark });
        const rows = page.rows.values();
        const metadata = { fetchedRecordsCount: page.rows.length, bookmark: page.bookmark };
        return { iterator: iteratorOf(() => rows.next().value), metadata };
      },
      handleGetHistoryForKey: async (key: string) => iteratorOf(simulation.history(namespace, key)),
      handleInvokeChaincode: async (target: string, args: readonly (string | Uint8Array)[]) => {
        const [name = '', channel = proposal.channel] = target.split('/');
        const failed = (why: string) => new Error(`INVOKE_CHAINCODE failed: transaction ID: ${proposal.txId}: ${why}`);
        if (channel !== proposal.channel) throw failed(`other channels are not supported by the embedded Fabric node`);
        if (name === 'qscc') throw failed('Rejecting invoke of QSCC from another chaincode');
        if (calls.has(name)) throw failed(`${name} is already part of this transaction`);
        if (!this.#routers.has(name)) throw failed(`could not get chaincode definition for ${name}`);
        const input = new peer.ChaincodeInput();
        input.setArgsList(args.map((arg) => Buffer.from(arg as string)));
        const { status, message, payload } = await this.#call(invocation, name, input, new Set([...calls, name]));
        return { status, message, payload: Buffer.from(payload) };
      },
      handleGetQueryResult: async () => {
        throw new Error('ExecuteQuery not supported for leveldb');
      },
      handlePurgeState: noPrivateData,
      handleGetPrivateDataHash: noPrivateData,
      handlePutStateMetadata: noKeyPolicies,
      handleGetStateMetadata: noKeyPolicies,
    };
  }
}

/** The one method of the stub that reads the environment of a chaincode process. */
function stubOf(Base: StubConstructor): StubConstructor {
  return class extends Base {
    readonly #mspId: string;

    constructor(...args: ConstructorParameters<StubConstructor>) {
      super(...args);
      this.#mspId = args[5];
    }

    override getMspID(): string {
      return this.#mspId;
    }
  };
}

function bytesOf(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new Error('value must be bytes or a string');
}

function readPageQuery(bytes: Uint8Array | undefined): { size: number; bookmark: string } {
  if (!bytes) return { size: 0, bookmark: '' };
  const query = peer.QueryMetadata.deserializeBinary(bytes);
  return { size: query.getPagesize(), bookmark: query.getBookmark() };
}

function iteratorOf<T>(next: () => T | undefined) {
  return {
    next: async () => {
      const value = next();
      return value === undefined ? { done: true } : { value, done: false };
    },
    close: async () => undefined,
  };
}
