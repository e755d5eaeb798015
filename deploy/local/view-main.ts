import { readFile } from 'node:fs/promises';
import { openFollower } from '@yilian/ledger/embedded';
import { contracts } from '@yilian/main-chain/contracts';
import { runService } from '@yilian/service';
import type { ViewConfig } from './embedded-chains.ts';

/** A region's own view of the main chain: it follows, judges every block anew, and is its relay's gateway. */
await runService(async (configFile) => {
  const config = JSON.parse(await readFile(configFile, 'utf8')) as ViewConfig;
  const { chaincode, endorsement, identity } = config;
  const certificate = await readFile(identity.certificateFile, 'utf8');
  const privateKey = await readFile(identity.privateKeyFile, 'utf8');
  let said: string | undefined;
  const say = (error: Error & { readonly code?: unknown }): void => {
    const { code, message } = error;
    if (message === said) return;
    said = message;
    process.stderr.write(`${JSON.stringify({ at: Date.now(), code, message })}\n`);
  };
  const follower = await openFollower(
    { ...config.network, chaincodes: [{ name: chaincode, version: '1', endorsement, contracts }] },
    {
      folder: config.folder,
      upstream: { client: config.upstream, identity: { mspId: identity.mspId, certificate }, privateKey },
      onBroken: say,
      onTrouble: say,
    },
  );
  const { address } = await follower.serve({ host: '127.0.0.1', port: config.port });
  await follower.caughtUp();
  return { url: address, close: () => follower.close() };
});
