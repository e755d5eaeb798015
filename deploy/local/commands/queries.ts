import type { Command } from 'commander';
import type { OpenOptions, RequestOptions } from './answering.ts';
import { positive, type Session } from './session.ts';

/** `request`, `open`. */
export function addQueryCommands(program: Command, session: Session): void {
  program
    .command('request')
    .description('a doctor asks for a patient’s records and waits for the answer')
    .requiredOption('--doctor <name>', 'who asks')
    .requiredOption('--patient <name-or-pseudonym>', 'about whom')
    .option('--scope <scope...>', 'classes of records; all when left out')
    .option('--purpose <purpose>', 'HL7 PurposeOfUse', 'TREAT')
    .option('--evidence <text>', 'evidence of treatment; only its hash leaves', 'treatment')
    .option('--wait', 'wait for the patient’s consent instead of being denied')
    .option('--timeout <seconds>', 'how long to wait for the answer; `open` can go on waiting', positive, 60)
    .action(async (given: RequestOptions) => (await import('./answering.ts')).ask(session, given));

  program
    .command('open <requestId>')
    .description('the doctor opens what a request released, and keeps the dossier')
    .requiredOption('--out <folder>', 'where the documents go')
    .option('--timeout <seconds>', 'how long to wait if there is no answer yet', positive, 60)
    .action(async (requestId: string, options: OpenOptions) =>
      (await import('./answering.ts')).openAll(session, requestId, options),
    );
}
