import { readConfig } from './config.ts';
import { startRelay } from './relay.ts';

/** Whatever still hangs then is found again by the scanner. */
const EXIT_DEADLINE_MS = 20_000;

const [file] = process.argv.slice(2);
try {
  const relay = await startRelay(await readConfig(file ?? ''));
  let stopping = false;
  const stop = () => {
    if (stopping) return;
    stopping = true;
    setTimeout(() => process.exit(1), EXIT_DEADLINE_MS).unref();
    relay.close().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  process.stdout.write(`${JSON.stringify({ ready: true, url: relay.url })}\n`);
} catch (error) {
  const { code = 'START_FAILED', message = '' } = error as { code?: string; message?: string };
  process.stderr.write(`${JSON.stringify({ code, message })}\n`);
  process.exit(2);
}
