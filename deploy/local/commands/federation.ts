import { type Command, Option } from 'commander';
import { ENGINES, type Engines } from '../engines.ts';
import { DeployError } from '../errors.ts';
import type { HostStart } from '../federation.ts';
import { down, running } from '../running.ts';
import { positive, type Session } from './session.ts';

type UpOptions = { readonly description?: string } & Partial<Engines> & HostStart;

/** `up`, `status`, `down`. */
export function addFederationCommands(program: Command, session: Session): void {
  program
    .command('up')
    .description('start a federation on this machine and leave it running; continue it if there is state')
    .option('--description <file>', 'who takes part in a new federation; three regions when left out')
    .addOption(
      new Option('--engine <engine>', 'what the chains of a new federation run on; embedded when left out').choices(
        ENGINES.engine,
      ),
    )
    .addOption(
      new Option(
        '--vault <engine>',
        'where holders of a new federation keep sealed bodies; embedded when left out',
      ).choices(ENGINES.vault),
    )
    .option('--agreement <file>', 'on a host of several: what `host agree` made; needed the first time')
    .option('--swarm-key <file>', 'on a host of several with Kubo: the secret `host agree` made; needed the first time')
    .option('--patience <seconds>', 'on a host of several: how long the others may take; 600 when left out', positive)
    .action(async ({ description, agreement, swarmKey, patience, ...engines }: UpOptions) => {
      const { state, note, signal } = session;
      const { up } = await import('../federation.ts');
      const layout = await up(state, description, note, signal, engines, {
        ...(agreement !== undefined && { agreement }),
        ...(swarmKey !== undefined && { swarmKey }),
        ...(patience !== undefined && { patience }),
      });
      const { federation } = layout.description;
      const regions = layout.regions.map(({ region }) => ({
        region,
        relay: layout.url(`${region}/relay`),
      }));
      session.answer(
        { state, federation, regions },
        regions.map(({ region, relay }) => `${region}  ${relay}`),
      );
    });

  program
    .command('status')
    .description('what runs, what does not, and how often it was started again')
    .action(async () => {
      const now = await running(session.state);
      if (now === undefined) throw new DeployError('NOT_RUNNING', `no federation runs in ${session.state}`);
      session.answer(now, [
        `${now.state}: ${now.step}`,
        ...Object.entries(now.engines).map(([engine, version]) => `${engine}: ${version}`),
        ...now.processes.map(({ name, pid, state, restarts, ended }) => {
          const before = restarts > 0 ? `, restarted ${restarts} times, last ended by ${ended}` : '';
          return `${name.padEnd(32)} ${state === 'running' ? `process ${pid}` : state}${before}`;
        }),
      ]);
    });

  program
    .command('down')
    .description('end it; the state stays')
    .action(async () => {
      await down(session.state);
      session.answer({ stopped: true }, ['stopped']);
    });
}
