import type { Command } from 'commander';
import { DeployError } from '../errors.ts';
import type { Session } from './session.ts';

interface PatientOptions {
  readonly hospital: string;
  readonly id?: string;
}

/** `enrol patient`, `enrol doctor`. */
export function addPeopleCommands(program: Command, session: Session): void {
  const enrol = program.command('enrol').description('a patient or a doctor enrols at a hospital');

  enrol
    .command('patient <name>')
    .description('a patient enrols, or is seen by another hospital')
    .requiredOption('--hospital <mspId>', 'where the patient is seen')
    .option('--id <nationalId>', 'resident identity number, 18 characters; not needed at the next hospital')
    .action(async (name: string, { hospital, id }: PatientOptions) => {
      const actors = await session.actors();
      const known = (await actors.people()).find((each) => each.kind === 'patient' && each.name === name);
      if (known !== undefined && id !== undefined) await actors.requireSamePatient(known, hospital, id);
      if (known === undefined && id === undefined) throw new DeployError('USAGE', 'the first enrolment needs --id');
      const { person, transactionId } =
        known === undefined
          ? await actors.enrolPatient(name, hospital, id ?? '')
          : { person: known, transactionId: await actors.visit((await actors.patient(name)).patient, hospital) };
      session.answer({ ...person, hospital, transactionId }, [
        `${name} is enrolled at ${hospital}`,
        `pseudonym ${person.pseudonym}`,
        `tx ${transactionId}`,
      ]);
    });

  enrol
    .command('doctor <name>')
    .description('a doctor gets a certificate and a re-encryption key')
    .requiredOption('--hospital <mspId>', 'where the doctor works')
    .requiredOption('--title <title>', 'name on the certificate')
    .action(async (name: string, { hospital, title }: { hospital: string; title: string }) => {
      const { person, transactionId } = await (await session.actors()).enrolDoctor(name, hospital, title);
      session.answer({ ...person, transactionId }, [
        `${name} is enrolled in ${person.region}`,
        `key certificate ${person.keyCertificateId}`,
        `tx ${transactionId}`,
      ]);
    });
}
