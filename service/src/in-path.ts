import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** The first program of one of these names in `path`, which is spelled as in PATH. */
export async function inPath(names: readonly string[], path: string | undefined): Promise<string | undefined> {
  for (const folder of (path ?? '').split(delimiter)) {
    for (const name of names) {
      const candidate = join(folder, name);
      if (folder !== '' && (await executable(candidate))) return candidate;
    }
  }
  return undefined;
}

async function executable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}
