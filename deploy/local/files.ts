import { readFile } from 'node:fs/promises';
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
