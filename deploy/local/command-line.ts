import { Command, CommanderError } from 'commander';
import { addAuditCommands } from './commands/audit.ts';
import { addBackupCommands } from './commands/backup.ts';
import { addChangeCommands } from './commands/change.ts';
import { addConsentCommands } from './commands/consent.ts';
import { addFederationCommands } from './commands/federation.ts';
import { addHostCommands } from './commands/hosts.ts';
import { addPeopleCommands } from './commands/people.ts';
import { addQueryCommands } from './commands/queries.ts';
import { addRecordCommands } from './commands/records.ts';
import { Session } from './commands/session.ts';
import { DeployError } from './errors.ts';
import { run } from './exit.ts';

const HELP = `
Exit codes: 0 done; 1 refused or failed, with a code and a sentence on stderr; 2 wrong usage; 3 the answer is no
(denied, absent, expired, or a dossier that does not hold).`;

/** pnpm hands its own `--` on. */
const given = process.argv.slice(2);
const args = withIdsLast(given[0] === '--' ? given.slice(1) : given);
const json = args.includes('--json');

await run(async (signal) => {
  const program = new Command('yilian')
    .description('Open the records a patient left in another region. Works on the federation that `up` started.')
    .option('--state <folder>', 'where the federation keeps its state', '.yilian')
    .option('--json', 'one JSON value on stdout; errors as JSON on stderr')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ writeErr: () => undefined })
    .helpCommand(false)
    .addHelpText('after', HELP)
    .exitOverride();
  const session = new Session(program, signal);
  addFederationCommands(program, session);
  addChangeCommands(program, session);
  addHostCommands(program, session);
  addBackupCommands(program, session);
  addPeopleCommands(program, session);
  addRecordCommands(program, session);
  addConsentCommands(program, session);
  addQueryCommands(program, session);
  addAuditCommands(program, session);
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return;
    const complaint = error.code === 'commander.help' ? 'a command is missing' : error.message.replace(/^error: /, '');
    throw new DeployError('USAGE', `${complaint}; see yilian --help`);
  }
}, json);

/** Ids are base64url and may begin with a dash: behind `--` none is taken for an option. */
function withIdsLast(words: readonly string[]): readonly string[] {
  const isValue = (index: number): boolean => /^--(?!json$|wait$)/.test(words[index - 1] ?? '');
  const isId = (word: string, index: number): boolean => /^-[\w-]{42}$/.test(word) && !isValue(index);
  if (words.includes('--') || !words.some(isId)) return words;
  return [...words.filter((word, index) => !isId(word, index)), '--', ...words.filter(isId)];
}
