import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Writes a file that only its owner reads, whole or not at all: another process sees the old bytes or the new.
 * `durable`: so does one after a power cut.
 */
export function writeWhole(file: string, content: string | Uint8Array, { durable = true } = {}): void {
  if (contentOf(file)?.equals(Buffer.from(content)) === true) return;
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${randomUUID()}.new`;
  try {
    writeFileSync(temporary, content, { mode: 0o600, flush: durable });
    renameSync(temporary, file);
  } finally {
    rmSync(temporary, { force: true });
  }
}

function contentOf(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}
