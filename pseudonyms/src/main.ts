import { runService } from '@yilian/service';
import { readConfig, startPseudonyms } from './service.ts';

/** `node main.ts CONFIG.json` */
await runService(async (file) => startPseudonyms(await readConfig(file)));
