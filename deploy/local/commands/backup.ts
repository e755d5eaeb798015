import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import type { Manifest } from '../backup/manifest.ts';
import { give, type Session } from './session.ts';

const WARNING =
  'it holds the private keys of every organisation: encrypt it, and keep its folder `secret` apart from the rest';

/** `backup`, `restore`. */
export function addBackupCommands(program: Command, session: Session): void {
  program
    .command('backup')
    .description('copy the running federation into an empty folder: ledgers, queues, proxies’ books, bodies, keys')
    .argument('<folder>', 'does not exist, or is empty')
    .option('--dry-run', 'only say what would be done')
    .action(async (folder: string, { dryRun }: { dryRun?: true }) => {
      const to = resolve(folder);
      if (dryRun === true) {
        const steps = (await give(session, { kind: 'backup', folder: to, dryRun: true })) as readonly string[];
        session.answer({ steps }, steps);
        return;
      }
      const manifest = (await give(session, { kind: 'backup', folder: to })) as Manifest;
      const told = summary(manifest);
      session.answer({ folder: to, ...told, missing: manifest.missing }, [
        ...lines(manifest),
        ...manifest.missing.map(
          ({ region, cid }) => `no holder of ${region} has ${cid} whole: it is not in the backup`,
        ),
        `${join(to, '')}: ${told.files} files, ${told.sizeBytes} bytes; ${WARNING}`,
      ]);
    });

  program
    .command('restore')
    .description('make an empty state folder what a backup is of; `up` starts it')
    .argument('<folder>', 'a backup')
    .option('--dry-run', 'only verify the backup')
    .action(async (folder: string, { dryRun }: { dryRun?: true }) => {
      const from = resolve(folder);
      const { restoreBackup, verifyBackup } = await import('../backup/restoring.ts');
      if (dryRun === true) {
        const manifest = await verifyBackup(from, session.signal);
        session.answer({ verified: true, ...summary(manifest) }, [
          ...lines(manifest),
          'every file is as it was written',
        ]);
        return;
      }
      const { manifest, lost } = await restoreBackup(from, session.state, session.note, session.signal);
      session.answer({ restored: true, ...summary(manifest), missing: manifest.missing, lost }, [
        ...lines(manifest),
        ...lost.flatMap(({ region, grants }) =>
          grants.map(
            (grantId) => `${region} lost the key fragments of grant ${grantId}: its patient revokes it and grants anew`,
          ),
        ),
        'what was revoked, frozen or rotated after the backup must be so again; `up` starts the federation',
      ]);
    });
}

function summary({ federation, takenAt, networks, files }: Manifest) {
  const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  const heights = Object.fromEntries(networks.map(({ network, height }) => [network, height]));
  return { federation, takenAt, heights, files: files.length, sizeBytes };
}

function lines({ federation, takenAt, networks }: Manifest): string[] {
  return [
    `${federation} as it was on ${new Date(takenAt).toISOString()}`,
    ...networks.map(({ network, height }) => `${network}: ${height} blocks`),
  ];
}
