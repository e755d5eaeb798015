/** What a process serves, and how it ends. */
export interface Service {
  readonly url: string;
  close(): Promise<void>;
}

const END_MS = 20_000;
const CODE = /^[A-Z][A-Z0-9_]+$/;

/**
 * Runs a service as this process, by the configuration file that is its one argument. README.md says what it prints. A
 * standard error that finds no room does not end it.
 */
export async function runService(start: (configFile: string) => Promise<Service>): Promise<void> {
  process.stderr.on('error', () => undefined);
  const [, , configFile, ...others] = process.argv;
  try {
    if (configFile === undefined || others.length > 0)
      throw Object.assign(new Error('usage: CONFIG.json'), { code: 'CONFIG_INVALID' });
    const service = await start(configFile);
    const stop = (): void => {
      setTimeout(() => process.exit(1), END_MS).unref();
      service.close().then(
        () => process.exit(0),
        () => process.exit(1),
      );
    };
    process.once('SIGTERM', stop);
    process.once('SIGINT', stop);
    process.stdout.write(`${JSON.stringify({ ready: true, url: service.url })}\n`);
  } catch (error) {
    process.stderr.write(`${JSON.stringify(said(error))}\n`);
    process.exit(2);
  }
}

/** An error with a code of its own says why; of any other only where it arose is told, since it may quote anything. */
function said(error: unknown): { readonly code: string; readonly message: string } {
  const { code, message, stack } = error instanceof Error ? (error as Error & { readonly code?: unknown }) : {};
  if (typeof code === 'string' && CODE.test(code) && !code.startsWith('ERR_')) return { code, message: message ?? '' };
  const frame = stack?.split('\n').find((line) => /^\s+at /.test(line)) ?? '';
  return { code: 'INTERNAL', message: `the service cannot start ${frame.trim()}`.trim() };
}
