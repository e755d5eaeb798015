import { readFile } from 'node:fs/promises';
import { readServerTls, runService } from '@yilian/service';
import { serveGateway } from '@yilian/vault';
import { openHolder } from './holder.ts';
import type { VaultConfig } from './vaults.ts';

/** The trustless gateways of one region's vaults, one for each holder, in one process. */
await runService(async (configFile) => {
  const { holders } = JSON.parse(await readFile(configFile, 'utf8')) as VaultConfig;
  const open = await Promise.all(
    holders.map(async ({ host, port, tls: files, ...holder }) => {
      const vault = await openHolder(holder);
      const tls = await readServerTls(files);
      const gateway = await serveGateway(vault, { host, port, ...(tls && { tls }) });
      return { vault, gateway };
    }),
  );
  return {
    url: open.map(({ gateway }) => gateway.url).join(' '),
    async close() {
      for (const { vault, gateway } of open) {
        await gateway.close();
        await vault[Symbol.asyncDispose]();
      }
    },
  };
});
