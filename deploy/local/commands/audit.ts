import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PatientAccess } from '@yilian/client';
import type { Command } from 'commander';
import { DeployError, told } from '../errors.ts';
import { EXIT } from '../exit.ts';
import type { Session } from './session.ts';

/** `accesses`, `verify`. */
export function addAuditCommands(program: Command, session: Session): void {
  program
    .command('accesses')
    .description('a patient lists who asked, in every region')
    .requiredOption('--patient <name>', 'whose accesses')
    .action(async (given: { readonly patient: string }) => {
      const actors = await session.actors();
      const { person, patient } = await actors.patient(given.patient);
      const list = await patient.accesses(await actors.view(person.region));
      session.answer(list, [
        ...list.accesses.map(line),
        ...list.unanswered.map(({ region, code }) => `${region} did not answer: ${code}`),
        ...(list.accesses.length + list.unanswered.length === 0 ? ['nobody has asked'] : []),
      ]);
    });

  program
    .command('verify <dossier>')
    .description('check a dossier offline; needs no federation, only the main chain’s genesis')
    .option('--genesis <file>', 'the pinned genesis; the state folder’s when left out')
    .action(async (file: string, { genesis }: { readonly genesis?: string }) => {
      const pinned = await readJson(genesis ?? join(session.state, 'genesis.json'));
      const given = await readJson(file);
      const [{ verifyDossier }, { parseGenesis }] = [await import('@yilian/client'), await import('@yilian/protocol')];
      const trusted = parseGenesis(pinned);
      try {
        const report = await verifyDossier(given, trusted);
        const { requester, legs } = report;
        session.answer({ holds: true, report }, [
          `the dossier of request ${report.requestId} holds`,
          `asked by ${requester.name}, ${requester.hospital}, of ${requester.region}`,
          ...legs.map(
            ({ region, state, transactionId, opened }) =>
              `${region}: ${state}, opened ${opened.length} times, tx ${transactionId}`,
          ),
        ]);
      } catch (error) {
        const { code, message } = told(error);
        process.exitCode = EXIT.no;
        session.answer({ holds: false, code, message }, [`the dossier does not hold: ${code}: ${message}`]);
      }
    });
}

function line({ at, region, requester, outcome, legs, transactionId }: PatientAccess): string {
  const words = outcome?.outcome ?? legs.map((leg) => `${leg.outcome} by ${leg.region}`).join(', ');
  return [new Date(at).toISOString(), region, requester?.name ?? 'unknown', words || 'asked', transactionId ?? ''].join(
    '  ',
  );
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    throw new DeployError('FILE_UNREADABLE', `cannot read ${file} as JSON`, { cause });
  }
}
