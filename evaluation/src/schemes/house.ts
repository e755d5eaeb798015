import { once } from 'node:events';
import { type FileHandle, open } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { createSigner } from '@yilian/ledger';
import { headerCapsule, PublicKey, reencryptAll, sealTo, type VerifiedKeyFrag } from '@yilian/pre';
import {
  canonicalJson,
  cfragContext,
  digest,
  documentId,
  fromBase64url,
  identifyAny,
  KeyCertificate,
  parseSigned,
  Request,
  requireCertificateSignatures,
  type Trust,
  toBase64url,
  utf8Bytes,
} from '@yilian/protocol';
import type { Member } from '@yilian/testbed/network';
import { parseCid, type Vault } from '@yilian/vault';
import { FEDERATION } from './world.ts';

/** A record as its house keeps it; keys and header in base64url. */
export interface HouseRecord {
  readonly recordId: string;
  readonly pseudonym: string;
  readonly cid: string;
  readonly sizeBytes: number;
  readonly header: string;
  readonly scopeKey: string;
}

/** What a house answers: its log's line with its signature, the record, shares, and a small body. */
export interface HouseReply {
  readonly line: {
    readonly previous: string;
    readonly requestId: string;
    readonly recordId: string;
    readonly at: number;
  };
  readonly signature: string;
  readonly record: HouseRecord;
  readonly shares: readonly { readonly mspId: string; readonly sealed: string }[];
  readonly body?: string;
}

export interface HouseOptions {
  readonly logFile: string;
  readonly hospital: Member;
  /** Organisations whose proxies are in this process. */
  readonly proxies: readonly string[];
  readonly threshold: number;
  /** Whose doctors may ask. */
  readonly trusts: readonly Trust[];
  readonly vault: Vault;
}

/** As with a relay, sealed bodies this small ride along. */
const MAX_BODY_BYTES = 65_536;

/**
 * A hospital that keeps its own list of grants and its own log of releases, and answers by itself: what a chain is compared
 * with. A line of the log names the one before, is signed, and is on the disk before anything is released; nobody else
 * has to agree.
 */
export class House implements AsyncDisposable {
  readonly #options: HouseOptions;
  readonly #log: FileHandle;
  readonly #server: Server;
  readonly #records = new Map<string, HouseRecord>();
  readonly #grants = new Map<string, readonly VerifiedKeyFrag[]>();
  #previous = digest(new Uint8Array());
  #writing: Promise<unknown> = Promise.resolve();
  logBytes = 0;

  private constructor(options: HouseOptions, log: FileHandle) {
    this.#options = options;
    this.#log = log;
    // As vault gateways and relays keep connections.
    this.#server = createServer({ keepAliveTimeout: 30_000 }, (request, response) => {
      json(request)
        .then((body) => this.#answer(body))
        .then(
          (reply) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(reply)),
          () => response.writeHead(403).end(),
        );
    });
  }

  static async open(options: HouseOptions): Promise<House> {
    const house = new House(options, await open(options.logFile, 'ax', 0o600));
    house.#server.listen(0, '127.0.0.1');
    await once(house.#server, 'listening');
    return house;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The latest record of a patient is the one that is asked for. */
  keep(record: HouseRecord): void {
    this.#records.set(record.pseudonym, record);
  }

  grant(pseudonym: string, keyCertificateId: string, fragments: readonly VerifiedKeyFrag[]): void {
    this.#grants.set(`${pseudonym}/${keyCertificateId}`, fragments);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
    await this.#writing;
    await this.#log.close();
  }

  async #answer(body: unknown): Promise<HouseReply> {
    const { trusts, threshold, proxies } = this.#options;
    const { request, keyCertificate } = body as { readonly request: unknown; readonly keyCertificate: unknown };
    const asked = parseSigned(Request, request);
    const { document: key } = parseSigned(KeyCertificate, keyCertificate);
    requireCertificateSignatures(asked, (certificate) => identifyAny(trusts, certificate, Date.now()));
    const { pseudonym, keyCertificate: keyCertificateId } = asked.document;
    const fragments = this.#grants.get(`${pseudonym}/${keyCertificateId}`);
    const record = this.#records.get(pseudonym);
    if (fragments === undefined || record === undefined || documentId(KeyCertificate.type, key) !== keyCertificateId)
      throw new Error('there is no such grant');
    const requestId = documentId(Request.type, asked.document);
    const riding = this.#body(record);
    const { line, signature } = await this.#write(requestId, record.recordId);
    const capsule = headerCapsule(fromBase64url(record.header));
    const receivingKey = PublicKey.fromBase64url(key.key);
    const shares = fragments.slice(0, threshold).map((fragment, index) => {
      const mspId = proxies[index] ?? '';
      const cfrags = reencryptAll([capsule], fragment).map((cfrag) => cfrag.toBytes());
      const context = cfragContext(FEDERATION, requestId, line.previous, mspId);
      return { mspId, sealed: toBase64url(sealTo(receivingKey, Buffer.concat(cfrags), context)) };
    });
    const sealed = await riding;
    return { line, signature, record, shares, ...(sealed !== undefined && { body: sealed }) };
  }

  async #body({ cid, sizeBytes }: HouseRecord): Promise<string | undefined> {
    if (sizeBytes > MAX_BODY_BYTES) return undefined;
    const pieces = await Array.fromAsync(this.#options.vault.get(parseCid(cid), { sizeBytes }));
    return toBase64url(Buffer.concat(pieces));
  }

  /** One line after the other, each on the disk before the next. */
  #write(requestId: string, recordId: string): Promise<Pick<HouseReply, 'line' | 'signature'>> {
    const write = async () => {
      const line = { previous: this.#previous, requestId, recordId, at: Date.now() };
      const bytes = utf8Bytes(canonicalJson(line));
      const signature = toBase64url(createSigner(this.#options.hospital.privateKey)(bytes));
      const text = `${canonicalJson({ line, signature })}\n`;
      await this.#log.write(text);
      await this.#log.datasync();
      this.logBytes += text.length;
      this.#previous = digest(bytes);
      return { line, signature };
    };
    const written = this.#writing.then(write);
    this.#writing = written.catch(() => undefined);
    return written;
  }
}
