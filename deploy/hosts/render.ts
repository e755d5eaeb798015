import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writeWhole } from '@yilian/service';
import { adopt } from './ceremony.ts';
import { composeFile } from './compose.ts';
import { containerHost } from './container.ts';
import { kustomizeBase } from './kubernetes.ts';
import { prepareHost } from './preparation.ts';
import { systemdUnit } from './systemd.ts';

export interface RenderOptions {
  readonly to: string;
  /** The files on which all hosts agreed, as for `up`. */
  readonly agreement: string;
  readonly swarmKey?: string | undefined;
  readonly say: (line: string) => void;
}

/**
 * Writes into a folder what runs a host: a systemd unit, a compose file and a kustomize base, all of the programs that
 * `yilian up` would start. Nothing in it is secret.
 * @returns the files
 * @throws DeployError as {@link adopt}, `prepareHost` and `containerHost`
 */
export async function render(
  state: string,
  { to, agreement, swarmKey, say }: RenderOptions,
): Promise<readonly string[]> {
  await adopt(state, agreement, swarmKey);
  const { layout, stages } = await prepareHost(state, say);
  const host = containerHost(layout, stages);
  const kubernetes = Object.entries(kustomizeBase(host)).map(([file, text]) => [join('kubernetes', file), text]);
  const files = new Map([
    [`yilian-${host.name}.service`, systemdUnit({ host: host.name, state, agreement, swarmKey })],
    ['compose.yaml', composeFile(host)],
    ...(kubernetes as [string, string][]),
  ]);
  await mkdir(join(to, 'kubernetes'), { recursive: true });
  for (const [name, text] of files) writeWhole(join(to, name), text);
  return [...files.keys()].map((name) => join(to, name));
}
