import type { KeyCertificate, SignedBy } from '@yilian/protocol';
import type { RegionalChain } from '@yilian/regional-chain';
import QuickLRU from 'quick-lru';

type SignedKeyCertificate = SignedBy<typeof KeyCertificate>;

/** The own region's key certificates. One that is registered never changes, so each is read once. */
export class KeyCertificates {
  readonly #chain: RegionalChain;
  readonly #known = new QuickLRU<string, SignedKeyCertificate>({ maxSize: 10_000 });

  constructor(chain: RegionalChain) {
    this.#chain = chain;
  }

  /** @throws the contract's KEY_CERTIFICATE_UNKNOWN */
  async of(keyCertificateId: string): Promise<SignedKeyCertificate> {
    const known = this.#known.get(keyCertificateId);
    if (known !== undefined) return known;
    const { signed } = await this.#chain.keyCertificate(keyCertificateId);
    this.#known.set(keyCertificateId, signed);
    return signed;
  }
}
