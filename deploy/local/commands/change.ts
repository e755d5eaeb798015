import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Command, InvalidArgumentError } from 'commander';
import { readDescription } from '../description.ts';
import { DeployError } from '../errors.ts';
import type { Layout } from '../layout.ts';
import { give, positive, type Session } from './session.ts';

const WITHIN_DAYS = 30;
const DRY_RUN = ['--dry-run', 'only say what would be done, and whose consent it needs'] as const;

/** `change`, `upgrade`, `renew`: what is done to a federation while it runs; on embedded chains only `renew`. */
export function addChangeCommands(program: Command, session: Session): void {
  program
    .command('change')
    .description('make the running federation what a description says: new hospitals, regions, orderers, second peers')
    .argument('<description>', 'the description of `up`, changed; what is there already stays')
    .option(...DRY_RUN)
    .action(async (description: string, { dryRun }: { dryRun?: true }) => {
      const after = await readDescription(description);
      if (dryRun === true) {
        await rehearse(session, 'nothing to do', ({ rehearseChange }, live) =>
          rehearseChange(live, after, session.signal),
        );
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
        await rehearse(session, 'nothing to do', ({ rehearseUpgrade }, live) =>
          rehearseUpgrade(live, network, next, session.signal),
        );
        return;
      }
      await give(session, { kind: 'upgrade', network, ...next });
      session.answer({ upgraded: true }, [`${network} runs ${to}`]);
    });

  program
    .command('renew')
    .description(
      'renew the certificates of nodes and services, one process after the other, while questions are answered',
    )
    .option('--within <days>', `those that expire in so many days; ${WITHIN_DAYS} when left out`, positive, WITHIN_DAYS)
    .option(...DRY_RUN)
    .action(async ({ within, dryRun }: { within: number; dryRun?: true }) => {
      if (dryRun === true) {
        await rehearse(session, 'nothing to renew', ({ rehearseRenewal }, live) =>
          rehearseRenewal(live, within, session.signal),
        );
        return;
      }
      const renewed = (await give(session, { kind: 'renew', withinDays: within })) as readonly string[];
      session.answer({ renewed }, [`${renewed.length} renewed`]);
    });
}

/** Says what would be done to the federation that runs. */
async function rehearse(
  session: Session,
  nothing: string,
  steps: (rehearsal: typeof import('../rehearsal.ts'), live: Layout) => Promise<readonly string[]>,
): Promise<void> {
  const rehearsal = await import('../rehearsal.ts');
  const { attach } = await import('../federation.ts');
  const found = await steps(rehearsal, await attach(session.state));
  session.answer({ steps: found }, found.length === 0 ? [nothing] : found);
}

function version(text: string): string {
  if (!/^[0-9A-Za-z.-]{1,16}$/.test(text))
    throw new InvalidArgumentError('At most 16 letters, digits, dots and dashes.');
  return text;
}
