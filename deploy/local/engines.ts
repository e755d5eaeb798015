import { join } from 'node:path';
import { writeWhole } from '@yilian/service';
import { DeployError } from './errors.ts';
import { readJsonIfThere } from './files.ts';

/** What a federation can be founded on, by option of the command line; the first of each is taken when nobody chose. */
export const ENGINES = {
  /** The chains: the embedded node, or Hyperledger Fabric. */
  engine: ['embedded', 'fabric'],
  /** Where holders keep sealed bodies: an embedded block store, or Kubo. */
  vault: ['embedded', 'kubo'],
} as const;
type Kind = keyof typeof ENGINES;
const KINDS = Object.keys(ENGINES) as Kind[];

/** What a federation was founded on. It is kept with its state: none of it can be exchanged later. */
export type Engines = { readonly [K in Kind]: (typeof ENGINES)[K][number] };

/** @throws DeployError STATE_DAMAGED */
export async function readEngines(state: string): Promise<Engines> {
  const file = fileOf(state);
  const kept = ((await readJsonIfThere(file)) ?? {}) as Readonly<Record<string, string>>;
  const engines = parseEngines(kept);
  if (engines === undefined) throw new DeployError('STATE_DAMAGED', `${file} names no engine that is known here`);
  return { ...defaults(), ...engines };
}

/** Keeps the choice for a new state. */
export function rememberEngines(state: string, chosen: Partial<Engines>): void {
  writeWhole(fileOf(state), JSON.stringify({ ...defaults(), ...chosen }));
}

/** What a state was founded on. @throws DeployError ENGINE_DIFFERS unless that is what is asked for; STATE_DAMAGED */
export async function requireSameEngines(state: string, asked: Partial<Engines>): Promise<Engines> {
  const kept = await readEngines(state);
  for (const kind of KINDS) {
    if (asked[kind] !== undefined && asked[kind] !== kept[kind])
      throw new DeployError(
        'ENGINE_DIFFERS',
        `${state} was founded with --${kind} ${kept[kind]}; choose another folder for --${kind} ${asked[kind]}`,
      );
  }
  return kept;
}

/** What was chosen among options; nothing when it is no choice. */
export function parseEngines(given: Readonly<Record<string, unknown>>): Partial<Engines> | undefined {
  const chosen = KINDS.filter((kind) => given[kind] !== undefined);
  const known = chosen.every((kind) => ENGINES[kind].some((engine) => engine === given[kind]));
  return known ? Object.fromEntries(chosen.map((kind) => [kind, given[kind]])) : undefined;
}

function defaults(): Engines {
  return { engine: ENGINES.engine[0], vault: ENGINES.vault[0] };
}

function fileOf(state: string): string {
  return join(state, 'engines.json');
}
