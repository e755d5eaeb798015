import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Command, InvalidArgumentError } from 'commander';
import { readDescription } from '../description.ts';
import { DeployError } from '../errors.ts';
import { give, positive, type Session } from './session.ts';

const WITHIN_DAYS = 30;
const DRY_RUN = ['--dry-run', 'only say what would be done, and whose consent it needs'] as const;

/** `change`, `upgrade`, `renew`: what is done to a federation on Fabric while it runs. */
export function addChangeCommands(program: Command, session: Session): void {
  program
    .command('change')
    .description('make the running federation what a description says: new hospitals, regions, orderers, second peers')
    .argument('<description>', 'the description of `up`, changed; what is there already stays')
    .option(...DRY_RUN)
    .action(async (description: string, { dryRun }: { dryRun?: true }) => {
      const after = await readDescription(description);
      if (dryRun === true) {
        const { rehearseChange } = await import('../rehearsal.ts');
        const { attach } = await import('../federation.ts');
        const steps = await rehearseChange(await attach(session.state), after, session.signal);
        session.answer({ steps }, steps.length === 0 ? ['nothing to do'] : steps);
        return;
      }
      await give(session, { kind: 'change', description: resolve(description) });
      session.answer({ changed: true }, ['changed']);
    });

  program
    .command('upgrade')
    .description('put another version of a network’s contracts in force, while the one before serves on')
    .argument('<network>', 'a region, or main')
    .requiredOption('--module <file>', 'the module that exports the `contracts`; it stays where it is')
    .requiredOption('--to <version>', 'of letters, digits, dots and dashes', version)
    .option(...DRY_RUN)
    .action(async (network: string, { module: file, to, dryRun }: { module: string; to: string; dryRun?: true }) => {
      const next = { version: to, module: pathToFileURL(resolve(file)).href };
      if (!existsSync(file)) throw new DeployError('FILE_UNREADABLE', `there is no module ${file}`);
      if (dryRun === true) {
        const { rehearseUpgrade } = await import('../rehearsal.ts');
        const { attach } = await import('../federation.ts');
        const steps = await rehearseUpgrade(await attach(session.state), network, next, session.signal);
        session.answer({ steps }, steps.length === 0 ? ['nothing to do'] : steps);
        return;
      }
      await give(session, { kind: 'upgrade', network, ...next });
      session.answer({ upgraded: true }, [`${network} runs ${to}`]);
    });

  program
    .command('renew')
    .description('renew the certificates of peers, orderers and contract servers, one process after the other')
    .option('--within <days>', `those that expire in so many days; ${WITHIN_DAYS} when left out`, positive, WITHIN_DAYS)
    .option(...DRY_RUN)
    .action(async ({ within, dryRun }: { within: number; dryRun?: true }) => {
      if (dryRun === true) {
        const { rehearseRenewal } = await import('../rehearsal.ts');
        const { attach } = await import('../federation.ts');
        const steps = await rehearseRenewal(await attach(session.state), within, session.signal);
        session.answer({ steps }, steps.length === 0 ? ['nothing to renew'] : steps);
        return;
      }
      const renewed = (await give(session, { kind: 'renew', withinDays: within })) as readonly string[];
      session.answer({ renewed }, [`${renewed.length} renewed`]);
    });
}

function version(text: string): string {
  if (!/^[0-9A-Za-z.-]{1,16}$/.test(text))
    throw new InvalidArgumentError('At most 16 letters, digits, dots and dashes.');
  return text;
}
