import type { CredentialFiles } from './msp.ts';
import { addressOf, listeningOf, type OrganisationPlan, type PeerPlan } from './plan.ts';

export interface PeerFiles {
  readonly msp: string;
  readonly tls: CredentialFiles & { readonly roots: string };
  readonly data: string;
  /** Folder whose `bin/` has `detect`, `build` and `release`. */
  readonly builder: string;
}

const MAX_MESSAGE_BYTES = 104_857_600;

/** `core.yaml` of a peer. */
export function peerConfig({ mspId, peers }: OrganisationPlan, peer: PeerPlan, files: PeerFiles): object {
  const { msp, tls, data, builder } = files;
  const address = addressOf(peer.endpoint);
  const bootstrap = peers.map(({ endpoint }) => addressOf(endpoint));
  return {
    peer: {
      ...client(mspId, msp),
      id: `${peer.name}.${mspId}`,
      networkId: 'yilian',
      address,
      listenAddress: listeningOf(peer.endpoint),
      chaincodeAddress: addressOf(peer.chaincode),
      chaincodeListenAddress: addressOf(peer.chaincode),
      fileSystemPath: data,
      tls: {
        enabled: true,
        cert: { file: tls.certificate },
        key: { file: tls.privateKey },
        rootcert: { file: tls.roots },
        clientAuthRequired: false,
      },
      gateway: { enabled: true, endorsementTimeout: '30s', broadcastTimeout: '30s', dialTimeout: '10s' },
      keepalive: {
        interval: '7200s',
        timeout: '20s',
        minInterval: '30s',
        client: { interval: '60s', timeout: '20s' },
        deliveryClient: { interval: '60s', timeout: '20s' },
      },
      gossip: gossip(address, bootstrap),
      deliveryclient: {
        blockGossipEnabled: false,
        reconnectTotalTimeThreshold: '3600s',
        connTimeout: '3s',
        // An orderer that comes back is found soon.
        reConnectBackoffThreshold: '5s',
        blockCensorshipTimeoutKey: '30s',
        minimalReconnectInterval: '100ms',
        policy: 'cluster',
      },
      handlers: {
        authFilters: [{ name: 'DefaultAuth' }, { name: 'ExpirationCheck' }, { name: 'TimeWindowCheck' }],
        decorators: [{ name: 'DefaultDecorator' }],
        endorsers: { escc: { name: 'DefaultEndorsement' } },
        validators: { vscc: { name: 'DefaultValidation' } },
      },
      authentication: { timewindow: '15m' },
      discovery: {
        enabled: true,
        authCacheEnabled: true,
        authCacheMaxSize: 1000,
        authCachePurgeRetentionRatio: 0.75,
        orgMembersAllowedAccess: false,
      },
      limits: { concurrency: { endorserService: 2500, deliverService: 2500, gatewayService: 500 } },
      maxRecvMsgSize: MAX_MESSAGE_BYTES,
      maxSendMsgSize: MAX_MESSAGE_BYTES,
    },
    // No Docker: contracts are services.
    vm: { endpoint: '' },
    chaincode: {
      externalBuilders: [{ name: 'ccaas', path: builder }],
      installTimeout: '60s',
      startuptimeout: '60s',
      executetimeout: '30s',
      mode: 'net',
      keepalive: 0,
      system: { _lifecycle: 'enable', cscc: 'enable', lscc: 'enable', qscc: 'enable' },
      logging: { level: 'info', shim: 'warning' },
      runtimeParams: {
        useWriteBatch: true,
        maxSizeWriteBatch: 1000,
        useGetMultipleKeys: true,
        maxSizeGetMultipleKeys: 1000,
      },
    },
    ledger: {
      state: { stateDatabase: 'goleveldb', totalQueryLimit: 100_000 },
      history: { enableHistoryDatabase: true },
      pvtdataStore: {
        collElgProcMaxDbBatchSize: 5000,
        collElgProcDbBatchesInterval: 1000,
        deprioritizedDataReconcilerInterval: '60m',
        purgeInterval: 100,
        purgedKeyAuditLogging: true,
      },
      snapshots: { rootDir: `${data}/snapshots` },
    },
    operations: { listenAddress: addressOf(peer.operations), tls: { enabled: false } },
    metrics: { provider: 'prometheus' },
  };
}

/** `core.yaml` of somebody who uses the `peer` command. */
export function administratorConfig(mspId: string, msp: string, address: string, roots: string): object {
  return {
    peer: {
      ...client(mspId, msp),
      address,
      tls: { enabled: true, rootcert: { file: roots } },
      client: { connTimeout: '5s' },
    },
  };
}

function client(mspId: string, msp: string): object {
  return {
    localMspId: mspId,
    mspConfigPath: msp,
    localMspType: 'bccsp',
    BCCSP: { Default: 'SW', SW: { Hash: 'SHA2', Security: 256 } },
  };
}

/**
 * Gossip carries who is there, and nothing else here: every peer takes blocks from the orderers. With Fabric's own
 * intervals a new network takes half a minute until anybody can endorse.
 */
function gossip(address: string, bootstrap: readonly string[]): object {
  return {
    bootstrap: bootstrap.join(' '),
    endpoint: address,
    externalEndpoint: address,
    useLeaderElection: false,
    orgLeader: true,
    membershipTrackerInterval: '5s',
    maxBlockCountToStore: 10,
    maxPropagationBurstLatency: '10ms',
    maxPropagationBurstSize: 10,
    propagateIterations: 1,
    propagatePeerNum: 3,
    pullInterval: '4s',
    pullPeerNum: 3,
    requestStateInfoInterval: '4s',
    publishStateInfoInterval: '1s',
    publishCertPeriod: '10s',
    dialTimeout: '3s',
    connTimeout: '2s',
    recvBuffSize: 20,
    sendBuffSize: 200,
    digestWaitTime: '1s',
    requestWaitTime: '1500ms',
    responseWaitTime: '2s',
    aliveTimeInterval: '5s',
    aliveExpirationTimeout: '10s',
    reconnectInterval: '1s',
    maxConnectionAttempts: 120,
    msgExpirationFactor: 20,
    election: {
      startupGracePeriod: '15s',
      membershipSampleInterval: '1s',
      leaderAliveThreshold: '10s',
      leaderElectionDuration: '5s',
    },
    pvtData: {
      pullRetryThreshold: '60s',
      transientstoreMaxBlockRetention: 20_000,
      pushAckTimeout: '3s',
      btlPullMargin: 10,
      reconcileBatchSize: 10,
      reconcileSleepInterval: '1m',
      reconciliationEnabled: true,
      skipPullingInvalidTransactionsDuringCommit: false,
      implicitCollectionDisseminationPolicy: { requiredPeerCount: 0, maxPeerCount: 1 },
    },
    state: {
      enabled: false,
      checkInterval: '10s',
      responseTimeout: '3s',
      batchSize: 10,
      blockBufferSize: 20,
      maxRetries: 3,
    },
  };
}
