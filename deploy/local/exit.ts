import { DeployError, told } from './errors.ts';

/** How a command ends; the README lists them for scripts. */
export const EXIT = { done: 0, failed: 1, usage: 2, no: 3 } as const;

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
/** As a shell tells of SIGPIPE: whoever read our words, such as `head`, has enough of them. */
const UNHEARD = 141;
/** How long what was interrupted may tidy up. */
const GRACE_MS = 35_000;

/**
 * Runs a program until it is done or interrupted: the first signal aborts and lets it tidy up, a second one ends the
 * process. A reader that goes away interrupts too, and is told nothing. What it throws is one line on stderr, or one
 * JSON value.
 */
export async function run(work: (signal: AbortSignal) => Promise<void>, json: boolean): Promise<never> {
  const interruption = new AbortController();
  let interrupted: number | undefined;
  let unwritten: Error | undefined;
  for (const [name, exitCode] of Object.entries(SIGNALS)) {
    process.on(name, () => {
      if (interrupted !== undefined) process.exit(exitCode);
      interrupted = exitCode;
      interruption.abort(new DeployError('INTERRUPTED', 'interrupted'));
    });
  }
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') interrupted ??= UNHEARD;
      else unwritten ??= Object.assign(error, { path: 'the output' });
      interruption.abort(error);
    });
  }
  const { signal } = interruption;
  const working = work(signal);
  const late = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => setTimeout(reject, GRACE_MS, signal.reason).unref());
  });
  try {
    await Promise.race([working, late]);
    await flushed(process.stdout);
    if (unwritten !== undefined) throw unwritten;
    process.exit(interrupted ?? process.exitCode ?? EXIT.done);
  } catch (error) {
    if (interrupted === UNHEARD) process.exit(UNHEARD);
    const failure = told(interrupted === undefined ? (unwritten ?? error) : signal.reason);
    process.stderr.write(json ? `${JSON.stringify(failure)}\n` : `${failure.code}: ${failure.message}\n`);
    await flushed(process.stderr);
    process.exit(interrupted ?? (failure.code === 'USAGE' ? EXIT.usage : EXIT.failed));
  }
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write('', () => resolve()));
}
