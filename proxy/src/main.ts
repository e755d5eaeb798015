import { readConfig } from './config.ts';
import { codeOf, ProxyError } from './errors.ts';
import { startProxy } from './proxy.ts';

/** `node main.ts CONFIG.json` */
const [, , file] = process.argv;
try {
  if (file === undefined) throw new ProxyError('CONFIG_INVALID', 'usage: CONFIG.json');
  const proxy = await startProxy(await readConfig(file));
  process.stdout.write(`${JSON.stringify({ ready: true, url: proxy.url })}\n`);
  const stop = (): void => {
    void proxy.close().then(() => process.exit(0));
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
} catch (error) {
  const message = error instanceof ProxyError ? error.message : 'the proxy cannot start';
  process.stderr.write(`${JSON.stringify({ code: codeOf(error), message })}\n`);
  process.exit(2);
}
