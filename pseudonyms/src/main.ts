import { readConfig, startPseudonyms } from './service.ts';

const [, , configFile] = process.argv;
if (configFile === undefined) {
  process.stderr.write('usage: CONFIG.json\n');
  process.exit(2);
}
const service = await startPseudonyms(
  await readConfig(configFile).catch((error: unknown) => {
    process.stderr.write(`CONFIG_INVALID: ${error instanceof Error ? error.message : 'unreadable'}\n`);
    process.exit(2);
  }),
);
const stop = (): void => {
  void service.close().then(() => process.exit(0));
};
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
process.stdout.write(`${JSON.stringify({ ready: true, url: service.url })}\n`);
