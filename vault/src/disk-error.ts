import { VaultError } from './vault-error.ts';

const NO_ROOM = new Set<unknown>(['ENOSPC', 'EDQUOT']);
const SQLITE_BUSY = 5;
const SQLITE_FULL = 13;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

/** Names what the file system or SQLite complained of: `DISK_FULL`, `STORE_DAMAGED` or `UNAVAILABLE`. */
export function diskError(cause: unknown): VaultError {
  if (cause instanceof VaultError) return cause;
  const { code, errcode } = cause as { code?: unknown; errcode?: unknown };
  if (NO_ROOM.has(code) || errcode === SQLITE_FULL) return new VaultError('DISK_FULL', 'no room left', { cause });
  if (errcode === SQLITE_CORRUPT || errcode === SQLITE_NOTADB) {
    return new VaultError('STORE_DAMAGED', 'the list of pins is damaged', { cause });
  }
  return new VaultError('UNAVAILABLE', 'the disk could not be used', { cause });
}

/** Whether another process has the file for itself just now. */
export function isLocked(cause: unknown): boolean {
  return (cause as { errcode?: unknown }).errcode === SQLITE_BUSY;
}
