import { resolve } from 'node:path';
import { writeWhole } from '@yilian/service';
import { type Command, Option } from 'commander';
import { ENGINES, type Engines } from '../engines.ts';
import { DeployError } from '../errors.ts';
import { positive, type Session } from './session.ts';

interface KeysOptions {
  readonly description: string;
  readonly host: string;
  readonly vault?: Engines['vault'];
  readonly out?: string;
}

interface RenderCommand {
  readonly to: string;
  readonly agreement: string;
  readonly swarmKey?: string;
}

/** `host keys`, `host agree`, `host render`; in containers `host prepare`, `host found`. */
export function addHostCommands(program: Command, session: Session): void {
  const host = program.command('host').description('a federation on several machines; see docs/hosts.md');

  host
    .command('keys')
    .description('make the keys of one host, and the public bundle the others need')
    .requiredOption('--description <file>', 'who takes part, on which hosts')
    .requiredOption('--host <name>', 'which of them this is')
    .addOption(
      new Option('--vault <engine>', 'where holders keep sealed bodies; embedded when left out').choices(ENGINES.vault),
    )
    .option('--out <file>', 'where the bundle goes; NAME.json when left out')
    .action(async ({ description, host: name, vault, out }: KeysOptions) => {
      const { makeKeys } = await import('../../hosts/ceremony.ts');
      const bundle = await makeKeys(session.state, description, name, vault);
      const file = save(out ?? `${name}.json`, JSON.stringify(bundle, null, 2));
      session.answer({ host: name, bundle: file }, [`${file}: to be carried to whoever makes the agreement`]);
    });

  host
    .command('agree <bundle...>')
    .description('on one host: make the agreement of the bundles of all hosts, with the first block of the main chain')
    .option('--out <file>', 'where the agreement goes', 'agreement.json')
    .action(async (bundles: string[], { out }: { readonly out: string }) => {
      const { agree, SWARM_FILE } = await import('../../hosts/ceremony.ts');
      const { hashOf } = await import('../../hosts/bundle.ts');
      const { readIfThere } = await import('../files.ts');
      const text = await agree(session.state, bundles);
      const file = save(out, text);
      const secret = resolve(session.state, SWARM_FILE);
      const swarmKey = (await readIfThere(secret)) === undefined ? undefined : secret;
      session.answer({ agreement: file, sha256: hashOf(text), ...(swarmKey !== undefined && { swarmKey }) }, [
        `${file}: to be carried to every host`,
        `SHA-256 ${hashOf(text)}: to be compared by all operators`,
        ...(swarmKey === undefined ? [] : [`${swarmKey}: secret, to be carried to every host in confidence`]),
      ]);
    });

  host
    .command('render')
    .description('write what runs this host: a systemd unit, a compose file, a kustomize base; nothing in it is secret')
    .requiredOption('--to <folder>', 'where they go')
    .requiredOption('--agreement <file>', 'what `host agree` made')
    .option('--swarm-key <file>', 'with Kubo: the secret `host agree` made')
    .action(async ({ to, agreement, swarmKey }: RenderCommand) => {
      const { render } = await import('../../hosts/render.ts');
      const files = await render(session.state, {
        to: resolve(to),
        agreement: resolve(agreement),
        swarmKey: swarmKey === undefined ? undefined : resolve(swarmKey),
        say: session.note,
      });
      session.answer({ files }, files);
    });

  host
    .command('prepare')
    .description('in containers, before the others start: write what they start with')
    .action(async () => {
      const { prepareHost } = await import('../../hosts/preparation.ts');
      await prepareHost(session.state, session.note);
      session.answer({ prepared: true }, ['prepared']);
    });

  host
    .command('found')
    .description('in containers, when the chains run: join them, and found the federation with the other hosts')
    .option('--patience <seconds>', 'how long the others may take; 600 when left out', positive)
    .action(async ({ patience }: { readonly patience?: number }) => {
      const { foundHost } = await import('../../hosts/preparation.ts');
      const { note: say, signal } = session;
      await foundHost(session.state, { say, signal, patienceMs: patience === undefined ? undefined : patience * 1000 });
      session.answer({ founded: true }, ['founded']);
    });
}

/** @throws DeployError FILE_UNWRITABLE */
function save(name: string, text: string): string {
  const file = resolve(name);
  try {
    writeWhole(file, text);
  } catch (cause) {
    throw new DeployError('FILE_UNWRITABLE', `cannot write ${file}`, { cause });
  }
  return file;
}
