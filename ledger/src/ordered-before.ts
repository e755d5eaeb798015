import type { CallOptions, ClientUnaryCall, requestCallback, ServiceError } from '@grpc/grpc-js';
import type { GrpcClient } from '@hyperledger/fabric-gateway';
import { overriding } from './overriding.ts';

const SUBMIT = '/gateway.Gateway/Submit';
const DETAILS = 'grpc-status-details-bin';
/** How an orderer refuses what it has already written to a block (SmartBFT, requestpool.go). */
const ORDERED = 'request already processed';

type MakeUnaryRequest = <Request, Answer>(
  method: string,
  serialize: (value: Request) => Buffer,
  deserialize: (bytes: Buffer) => Answer,
  request: Request,
  options: CallOptions,
  callback: requestCallback<Answer>,
) => ClientUnaryCall;

/**
 * The client, for which a transaction is submitted that an orderer says it has ordered. With SmartBFT three of four orderers may
 * have a transaction in a block before the fourth is handed it; Fabric's gateway takes the refusals of those that come too
 * late for failures, and would again however often it is asked. What became of it, the commit status tells.
 */
export function trustingOrdered(client: GrpcClient): GrpcClient {
  const makeUnaryRequest: MakeUnaryRequest = (method, serialize, deserialize, request, options, callback) =>
    client.makeUnaryRequest(method, serialize, deserialize, request, options, (error, answer) => {
      if (method === SUBMIT && error && isOrdered(error)) callback(null, deserialize(Buffer.alloc(0)));
      else callback(error, answer);
    });
  return overriding(client, { makeUnaryRequest });
}

function isOrdered({ metadata }: ServiceError): boolean {
  return metadata.get(DETAILS).some((details) => Buffer.from(details).includes(ORDERED));
}
