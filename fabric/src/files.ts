import { readFileSync } from 'node:fs';
import { writeWhole } from '@yilian/service';

/** Writes a file whole or not at all, readable by its owner alone. */
export function write(file: string, content: string | Uint8Array): string {
  // Not synced, for there are hundreds at a first start: a power cut during it may cost the folder.
  writeWhole(file, content, { durable: false });
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
