import { setTimeout as delay } from 'node:timers/promises';
import { Child, type Program } from './child.ts';
import { DeployError, told } from './errors.ts';
import type { ProcessState, RunningProcess } from './running.ts';

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5_000;
/** A process that served this long before it ended starts with the first pause again. */
const STEADY_MS = 60_000;

interface Kept {
  readonly program: Program;
  child: Child;
  state: ProcessState;
  restarts: number;
  ended?: string;
  /** Ends its keeping, and the pause before its next start. */
  readonly over: AbortController;
}

/** Programs that run, and are started again when they die. */
export class Processes {
  readonly #kept = new Map<string, Kept>();
  readonly #onChange: () => void;
  #stopping = false;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  get list(): readonly RunningProcess[] {
    return [...this.#kept.values()].map(({ program, child, state, restarts, ended }) => ({
      name: program.name,
      ...child.identity,
      state,
      restarts,
      ...(ended !== undefined && { ended }),
    }));
  }

  /** Starts what does not run, and anew what runs with another revision; returns when all of it serves. */
  async start(programs: readonly Program[]): Promise<void> {
    await Promise.all(
      programs.map(async (program) => {
        const kept = this.#kept.get(program.name);
        if (kept === undefined) await this.#start(program);
        else if (kept.program.revision !== program.revision) await this.#restart(kept, program);
      }),
    );
  }

  /** Whether it runs, and with this revision. */
  isCurrent({ name, revision }: Program): boolean {
    const kept = this.#kept.get(name);
    return kept !== undefined && kept.program.revision === revision;
  }

  /** Ends a program, and starts it again. @throws DeployError NAME_UNKNOWN PROCESS_FAILED */
  async restart(name: string): Promise<void> {
    const kept = this.#of(name);
    await this.#restart(kept, kept.program);
  }

  /** Does something while none of some programs runs. @throws DeployError NAME_UNKNOWN PROCESS_FAILED, and what `work` throws */
  async without<T>(names: readonly string[], work: () => Promise<T>): Promise<T> {
    const programs = names.map((name) => this.#of(name).program);
    try {
      await Promise.all(names.map((name) => this.end(name)));
      return await work();
    } finally {
      if (!this.#stopping) await this.start(programs);
    }
  }

  /** Ends a program for good. @throws DeployError NAME_UNKNOWN */
  async end(name: string): Promise<void> {
    const { over, child } = this.#of(name);
    over.abort();
    await child.stop();
    this.#kept.delete(name);
    this.#onChange();
  }

  /** Ends everything: first what is not `below`, then what is. */
  async stop(below: (name: string) => boolean): Promise<void> {
    this.#stopping = true;
    const all = [...this.#kept.values()];
    for (const { over } of all) over.abort();
    for (const turn of [false, true])
      await Promise.all(all.filter(({ program }) => below(program.name) === turn).map(({ child }) => child.stop()));
  }

  #of(name: string): Kept {
    const kept = this.#kept.get(name);
    if (kept === undefined) throw new DeployError('NAME_UNKNOWN', `no process is called ${name}`);
    return kept;
  }

  async #restart(kept: Kept, program: Program): Promise<void> {
    await this.end(kept.program.name);
    await this.#start(program);
  }

  async #start(program: Program): Promise<void> {
    if (this.#stopping) throw new DeployError('INTERRUPTED', 'the federation is being ended');
    const child = new Child(program);
    const kept: Kept = { program, child, state: 'starting', restarts: 0, over: new AbortController() };
    this.#kept.set(program.name, kept);
    this.#onChange();
    await child.ready();
    this.#mark(kept, 'running');
    void this.#keep(kept);
  }

  /** Starts a program again whenever it ends, each time after a longer pause. */
  async #keep(kept: Kept): Promise<void> {
    const { signal } = kept.over;
    for (let failures = 0; ; ) {
      const since = performance.now();
      kept.ended = await kept.child.exited;
      if (signal.aborted) return;
      failures = performance.now() - since > STEADY_MS ? 0 : failures + 1;
      this.#mark(kept, 'waiting');
      await delay(Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures, 10)), undefined, { signal }).catch(
        () => undefined,
      );
      if (signal.aborted) return;
      kept.child = new Child(kept.program);
      kept.restarts += 1;
      this.#mark(kept, 'starting');
      await kept.child.ready().then(
        () => this.#mark(kept, 'running'),
        (error: unknown) => complain(error),
      );
    }
  }

  #mark(kept: Kept, state: ProcessState): void {
    kept.state = state;
    this.#onChange();
  }
}

/** A line for whoever reads the supervisor's log. */
export function complain(error: unknown): void {
  process.stderr.write(`${JSON.stringify({ at: Date.now(), ...told(error) })}\n`);
}
