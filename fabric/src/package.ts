import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { createTar } from 'nanotar';
import { labelOf } from './plan.ts';

/** An installable package of contracts that run as a service. */
export interface ContractPackage {
  /** `chaincode_version`. */
  readonly label: string;
  /** `label:hash`, as Fabric computes it. */
  readonly id: string;
  readonly bytes: Uint8Array;
}

/**
 * A package of chaincode as a service. Every organisation installs the same bytes: address, roots and the peer's own key
 * are filled in by each peer's builder ({@link BuilderConfig}), so no key lies in the package.
 */
export function contractPackage(name: string, version: string): ContractPackage {
  const label = labelOf(name, version);
  const connection = {
    address: `{{index .addresses "${label}"}}`,
    dial_timeout: '10s',
    tls_required: true,
    client_auth_required: true,
    root_cert: '{{.roots}}',
    client_cert: '{{.certificate}}',
    client_key: '{{.privateKey}}',
  };
  const bytes = archive({
    'metadata.json': JSON.stringify({ type: 'ccaas', label }),
    'code.tar.gz': archive({ 'connection.json': JSON.stringify(connection) }),
  });
  return { label, id: `${label}:${createHash('sha256').update(bytes).digest('hex')}`, bytes };
}

/** What a peer's builder fills into a package: how this peer reaches its organisation's contract server. The rest is PEM. */
export interface BuilderConfig {
  /** `host:port` by package label. */
  readonly addresses: Readonly<Record<string, string>>;
  readonly roots: string;
  readonly certificate: string;
  readonly privateKey: string;
}

/** The same bytes for the same files. */
function archive(files: Readonly<Record<string, string | Uint8Array>>): Uint8Array {
  const attrs = { mtime: 0, uid: 0, gid: 0, mode: '644' };
  const tar = createTar(
    Object.entries(files).map(([name, data]) => ({
      name,
      data: typeof data === 'string' ? new TextEncoder().encode(data) : data,
    })),
    { attrs },
  );
  return gzipSync(tar);
}
