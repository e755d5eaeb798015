import { PseudonymError } from './errors.ts';
import { readConfig, startPseudonyms } from './service.ts';

/** `node main.ts CONFIG.json` */
const [, , file] = process.argv;
try {
  if (file === undefined) throw new PseudonymError('CONFIG_INVALID', 'usage: CONFIG.json');
  const service = await startPseudonyms(await readConfig(file));
  process.stdout.write(`${JSON.stringify({ ready: true, url: service.url })}\n`);
  const stop = (): void => {
    void service.close().then(() => process.exit(0));
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
} catch (error) {
  const { code, message } =
    error instanceof PseudonymError ? error : { code: 'INTERNAL', message: 'the service cannot start' };
  process.stderr.write(`${JSON.stringify({ code, message })}\n`);
  process.exit(2);
}
