import { addressOf, type NetworkPlan, type OrdererPlan, votersOf } from './plan.ts';
import { votingRules } from './voting.ts';

/** Where the files lie that a genesis block takes in. */
export interface GenesisFiles {
  /** MSP folder of an organisation. */
  msp(mspId: string): string;
  /** Identity certificate of an orderer. */
  identity(orderer: OrdererPlan): string;
  /** TLS certificate of an orderer. */
  tls(orderer: OrdererPlan): string;
}

/** The profile in `configtx.yaml` from which a channel's genesis block is made. */
export const PROFILE = 'Channel';
const MIB = 1024 * 1024;
const TICK_MS = 100;

/** `configtx.yaml` for `configtxgen`: one channel, its organisations, its orderers and its policies. */
export function configtx(plan: NetworkPlan, files: GenesisFiles): object {
  const { organisations, orderers } = plan;
  const ordering = new Set(orderers.map(({ mspId }) => mspId));
  const endpoints = (mspId: string) =>
    orderers.filter((orderer) => orderer.mspId === mspId).map(({ endpoint }) => addressOf(endpoint));
  const groups = new Map(
    organisations.map(({ mspId, peers }) => [
      mspId,
      {
        Name: mspId,
        ID: mspId,
        MSPDir: files.msp(mspId),
        Policies: {
          Readers: signature(`OR('${mspId}.member')`),
          Writers: signature(`OR('${mspId}.admin', '${mspId}.client', '${mspId}.orderer')`),
          Admins: signature(`OR('${mspId}.admin')`),
          Endorsement: signature(`OR('${mspId}.peer')`),
        },
        ...(ordering.has(mspId) && { OrdererEndpoints: endpoints(mspId) }),
        AnchorPeers: peers.slice(0, 1).map(({ endpoint }) => ({ Host: endpoint.host, Port: endpoint.port })),
      },
    ]),
  );
  return {
    // What `configtxgen -printOrg` looks through.
    Organizations: [...groups.values()],
    Profiles: {
      [PROFILE]: {
        Policies: standard(),
        Capabilities: { V3_0: true },
        Orderer: {
          Policies: { ...standard(), BlockValidation: meta('ANY Writers') },
          Capabilities: { V2_0: true },
          Organizations: [...ordering].map((mspId) => groups.get(mspId)),
          BatchTimeout: `${plan.batch.timeoutMs}ms`,
          BatchSize: {
            MaxMessageCount: plan.batch.maxMessages,
            AbsoluteMaxBytes: `${10 * MIB}`,
            PreferredMaxBytes: `${2 * MIB}`,
          },
          ...consensus(plan, files),
        },
        Application: {
          Policies: { ...standard(), ...votingPolicies(votersOf(plan)) },
          Capabilities: { V2_5: true },
          Organizations: organisations.map(({ mspId }) => groups.get(mspId)),
        },
      },
    },
  };
}

function consensus({ consensus: kind, orderers, batch }: NetworkPlan, files: GenesisFiles): object {
  const listed = orderers.map((orderer, index) => ({
    ID: index + 1,
    Host: orderer.endpoint.host,
    Port: orderer.endpoint.port,
    MSPID: orderer.mspId,
    Identity: files.identity(orderer),
    ClientTLSCert: files.tls(orderer),
    ServerTLSCert: files.tls(orderer),
  }));
  if (kind === 'raft')
    return {
      OrdererType: 'etcdraft',
      EtcdRaft: {
        Consenters: listed.map(({ Host, Port, ClientTLSCert, ServerTLSCert }) => ({
          Host,
          Port,
          ClientTLSCert,
          ServerTLSCert,
        })),
        Options: {
          TickInterval: `${TICK_MS}ms`,
          ElectionTick: 10,
          HeartbeatTick: 1,
          MaxInflightBlocks: 5,
          SnapshotIntervalSize: `${16 * MIB}`,
        },
      },
    };
  return {
    OrdererType: 'BFT',
    ConsenterMapping: listed,
    // A leader that fails costs the forward and the complain timeout; every block costs all orderers and peers signatures.
    SmartBFT: {
      RequestBatchMaxInterval: `${batch.timeoutMs}ms`,
      RequestForwardTimeout: '500ms',
      RequestComplainTimeout: '1s',
      RequestAutoRemoveTimeout: '3m',
      ViewChangeResendInterval: '2s',
      ViewChangeTimeout: '5s',
      LeaderHeartbeatTimeout: '3s',
      LeaderHeartbeatCount: 10,
      CollectTimeout: '1s',
      IncomingMessageBufferSize: 200,
      RequestPoolSize: 10_000,
    },
  };
}

function standard(): object {
  return { Readers: meta('ANY Readers'), Writers: meta('ANY Writers'), Admins: meta('MAJORITY Admins') };
}

/** Not by `MAJORITY`, which would count those who only read. */
function votingPolicies(voters: readonly string[]): object {
  return Object.fromEntries(votingRules(voters).map(({ name, rule }) => [name, signature(rule)]));
}

function signature(rule: string): object {
  return { Type: 'Signature', Rule: rule };
}

function meta(rule: string): object {
  return { Type: 'ImplicitMeta', Rule: rule };
}
