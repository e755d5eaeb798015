import { runService } from '@yilian/service';
import { readConfig } from './config.ts';
import { startRelay } from './relay.ts';

/** `node main.ts CONFIG.json`. What still hangs at its end is found again by the scanner. */
await runService(async (file) => startRelay(await readConfig(file)));
