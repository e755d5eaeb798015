import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { SecretKey } from '@yilian/pre';
import type { SecretFiles } from './sealed-file.ts';

const NAME = 'transport';

/** The key patients seal key fragments to for this proxy, made at the first start and kept in the folder. */
export function openTransportKey(folder: string, files: SecretFiles): SecretKey {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, NAME);
  if (!existsSync(file)) {
    const bytes = SecretKey.random().toBytes();
    files.write(file, bytes, NAME);
    bytes.fill(0);
  }
  const bytes = files.read(file, NAME);
  try {
    return SecretKey.fromBytes(bytes);
  } finally {
    bytes.fill(0);
  }
}
