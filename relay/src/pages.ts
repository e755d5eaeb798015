import { setTimeout as delay } from 'node:timers/promises';
import type { Request, SignedBy } from '@yilian/protocol';
import type { RegionalChain } from '@yilian/regional-chain';
import type { Answers } from './answers.ts';
import type { Answer, AskReply } from './api.ts';
import type { Assembly } from './assembly.ts';
import { heightFor } from './decisions.ts';
import type { Directory } from './directory.ts';
import type { Envelopes } from './envelopes.ts';
import { RelayError, refusalOf } from './errors.ts';
import type { KeyCertificates } from './key-certificates.ts';
import { askHome } from './legs.ts';
import type { MainHeights } from './main-height.ts';
import type { Metrics } from './metrics.ts';
import type { RegionMirrors } from './region-mirrors.ts';
import { verifyAnswer } from './verification.ts';

export interface PagesOptions {
  readonly federation: string;
  readonly region: string;
  readonly chain: RegionalChain;
  readonly directory: Directory;
  readonly keyCertificates: KeyCertificates;
  readonly envelopes: Envelopes;
  readonly answers: Answers;
  readonly assembly: Assembly;
  readonly heights: MainHeights;
  readonly mirrors: RegionMirrors;
  readonly metrics: Metrics;
  readonly fetch: typeof globalThis.fetch;
  readonly longPollMs: number;
}

/** Further pages of a release: made and put together at home, fetched and checked where the question came from. */
export class Pages {
  readonly #options: PagesOptions;
  readonly #making = new Map<string, Promise<Answer>>();

  constructor(options: PagesOptions) {
    this.#options = options;
  }

  /**
   * Home side: the page, for the region that asked the question. A page that takes long is `pending`: the asker comes
   * again. @throws REGION_MISMATCH, what the contract refuses, and as {@link Assembly.answer}
   */
  async answer(requestId: string, page: number, asker: string): Promise<AskReply> {
    const { chain, longPollMs } = this.#options;
    const { request } = await chain.outcome(requestId);
    if (request.document.region !== asker) throw new RelayError('REGION_MISMATCH', 'another region asked the question');
    const making = this.#make(request, requestId, page);
    making.catch(() => undefined);
    const answer = await Promise.race([making, delay(longPollMs, undefined, { ref: false })]);
    return answer === undefined ? { state: 'pending' } : { state: 'decided', answer };
  }

  /**
   * Requesting side: the page, believed like any answer once its proof holds. That it follows the page before is for
   * the requester to see, who has that page.
   * @throws PAGE_PENDING PAGE_REFUSED ANSWER_INVALID REGION_UNKNOWN REMOTE_UNREACHABLE, the contract's REQUEST_UNKNOWN
   */
  async page(requestId: string, region: string, page: number): Promise<Answer> {
    const { chain, answers } = this.#options;
    const { signed, homes } = await chain.request(requestId);
    if (!homes.includes(region)) throw new RelayError('REGION_UNKNOWN', 'the request does not go there');
    const kept = await answers.load(requestId, region, page).catch(() => undefined);
    if (kept !== undefined) return kept;
    const own = region === this.#options.region;
    const answer = own ? await this.#make(signed, requestId, page) : await this.#fetch(signed, requestId, region, page);
    await answers.save(requestId, answer, page).catch(() => undefined);
    return answer;
  }

  /** Everybody who wants one page at a time waits for the same work. */
  #make(request: SignedBy<typeof Request>, requestId: string, page: number): Promise<Answer> {
    const key = `${requestId}/${page}`;
    const make = async () => {
      await this.#commit(request, requestId, page);
      return this.#options.assembly.answer(requestId, page);
    };
    const making = this.#making.get(key) ?? make().finally(() => this.#making.delete(key));
    this.#making.set(key, making);
    return making;
  }

  async #commit({ document }: SignedBy<typeof Request>, requestId: string, page: number): Promise<void> {
    const { chain, mirrors, heights } = this.#options;
    if (await this.#has(requestId, page)) return;
    for (let attempt = 0; ; attempt += 1) {
      try {
        await chain.page(requestId, page, await heightFor(document, this.#options, attempt > 0));
        return;
      } catch (error) {
        const code = refusalOf(error);
        if (code === 'DECIDED') return;
        if (attempt > 0 || code !== 'ROOTS_STALE') throw error;
        await Promise.allSettled([mirrors.run(), heights.renew()]);
      }
    }
  }

  async #has(requestId: string, page: number): Promise<boolean> {
    try {
      await this.#options.chain.pageOf(requestId, page);
      return true;
    } catch (error) {
      if (refusalOf(error) === 'PAGE_UNKNOWN') return false;
      throw error;
    }
  }

  async #fetch(
    { document: request }: SignedBy<typeof Request>,
    requestId: string,
    region: string,
    page: number,
  ): Promise<Answer> {
    const { federation, keyCertificates, directory, metrics } = this.#options;
    const { document: grantee } = await keyCertificates.of(request.keyCertificate);
    const { relays, trusts } = await directory.activeRegion(region);
    let failure: unknown = new RelayError('REMOTE_UNREACHABLE', 'the region has no relay');
    for (const { url } of relays) {
      try {
        const reply = await askHome(this.#options, { region, url, kind: 'page', body: { requestId, page } });
        if (reply.state === 'refused') throw new RelayError('PAGE_REFUSED', `${reply.code}: ${reply.message}`);
        if (reply.state !== 'decided') throw new RelayError('PAGE_PENDING', 'the home region is still at it');
        const { key: receivingKey } = grantee;
        const expected = { federation, region, requestId, request, receivingKey, page, trusts, at: Date.now() };
        verifyAnswer(reply.answer, expected);
        return reply.answer;
      } catch (error) {
        if (!(error instanceof RelayError)) throw error;
        if (error.code === 'PAGE_REFUSED' || error.code === 'PAGE_PENDING') throw error;
        if (error.code === 'ANSWER_INVALID') metrics.rejected(region);
        failure = error;
      }
    }
    throw failure;
  }
}
