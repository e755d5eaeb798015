/** A setting by which a Redis may lose what is queued in it. */
export interface Weakness {
  readonly fault: string;
  /** What mends it at the server's own prompt, and how to keep it. */
  readonly mend: string;
}

/** What Redis says of itself, by name. */
export function readInfo(text: string): ReadonlyMap<string, string> {
  const lines = text.split(/\r?\n/).filter((line) => line.includes(':'));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
}

/** Whether it is Redis 6.2 or later, which the queues need. */
export function isRecent(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 6 || (major === 6 && minor >= 2);
}

/** Why what is queued there might be lost: no append-only file, or keys that are evicted. */
export function weaknesses(info: ReadonlyMap<string, string>): readonly Weakness[] {
  return [
    ...(info.get('aof_enabled') === '1' ? [] : [weakness('appendonly is off', 'appendonly yes')]),
    ...(info.get('maxmemory_policy') === 'noeviction'
      ? []
      : [weakness('maxmemory-policy is not noeviction', 'maxmemory-policy noeviction')]),
  ];
}

function weakness(fault: string, setting: string): Weakness {
  return { fault, mend: `CONFIG SET ${setting}` };
}
