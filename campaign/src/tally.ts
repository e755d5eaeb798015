import type { World } from './world.ts';

/** What a campaign did, in figures. */
export class Tally {
  rounds = 0;
  readonly #struck = new Map<string, number>();
  readonly #endedMs: number[] = [];

  struck(fault: string): void {
    this.#struck.set(fault, (this.#struck.get(fault) ?? 0) + 1);
  }

  /** A round of queries took so long from its first question to rest. */
  ended(ms: number): void {
    this.rounds += 1;
    this.#endedMs.push(ms);
  }

  report({ regions, signed }: World): string {
    const programs = regions.flatMap(({ chain, relays, proxies }) => [chain, ...relays, ...proxies]);
    const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
    const kills = sum(programs.map((program) => program.kills)) + sum(regions.map(({ redis }) => redis.kills));
    const sorted = this.#endedMs.toSorted((a, b) => a - b);
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    return [
      ...[...this.#struck.keys()]
        .toSorted()
        .map((fault) => `  ${String(this.#struck.get(fault)).padStart(4)}  ${fault}`),
      `${this.rounds} rounds, ${signed.size} queries, ${kills} kills, ${sum(programs.map(({ freezes }) => freezes))} freezes`,
      `a round to its rest: median ${at(0.5)} ms, longest ${at(1)} ms`,
    ].join('\n');
  }
}
