import type { CredentialFiles } from './msp.ts';
import { addressOf, type OrdererPlan } from './plan.ts';

export interface OrdererFiles {
  readonly msp: string;
  readonly tls: CredentialFiles;
  /** TLS roots of every organisation of the channel: whoever may connect, other orderers included. */
  readonly roots: readonly string[];
  /** TLS roots of the orderer's own organisation: who may administer it. */
  readonly ownRoots: string;
  readonly data: string;
}

const MAX_MESSAGE_BYTES = 104_857_600;

/** `orderer.yaml`. What is not said here is Fabric's own default. */
export function ordererConfig({ mspId, endpoint, admin, operations }: OrdererPlan, files: OrdererFiles): object {
  const { msp, tls, roots, ownRoots, data } = files;
  return {
    General: {
      ListenAddress: endpoint.listen ?? endpoint.host,
      ListenPort: endpoint.port,
      TLS: { Enabled: true, Certificate: tls.certificate, PrivateKey: tls.privateKey, RootCAs: roots },
      Cluster: {
        ClientCertificate: tls.certificate,
        ClientPrivateKey: tls.privateKey,
        RootCAs: roots,
        // With Fabric's seven seconds each, the loss of a leader would cost as long.
        DialTimeout: '1s',
        RPCTimeout: '1s',
        SendBufferSize: 100,
      },
      Keepalive: { ServerMinInterval: '60s', ServerInterval: '7200s', ServerTimeout: '20s' },
      MaxRecvMsgSize: MAX_MESSAGE_BYTES,
      MaxSendMsgSize: MAX_MESSAGE_BYTES,
      LocalMSPID: mspId,
      LocalMSPDir: msp,
      BCCSP: { Default: 'SW', SW: { Hash: 'SHA2', Security: 256 } },
      Authentication: { TimeWindow: '15m' },
    },
    FileLedger: { Location: `${data}/ledger` },
    Consensus: { WALDir: `${data}/wal`, SnapDir: `${data}/snapshot` },
    Operations: { ListenAddress: addressOf(operations), TLS: { Enabled: false } },
    Metrics: { Provider: 'prometheus' },
    Admin: {
      ListenAddress: addressOf(admin),
      TLS: {
        Enabled: true,
        Certificate: tls.certificate,
        PrivateKey: tls.privateKey,
        ClientAuthRequired: true,
        ClientRootCAs: [ownRoots],
      },
    },
    ChannelParticipation: { Enabled: true, MaxRequestBodySize: '1 MB' },
  };
}
