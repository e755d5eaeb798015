import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Client } from '@grpc/grpc-js';
import { connect, hash } from '@hyperledger/fabric-gateway';
import { type Credential, createAuthority, restoreAuthority } from '../src/ca.ts';
import { readCertificate } from '../src/certificate.ts';
import { openClient } from '../src/connect.ts';
import type { ConformanceNetwork, Member } from './conformance.ts';
import { memberOf } from './fixture/embedded.ts';

/** A certificate and its key: paths of PEM files, relative to the file that names them. */
interface Files {
  readonly certificate: string;
  readonly privateKey: string;
}

/** One organisation of a Fabric network that runs elsewhere, and who this suite is there. */
interface FabricOrganisation {
  readonly mspId: string;
  /** `host:port` of its peer's gateway. */
  readonly address: string;
  /** Paths. Needed for a peer on another machine; with a certificate and key, mutual. */
  readonly tls?: Partial<Files> & { readonly roots: string; readonly serverName?: string };
  /** Its certificate authority, from which the suite issues identities as it needs them; or else .. */
  readonly authority?: Files;
  /** .. identities of the organisation: for the first one two, of which one carries the attribute `role` = `doctor`. */
  readonly members?: readonly Files[];
}

/** What the file says. */
export interface FabricNetworkFile {
  readonly channel: string;
  readonly chaincodes: ConformanceNetwork['chaincodes'];
  /** At least three. */
  readonly organisations: readonly FabricOrganisation[];
}

/**
 * Reaches the network that a JSON file describes ({@link FabricNetworkFile}).
 * @throws Error that says what is missing in the file
 */
export function openFabricNetwork(path: string): ConformanceNetwork {
  const { channel, chaincodes, organisations } = readNetwork(path);
  const read = (file: string) => readFileSync(resolve(dirname(path), file), 'utf8');
  const credential = ({ certificate, privateKey }: Files): Credential => ({
    certificate: read(certificate),
    privateKey: read(privateKey),
  });
  const [first, second, third, ...others] = organisations.map(({ mspId }) => mspId);
  const clients = new Map<string, Client>();
  const organisationOf = (mspId: string): FabricOrganisation =>
    organisations.find((candidate) => candidate.mspId === mspId) ?? refuse(path, `names no organisation ${mspId}`);
  const tlsOf = ({ tls }: FabricOrganisation) =>
    tls && {
      roots: read(tls.roots),
      ...(tls.certificate !== undefined && { certificate: read(tls.certificate) }),
      ...(tls.privateKey !== undefined && { privateKey: read(tls.privateKey) }),
      ...(tls.serverName !== undefined && { serverName: tls.serverName }),
    };
  const clientOf = (organisation: FabricOrganisation): Client => {
    const client = clients.get(organisation.mspId) ?? openClient(organisation.address, tlsOf(organisation));
    clients.set(organisation.mspId, client);
    return client;
  };
  return {
    channel,
    chaincodes,
    mspIds: [first as string, second as string, third as string, ...others],
    async member(mspId, attributes = {}) {
      const { authority, members = [] } = organisationOf(mspId);
      if (authority !== undefined) {
        const restored = restoreAuthority({ mspId, ...credential(authority), revoked: [], crlNumber: 0 });
        return memberOf(mspId, restored.issue({ commonName: 'conformance', role: 'client', attributes }));
      }
      const found = members.map(credential).find(({ certificate }) => role(certificate) === attributes['role']);
      return memberOf(mspId, found ?? refuse(path, `has no member of ${mspId} with role ${attributes['role']}`));
    },
    async stranger(mspId) {
      return memberOf(mspId, createAuthority({ mspId }).issue({ commonName: 'stranger', role: 'client' }));
    },
    connect({ identity, signer }: Member) {
      const organisation = organisationOf(identity.mspId);
      const certificate = tlsOf(organisation)?.certificate;
      const tlsClientCertificateHash =
        certificate && createHash('sha256').update(new X509Certificate(certificate).raw).digest();
      return connect({
        client: clientOf(organisation),
        identity,
        signer,
        hash: hash.none,
        ...(tlsClientCertificateHash && { tlsClientCertificateHash }),
      });
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients.values()) client.close();
    },
  };
}

function readNetwork(path: string): FabricNetworkFile {
  const { channel, chaincodes, organisations } = JSON.parse(readFileSync(path, 'utf8')) as Partial<FabricNetworkFile>;
  if (typeof channel !== 'string') return refuse(path, 'names no channel');
  const { any, every, two } = chaincodes ?? {};
  if (!any || !every || !two) return refuse(path, 'does not name the chaincodes any, every and two');
  if (organisations === undefined || organisations.length < 3)
    return refuse(path, 'names fewer than three organisations');
  for (const { mspId, address, authority, members } of organisations) {
    if (!mspId || !address) refuse(path, 'has an organisation without mspId or address');
    if (authority === undefined && (members ?? []).length === 0)
      refuse(path, `gives ${mspId} neither an authority nor members`);
  }
  return { channel, chaincodes: { any, every, two }, organisations };
}

function role(certificate: string): string | undefined {
  return readCertificate(certificate).attributes['role'];
}

function refuse(path: string, why: string): never {
  throw new Error(`${path} ${why}`);
}
