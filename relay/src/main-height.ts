import { parsePolicy, satisfies } from '@yilian/ledger/verify';
import {
  documentBytes,
  fromBase64url,
  identifyAny,
  MainHeight,
  parser,
  type Signature,
  type SignedBy,
} from '@yilian/protocol';
import { SignatureReply } from '@yilian/proxy/api';
import type { Static, TSchema } from '@yilian/schema';
import type { Witnesses } from './attestations.ts';
import type { Directory } from './directory.ts';
import { RelayError } from './errors.ts';

export type SignedMainHeight = SignedBy<typeof MainHeight>;

const parseReply = parser('signature reply', SignatureReply);
/** A fresh one is collected from this age on; contracts take them up to 60 s. */
const RENEW_AFTER_MS = 15_000;
const MAX_AGE_MS = 30_000;

/** The main chain's height, signed by its authorities' attesters. */
export class MainHeights {
  readonly #federation: string;
  readonly #directory: Directory;
  readonly #attesters: Witnesses;
  #newest: SignedMainHeight | undefined;
  #collecting: Promise<SignedMainHeight> | undefined;

  constructor(federation: string, directory: Directory, attesters: Witnesses) {
    this.#federation = federation;
    this.#directory = directory;
    this.#attesters = attesters;
  }

  /** Whether the newest is old enough to be renewed before somebody needs it. */
  get due(): boolean {
    return this.#newest === undefined || Date.now() - this.#newest.document.at > RENEW_AFTER_MS;
  }

  /** The newest, if it is at least `minHeight` and at most 30 s old. */
  atHand(minHeight: number): SignedMainHeight | undefined {
    const known = this.#newest;
    if (known === undefined || Date.now() - known.document.at > MAX_AGE_MS) return undefined;
    return known.document.height >= minHeight ? known : undefined;
  }

  /** A signed height of at least `minHeight`, at most 30 s old. @throws ATTESTATIONS_MISSING VIEW_STALE */
  async current(minHeight: number): Promise<SignedMainHeight> {
    return this.atHand(minHeight) ?? this.renew();
  }

  /** @throws ATTESTATIONS_MISSING VIEW_STALE */
  renew(): Promise<SignedMainHeight> {
    this.#collecting ??= this.#collect().finally(() => {
      this.#collecting = undefined;
    });
    return this.#collecting;
  }

  async #collect(): Promise<SignedMainHeight> {
    const { height, regions } = await this.#directory.refresh();
    const document: MainHeight = {
      federation: this.#federation,
      height,
      regions: regions.map(({ entry: { region, version } }) => ({ region, version })),
      at: Date.now(),
    };
    this.#newest = await cosign(MainHeight, document, this.#attesters, '/v1/heights', 'height');
    return this.#newest;
  }
}

/**
 * Has witnesses sign a document until their network's attestation policy is met.
 * @throws ATTESTATIONS_MISSING
 */
export async function cosign<S extends TSchema>(
  kind: { readonly type: string; readonly schema: S },
  document: Static<S>,
  witnesses: Witnesses,
  path: string,
  order: string,
): Promise<{ type: string; document: Static<S>; signatures: Signature[] }> {
  const trusts = await witnesses.trusts();
  const policy = trusts[0] === undefined ? undefined : parsePolicy(trusts[0].attestation);
  const message = documentBytes(kind.type, document);
  const signed = new Map<string, { signature: Signature; identity: ReturnType<typeof identifyAny> }>();
  const complete = () =>
    policy !== undefined &&
    satisfies(
      policy,
      [...signed.values()].map(({ identity }) => identity),
    );
  await witnesses.gather(await witnesses.list(), async (witness, signal) => {
    const { signature } = parseReply(await witnesses.order(witness, path, order, { document }, signal));
    const identity = signature.alg === 'ES256' ? identifyAny(trusts, signature.certificate, Date.now()) : undefined;
    if (identity?.mspId !== witness.mspId || !identity.verify(message, fromBase64url(signature.value)))
      throw new RelayError('REMOTE_REFUSED', `not a signature of ${witness.mspId}`);
    signed.set(identity.mspId, { signature, identity });
    return complete();
  });
  if (!complete()) throw new RelayError('ATTESTATIONS_MISSING', `too few organisations signed the ${kind.type}`);
  return { type: kind.type, document, signatures: [...signed.values()].map(({ signature }) => signature) };
}
