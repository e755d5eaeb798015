import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { FabricError } from './errors.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

export interface CommandOptions {
  /** Folder of `core.yaml`, `orderer.yaml` or `configtx.yaml`. */
  readonly config?: string;
  readonly signal?: AbortSignal | undefined;
}

/** Runs one of Fabric's programs and gives what it printed. @throws FabricError FABRIC_COMMAND with its last words */
export async function command(program: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { config, signal } = options;
  try {
    const { stdout, stderr } = await run(program, [...args], {
      timeout: TIMEOUT_MS,
      maxBuffer: MAX_OUTPUT_BYTES,
      env: {
        PATH: process.env['PATH'],
        FABRIC_LOGGING_SPEC: 'error',
        ...(config !== undefined && { FABRIC_CFG_PATH: config }),
      },
      ...(signal !== undefined && { signal }),
    });
    return stdout + stderr;
  } catch (cause) {
    signal?.throwIfAborted();
    const { stderr = '', stdout = '' } = cause as { stderr?: string; stdout?: string };
    const said = `${stderr}${stdout}`
      .trim()
      .split('\n')
      .filter((line) => line.trim() !== '' && !/^\s*(Usage|Flags|Global Flags):|^\s*-/.test(line));
    const name = program.split('/').at(-1) ?? program;
    throw new FabricError('FABRIC_COMMAND', `${name} ${args.slice(0, 3).join(' ')}: ${said.at(-1) ?? 'no answer'}`, {
      cause,
    });
  }
}
