import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Writes a file whole or not at all, readable by its owner alone. */
export function write(file: string, content: string | Uint8Array): string {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const fresh = `${file}.new`;
  writeFileSync(fresh, content, { mode: 0o600 });
  renameSync(fresh, file);
  return file;
}

/** Every configuration of Fabric's is YAML, which JSON is part of. */
export function writeYaml(file: string, value: unknown): string {
  return write(file, JSON.stringify(value, null, 2));
}

export function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
