import { spawnSync } from 'node:child_process';

/** A full disk that needs no mount and no rights: how far the files of this process may grow. */
export class FileLimit implements Disposable {
  readonly #stayAlive = (): void => undefined;

  constructor() {
    process.on('SIGXFSZ', this.#stayAlive);
  }

  /** No file of this process grows beyond `bytes` meanwhile. @throws Error without prlimit (util-linux) */
  async within<T>(bytes: number, act: () => Promise<T>): Promise<T> {
    limit(String(bytes));
    try {
      return await act();
    } finally {
      limit('unlimited');
    }
  }

  [Symbol.dispose](): void {
    process.off('SIGXFSZ', this.#stayAlive);
  }
}

function limit(soft: string): void {
  const { status, stderr } = spawnSync('prlimit', ['--pid', String(process.pid), `--fsize=${soft}:`]);
  if (status !== 0) throw new Error(`prlimit (util-linux) does not set the limit: ${String(stderr)}`);
}
