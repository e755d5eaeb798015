import { runService } from '@yilian/service';
import { readConfig } from './config.ts';
import { startProxy } from './proxy.ts';

/** `node main.ts CONFIG.json` */
await runService(async (file) => startProxy(await readConfig(file)));
