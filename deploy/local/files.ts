import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DeployError } from './errors.ts';

export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** What a JSON file of our own holds, if it is there. @throws DeployError STATE_DAMAGED */
export async function readJsonIfThere(file: string): Promise<unknown> {
  const text = await readIfThere(file);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new DeployError('STATE_DAMAGED', `${file} is not JSON`, { cause });
  }
}

/**
 * Writes a file that only its owner reads, whole or not at all: another process sees the old bytes or the new.
 * `durable`: so does one after a power cut.
 */
export function writeWhole(file: string, text: string, { durable = true } = {}): void {
  if (textOf(file) === text) return;
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${randomUUID()}.new`;
  try {
    writeFileSync(temporary, text, { mode: 0o600, flush: durable });
    renameSync(temporary, file);
  } finally {
    rmSync(temporary, { force: true });
  }
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
