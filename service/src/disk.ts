/** What a file system says when it, a quota or a file's limit is used up. */
const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
/** SQLITE_FULL, and where it is not told why: SQLITE_IOERR_WRITE, _FSYNC and _SHMSIZE. */
const SQLITE_FULL = new Set([13, 778, 1034, 4874]);

/** Whether an error of node:fs or node:sqlite says that there is no room left. */
export function isFull(error: unknown): boolean {
  const { code, errcode } = error as { readonly code?: unknown; readonly errcode?: unknown };
  return code === 'ERR_SQLITE_ERROR' ? SQLITE_FULL.has(Number(errcode)) : FULL.has(String(code));
}
