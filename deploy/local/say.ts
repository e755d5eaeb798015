/** Plain-word lines of a demonstration: when, where, who did what, with the transaction and how long it took. */
export class Narrator {
  readonly #start = performance.now();
  readonly #phases: { readonly phase: string; readonly ms: number }[] = [];

  line(text: string): void {
    process.stdout.write(`${text}\n`);
  }

  heading(text: string): void {
    this.line(`\n${text}`);
  }

  /** One step, told after it happened. `where` is a chain or a place, `transactionId` the chain's. */
  step(where: string, text: string, details: { readonly transactionId?: string; readonly ms?: number } = {}): void {
    const seconds = ((performance.now() - this.#start) / 1000).toFixed(2).padStart(6);
    const transaction = details.transactionId === undefined ? '' : `  tx ${details.transactionId.slice(0, 16)}…`;
    const took = details.ms === undefined ? '' : `  ${details.ms.toFixed(0)} ms`;
    this.line(`${seconds} s  ${where.padEnd(12)}  ${text}${transaction}${took}`);
  }

  /** Runs one phase of the job and remembers how long it took. */
  async phase<T>(phase: string, work: () => Promise<T>): Promise<T> {
    const start = performance.now();
    const result = await work();
    this.#phases.push({ phase, ms: performance.now() - start });
    return result;
  }

  table(): void {
    const width = Math.max(...this.#phases.map(({ phase }) => phase.length));
    this.line(`\n${'Phase'.padEnd(width)}   Milliseconds`);
    for (const { phase, ms } of this.#phases) this.line(`${phase.padEnd(width)}   ${ms.toFixed(0).padStart(12)}`);
    const total = this.#phases.reduce((sum, { ms }) => sum + ms, 0);
    this.line(`${'Total'.padEnd(width)}   ${total.toFixed(0).padStart(12)}`);
  }
}

/** Runs something and says how many milliseconds it took. */
export async function timed<T>(work: () => Promise<T>): Promise<{ readonly value: T; readonly ms: number }> {
  const start = performance.now();
  const value = await work();
  return { value, ms: performance.now() - start };
}
