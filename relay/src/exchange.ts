import { type KeyCertificate, type OpenedReceipt, parser, type SignedBy } from '@yilian/protocol';
import { AskBody, type AskReply, PageBody, ReceiptBody } from './api.ts';
import type { Decisions } from './decisions.ts';
import type { Envelopes, Opened, SignedEnvelope } from './envelopes.ts';
import { RelayError, refusal } from './errors.ts';
import { failpoint } from './failpoints.ts';
import type { Metrics } from './metrics.ts';
import type { Pages } from './pages.ts';
import type { Receipts } from './receipts.ts';
import type { SignedRequest } from './requests.ts';

const parseAsk = parser('ask', AskBody);
const parsePage = parser('page', PageBody);
const parseReceipt = parser('receipt', ReceiptBody);
/** Refusals that are about the moment, not about the question: the asker hears them as HTTP and tries again. */
const PASSING = new Set(['BUSY', 'QUEUE_UNAVAILABLE', 'VIEW_STALE', 'LEDGER_UNAVAILABLE', 'INTERNAL']);
/** Decided, but the answer cannot be put together yet. */
const UNFINISHED = new Set(['ATTESTATIONS_MISSING', 'SHARES_MISSING', 'HEADER_REPLACED']);

/** What other regions' relays send; every answer to an envelope is an envelope. */
export class Exchange {
  readonly #envelopes: Envelopes;
  readonly #decisions: Decisions;
  readonly #pages: Pages;
  readonly #receipts: Receipts;
  readonly #metrics: Metrics;

  constructor(envelopes: Envelopes, decisions: Decisions, pages: Pages, receipts: Receipts, metrics: Metrics) {
    this.#envelopes = envelopes;
    this.#decisions = decisions;
    this.#pages = pages;
    this.#receipts = receipts;
    this.#metrics = metrics;
  }

  /** @throws what {@link Envelopes.open} throws; KIND_UNKNOWN DOCUMENT_MALFORMED BUSY */
  async receive(value: unknown): Promise<SignedEnvelope> {
    let opened: Opened;
    try {
      opened = await this.#envelopes.open(value);
    } catch (error) {
      this.#metrics.refused(refusal(error).code);
      throw error;
    }
    const { id, document } = opened;
    switch (document.kind) {
      case 'ask':
        return this.#envelopes.seal(document.from, 'answer', await this.#ask(opened), id);
      case 'page':
        return this.#envelopes.seal(document.from, 'answer', await this.#page(opened), id);
      case 'receipt': {
        const { receipt } = parseReceipt(document.body);
        const body = await this.#receipts.accept(receipt as SignedBy<typeof OpenedReceipt>);
        return this.#envelopes.seal(document.from, 'accepted', body, id);
      }
      default:
        throw new RelayError('KIND_UNKNOWN', 'no such kind of envelope');
    }
  }

  async #ask({ document, sender }: Opened): Promise<AskReply> {
    failpoint('decide.received');
    const { request, keyCertificate, without } = parseAsk(document.body);
    const signed = keyCertificate as SignedBy<typeof KeyCertificate>;
    return this.#answered(this.#decisions.answer(request as SignedRequest, signed, sender, without));
  }

  async #page({ document }: Opened): Promise<AskReply> {
    const { requestId, page } = parsePage(document.body);
    return this.#answered(this.#pages.answer(requestId, page, document.from));
  }

  async #answered(work: Promise<AskReply>): Promise<AskReply> {
    try {
      return await work;
    } catch (error) {
      const { code, message } = refusal(error);
      if (PASSING.has(code)) throw error;
      if (UNFINISHED.has(code)) return { state: 'pending', code };
      return { state: 'refused', code, message };
    }
  }
}
