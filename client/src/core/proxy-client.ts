import type { Revocation, SignedBy } from '@yilian/protocol';
import { type KfragDelivery, KfragReply, RevocationReply } from '@yilian/proxy/api';
import { type HttpOptions, HttpService } from './http.ts';
import { replyParser } from './replies.ts';

const parseKfragReply = replyParser('acknowledgement', KfragReply);
const parseRevocationReply = replyParser('revocation reply', RevocationReply);
const REPLY_BYTES = 64 * 1024;

/** What patients say to an organisation's proxy. Errors as those of {@link RelayClient}. */
export class ProxyClient {
  readonly #service: HttpService;

  constructor(url: string, options: HttpOptions = {}) {
    this.#service = new HttpService(url, options);
  }

  async deliver(body: KfragDelivery): Promise<KfragReply> {
    return parseKfragReply(await this.#service.json('/v1/kfrags', { method: 'POST', body, limitBytes: REPLY_BYTES }));
  }

  async revoke(body: SignedBy<typeof Revocation>): Promise<RevocationReply> {
    return parseRevocationReply(
      await this.#service.json('/v1/revocations', { method: 'POST', body, limitBytes: REPLY_BYTES }),
    );
  }
}
