import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import type { Passphrase } from './actors.ts';
import { DeployError } from './errors.ts';

/** From `YILIAN_PASSPHRASE`, else asked for on the terminal without showing it, once for each command. */
export function askPassphrase(signal: AbortSignal): Passphrase {
  let known: Promise<string> | undefined;
  return (fresh) => {
    known ??= passphrase(fresh, signal);
    return known;
  };
}

async function passphrase(fresh: boolean, signal: AbortSignal): Promise<string> {
  const given = process.env['YILIAN_PASSPHRASE'];
  if (given !== undefined && given !== '') return given;
  if (!process.stdin.isTTY)
    throw new DeployError('USAGE', 'set YILIAN_PASSPHRASE: keystores are encrypted, and there is nobody to ask');
  const word = await ask('Passphrase of the keystore: ', signal);
  if (word === '') throw new DeployError('USAGE', 'a keystore needs a passphrase');
  if (fresh && (await ask('Again, because it is new: ', signal)) !== word)
    throw new DeployError('USAGE', 'the two passphrases differ');
  return word;
}

async function ask(question: string, signal: AbortSignal): Promise<string> {
  const unseen = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: unseen, terminal: true, historySize: 0 });
  const { promise: gone, reject } = Promise.withResolvers<never>();
  terminal.once('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  terminal.once('close', () => reject(new DeployError('USAGE', 'no passphrase was given')));
  // Only now does the terminal itself show nothing: whoever is asked may type at once.
  process.stderr.write(question);
  try {
    return await Promise.race([terminal.question('', { signal }), gone]);
  } finally {
    terminal.close();
    process.stderr.write('\n');
  }
}
