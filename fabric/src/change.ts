import { FabricError } from './errors.ts';

/** Whose agreement something needs: of so many of these organisations. */
export interface Consent {
  readonly needed: number;
  readonly of: readonly string[];
}

/** What a change does, or would do. No steps: nothing is left to do. */
export interface Change {
  /** In order and in words. */
  readonly steps: readonly string[];
  /** Signatures of administrators and approvals of organisations, each once. */
  readonly consents: readonly Consent[];
}

export interface ChangeOptions {
  /** Says what would be done, and does nothing. */
  readonly dryRun?: boolean;
  /** The organisations that agree. Default: all that are planned. */
  readonly consenting?: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

/** One thing to do, and whom it takes. */
export interface Step {
  readonly what: string;
  readonly consents?: readonly Consent[];
  run(): Promise<void>;
}

/** Does the steps one after the other, unless it is only asked what they are. */
export async function perform(steps: readonly Step[], { dryRun = false, signal }: ChangeOptions): Promise<Change> {
  if (!dryRun)
    for (const step of steps) {
      signal?.throwIfAborted();
      await step.run();
    }
  const consents = new Map(
    steps.flatMap((step) => step.consents ?? []).map((consent) => [JSON.stringify(consent), consent]),
  );
  return { steps: steps.map(({ what }) => what), consents: [...consents.values()] };
}

/** The answer of a process; in a dry run, which starts none, one that is not there has done nothing yet. */
export async function asked<T>(question: Promise<T>, { dryRun = false }: ChangeOptions, otherwise: T): Promise<T> {
  try {
    return await question;
  } catch (error) {
    if (dryRun && error instanceof FabricError && error.code === 'FABRIC_COMMAND') return otherwise;
    throw error;
  }
}

/** More than half of them. */
export function majorityOf(of: readonly string[]): Consent {
  return { needed: Math.floor(of.length / 2) + 1, of: of.toSorted() };
}

/**
 * Refuses what too few agree to.
 * @throws FabricError with the code given, naming who does not
 */
export function requireConsent(
  code: 'FABRIC_SIGNATURES' | 'FABRIC_APPROVALS',
  what: string,
  { needed, of }: Consent,
  consenting: readonly string[],
): void {
  const missing = of.filter((mspId) => !consenting.includes(mspId));
  const given = of.length - missing.length;
  if (given >= needed) return;
  throw new FabricError(code, `${what} needs ${needed} of ${of.length}, ${given} agree; not: ${missing.join(', ')}`);
}
