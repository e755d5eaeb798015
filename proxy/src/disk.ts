import { isFull } from '@yilian/service';
import { ProxyError } from './errors.ts';

/** Runs what writes to the disk. @throws DISK_FULL; any other error as it is */
export function onDisk<T>(write: () => T): T {
  try {
    return write();
  } catch (cause) {
    if (isFull(cause)) throw new ProxyError('DISK_FULL', 'there is no room on the disk', { cause });
    throw cause;
  }
}
