import type { Command } from 'commander';
import type { Session } from './session.ts';

interface PublishOptions {
  readonly patient: string;
  readonly hospital: string;
  readonly scope?: string;
}

const INDEX_MS = 60_000;

/** `publish`. */
export function addRecordCommands(program: Command, session: Session): void {
  program
    .command('publish <file...>')
    .description('a hospital seals files for a patient and publishes them')
    .requiredOption('--patient <name>', 'whose records they are')
    .requiredOption('--hospital <mspId>', 'whose they are to keep; the patient enrolled there')
    .option('--scope <scope>', 'class of records; by the file’s ending when left out')
    .action(async (files: string[], { patient, hospital, scope }: PublishOptions) => {
      const actors = await session.actors();
      if (scope !== undefined) session.scopes(actors.layout, [scope]);
      const { pseudonym = '' } = await actors.person(patient, 'patient');
      const { fileSource, publish } = await import('../publishing.ts');
      const sources = await Promise.all(files.map((file) => fileSource(file, scope)));
      await using open = await actors.hospital(hospital);
      const records = [];
      for (const source of sources) {
        const bar = session.progress(source.name, source.sizeBytes);
        const record = await publish(open, pseudonym, source, {
          onProgress: bar.update,
          signal: session.signal,
        }).finally(bar.stop);
        session.note(`${record.name} is sealed and published, tx ${record.transactionId}`);
        records.push(record);
      }
      await open.hospital.findable(pseudonym, AbortSignal.any([session.signal, AbortSignal.timeout(INDEX_MS)]));
      session.answer(
        { records },
        records.map(
          ({ name, recordId, sizeBytes, sha256 }) =>
            `${name}: record ${recordId}, ${sizeBytes} bytes, SHA-256 ${sha256}`,
        ),
      );
    });
}
