/** A service of the local federation: its address, and how it ends. */
export interface Service {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Runs a service process: config file as the one argument, one ready line on stdout, SIGTERM ends it. A log that finds
 * no room does not end it.
 */
export async function serve(start: (configFile: string) => Promise<Service>): Promise<void> {
  const [, , configFile] = process.argv;
  if (configFile === undefined) {
    process.stderr.write('usage: CONFIG.json\n');
    process.exit(2);
  }
  process.stderr.on('error', () => undefined);
  const service = await start(configFile);
  const stop = (): void => {
    void service.close().then(() => process.exit(0));
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  process.stdout.write(`${JSON.stringify({ ready: true, url: service.url })}\n`);
}
