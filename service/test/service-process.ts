import { setTimeout as delay } from 'node:timers/promises';
import { runService } from '../src/index.ts';

/** A service of the kind its argument names. */
await runService(async (kind) => {
  if (kind === 'refused') throw Object.assign(new Error('port 1 is not for you'), { code: 'CONFIG_INVALID' });
  if (kind === 'broken') throw new TypeError('cannot read 110101199003070134');
  const alive = setInterval(() => undefined, 1000);
  return {
    url: 'http://127.0.0.1:1',
    async close() {
      if (kind === 'failing') throw new Error('no end');
      await delay(50);
      clearInterval(alive);
      process.stdout.write('closed\n');
    },
  };
});
