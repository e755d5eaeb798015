import { createRequire } from 'node:module';
import type * as ContractApi from 'fabric-contract-api';
import type * as Shim from 'fabric-shim';

/**
 * The only place that loads `fabric-contract-api` and `fabric-shim`. Merely loading them keeps a process alive after an
 * uncaught error (a test with a lost rejection would pass) and changes the ciphers of every later gRPC channel; both is
 * undone here. The overrides in pnpm-workspace.yaml mend two further faults of 2.5.8: an incompatible class-transformer,
 * and a second copy of fabric-protos that corrupts the first through a shared global.
 */
const require = createRequire(import.meta.url);
const GUARDED = ['uncaughtException', 'unhandledRejection'] as const;
const CIPHERS = 'GRPC_SSL_CIPHER_SUITES';

function load<T>(name: string): T {
  const before = new Map(GUARDED.map((event) => [event, process.listeners(event as 'uncaughtException')]));
  const ciphers = process.env[CIPHERS];
  const loaded = require(name) as T;
  for (const [event, listeners] of before) {
    for (const listener of process.listeners(event as 'uncaughtException')) {
      if (!listeners.includes(listener)) process.removeListener(event, listener);
    }
  }
  if (ciphers === undefined) delete process.env[CIPHERS];
  else process.env[CIPHERS] = ciphers;
  return loaded;
}

interface Loggers {
  getLogger(name?: string): { silent: boolean };
}

/**
 * Both packages put every step of a transaction into words, for an eighth of its time, and print those of a contract
 * that refuses. Here they are heard only when somebody sets the level that Fabric's peer would.
 */
function silence(name: string): void {
  if (process.env['CORE_CHAINCODE_LOGGING_LEVEL'] !== undefined) return;
  const loggers = load<Loggers>(`${name}/lib/logger.js`);
  const getLogger = loggers.getLogger.bind(loggers);
  loggers.getLogger = (of) => Object.assign(getLogger(of), { silent: true });
}

silence('fabric-contract-api');
const { Contract, Context, JSONSerializer } = load<typeof ContractApi>('fabric-contract-api');

export { Context, Contract };
export type Contract = ContractApi.Contract;
export type Context = ContractApi.Context;

let shim: typeof Shim | undefined;

/** `fabric-shim`, loaded when first asked for: contracts do without it. */
export function loadShim(): typeof Shim {
  if (shim === undefined) {
    silence('fabric-shim');
    shim = load<typeof Shim>('fabric-shim');
  }
  return shim;
}

/** What a contract answered: 200 with a payload, or 500 with a message. */
export interface ContractResponse {
  readonly status: number;
  readonly message?: string;
  readonly payload?: Uint8Array;
}

/** Routes transactions to contracts, checks arguments and serialises results, as in a chaincode process. */
export interface ContractRouter {
  Init(stub: unknown): Promise<ContractResponse>;
  Invoke(stub: unknown): Promise<ContractResponse>;
}

/** The router of fabric-shim for these contract classes, with its JSON serializer. */
export function createRouter(contracts: readonly (new () => Contract)[], title = '', version = ''): ContractRouter {
  loadShim();
  const ChaincodeFromContract = load<
    new (
      classes: unknown[],
      serializers: unknown,
      metadata: object,
      title: string,
      version: string,
    ) => ContractRouter
  >('fabric-shim/lib/contract-spi/chaincodefromcontract.js');
  const serializers = { transaction: 'jsonSerializer', serializers: { jsonSerializer: JSONSerializer } };
  return new ChaincodeFromContract([...contracts], serializers, {}, title, version);
}
