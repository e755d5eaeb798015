import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import type { Actors } from '../actors.ts';
import { DeployError, told } from '../errors.ts';
import { positive, type Session } from './session.ts';

interface GrantOptions {
  readonly patient: string;
  readonly doctor: string;
  readonly scope?: readonly string[];
  readonly purpose: readonly string[];
  readonly days: number;
  readonly region?: string;
}

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
/** How long `revoke` waits for the proxies' receipts of destruction. */
const DESTRUCTION_MS = 10_000;
const POLL_MS = 100;

/** `grant`, `revoke`. */
export function addConsentCommands(program: Command, session: Session): void {
  program
    .command('grant')
    .description('a patient lets a doctor read')
    .requiredOption('--patient <name>', 'who grants')
    .requiredOption('--doctor <name-or-certificate>', 'who may read; on another host: REGION/ID of the key certificate')
    .option('--scope <scope...>', 'classes of records; all when left out')
    .option('--purpose <purpose...>', 'HL7 PurposeOfUse', ['TREAT'])
    .option('--days <days>', 'how long', positive, 30)
    .option('--region <region>', 'home region; the patient’s own when left out')
    .action(async (given: GrantOptions) => {
      const actors = await session.actors();
      const doctor = await granteeOf(actors, given.doctor);
      const { person, patient } = await actors.patient(given.patient);
      const home = regionOf(actors, given.region ?? person.region);
      const now = Date.now();
      const granted = await patient.grant({
        view: await actors.view(home),
        home,
        relay: actors.relay(home),
        grantee: await actors.relay(doctor.region).keyCertificate(doctor.keyCertificateId ?? ''),
        scopes: session.scopes(actors.layout, given.scope),
        purposes: given.purpose,
        notBefore: now - MINUTE_MS,
        notAfter: now + given.days * DAY_MS,
        threshold: actors.layout.description.threshold,
      });
      const { name, hospital, fingerprint } = granted.describe;
      session.answer({ region: home, ...granted }, [
        `grant ${granted.grantId}`,
        `to ${name}, ${hospital}, certificate ${fingerprint}`,
        `held by ${granted.acknowledgedBy.join(', ')}`,
        `tx ${granted.transactionId}`,
      ]);
    });

  program
    .command('revoke <grantId>')
    .description('a patient ends a grant')
    .requiredOption('--patient <name>', 'who granted')
    .action(async (grantId: string, given: { readonly patient: string }) => {
      const actors = await session.actors();
      const { patient } = await actors.patient(given.patient);
      const home = await homeOf(actors, grantId);
      const revoked = await patient.revoke({ home, relay: actors.relay(home), grantId });
      let { k, n } = await revoked.destroyed();
      for (
        const deadline = Date.now() + DESTRUCTION_MS;
        k < n && Date.now() < deadline;
        { k, n } = await revoked.destroyed()
      )
        await delay(POLL_MS, undefined, { signal: session.signal });
      session.answer({ region: home, ...revoked, destroyed: { k, n } }, [
        `stopped: ${revoked.stopped.join(', ')}`,
        ...revoked.untold.map(({ party, code }) => `not told yet: ${party} (${code})`),
        `${k} of ${n} proxies have committed their destruction receipts; what was opened cannot be recalled`,
        `tx ${revoked.transactionId ?? 'not yet'}`,
      ]);
    });
}

/** A doctor who enrolled here by name, any other by region and id of the key certificate. @throws DeployError NAME_UNKNOWN USAGE */
async function granteeOf(
  actors: Actors,
  given: string,
): Promise<{ readonly region: string; readonly keyCertificateId?: string }> {
  const [region = '', keyCertificateId] = given.split('/');
  if (keyCertificateId === undefined) return actors.person(given, 'doctor');
  return { region: regionOf(actors, region), keyCertificateId };
}

/** The region whose chain holds a grant. @throws DeployError NAME_UNKNOWN, what kept a region from answering */
async function homeOf(actors: Actors, grantId: string): Promise<string> {
  let silence: Error | undefined;
  for (const { region } of actors.layout.description.regions) {
    try {
      await actors.relay(region).grant(grantId);
      return region;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      if (told(error).code !== 'GRANT_UNKNOWN') silence ??= error;
    }
  }
  throw silence ?? new DeployError('NAME_UNKNOWN', `no region knows a grant ${grantId}`);
}

function regionOf(actors: Actors, name: string): string {
  const known = actors.layout.description.regions.map(({ region }) => region);
  if (!known.includes(name)) throw new DeployError('USAGE', `no region ${name}; there are ${known.join(', ')}`);
  return name;
}
