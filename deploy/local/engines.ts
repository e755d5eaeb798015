import { join } from 'node:path';
import { DeployError } from './errors.ts';
import { readJsonIfThere, writeWhole } from './files.ts';

/** Where holders may keep sealed bodies; the first is taken when nobody chose. */
export const VAULT_ENGINES = ['embedded', 'kubo'] as const;
export type VaultEngine = (typeof VAULT_ENGINES)[number];

/** What a federation was founded on. It is kept with its state: none of it can be exchanged later. */
export interface Engines {
  readonly vault: VaultEngine;
}

/** @throws DeployError STATE_DAMAGED */
export async function readEngines(state: string): Promise<Engines> {
  const file = fileOf(state);
  const { vault = VAULT_ENGINES[0] } = ((await readJsonIfThere(file)) ?? {}) as { vault?: string };
  if (!isVaultEngine(vault)) throw new DeployError('STATE_DAMAGED', `${file} names no engine that is known here`);
  return { vault };
}

/** Keeps the choice for a new state. */
export function rememberEngines(state: string, { vault = VAULT_ENGINES[0] }: Partial<Engines>): void {
  writeWhole(fileOf(state), JSON.stringify({ vault }));
}

/** @throws DeployError ENGINE_DIFFERS STATE_DAMAGED */
export async function requireSameEngines(state: string, asked: Partial<Engines>): Promise<void> {
  const { vault } = await readEngines(state);
  if (asked.vault !== undefined && asked.vault !== vault)
    throw new DeployError(
      'ENGINE_DIFFERS',
      `${state} was founded with --vault ${vault}; choose another folder for --vault ${asked.vault}`,
    );
}

export function isVaultEngine(name: string): name is VaultEngine {
  return VAULT_ENGINES.some((engine) => engine === name);
}

function fileOf(state: string): string {
  return join(state, 'engines.json');
}
