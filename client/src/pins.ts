import { readFile } from 'node:fs/promises';
import { PointKey, Pseudonym, parser } from '@yilian/protocol';
import { Type } from '@yilian/schema';
import { ClientError, codeOf } from './core/client-error.ts';
import { writeSecretFile } from './files.ts';

/** The signing keys a hospital saw its patients sign with. Whoever can write here chooses what records are sealed to. */
export interface Pins {
  /** The signing key (base64url point) pinned for a pseudonym. */
  get(pseudonym: string): Promise<string | undefined>;
  /** @throws PATIENT_KEY_CHANGED when another key is pinned */
  pin(pseudonym: string, signingKey: string): Promise<void>;
}

const parsePins = parser('pins', Type.Array(Type.Tuple([Pseudonym, PointKey])));

/** Pins that last as long as the process. */
export function memoryPins(): Pins {
  const pins = new Map<string, string>();
  return pinsOf(
    () => Promise.resolve(pins),
    () => Promise.resolve(),
  );
}

/** Pins in a file of their own, mode 0600, for one process at a time. Its methods throw PINS_CORRUPT on any other file. */
export function filePins(file: string): Pins {
  return pinsOf(
    () => read(file),
    (pins) => writeSecretFile(file, `${JSON.stringify([...pins])}\n`, false),
  );
}

function pinsOf(
  load: () => Promise<Map<string, string>>,
  store: (pins: ReadonlyMap<string, string>) => Promise<void>,
): Pins {
  let turn: Promise<unknown> = Promise.resolve();
  const add = async (pseudonym: string, signingKey: string) => {
    const pins = await load();
    const known = pins.get(pseudonym);
    if (known === signingKey) return;
    if (known !== undefined)
      throw new ClientError('PATIENT_KEY_CHANGED', 'another signing key is pinned for this patient');
    await store(pins.set(pseudonym, signingKey));
  };
  return {
    get: async (pseudonym) => (await load()).get(pseudonym),
    pin: (pseudonym, signingKey) => {
      const own = turn.then(() => add(pseudonym, signingKey));
      turn = own.catch(() => undefined);
      return own;
    },
  };
}

async function read(file: string): Promise<Map<string, string>> {
  try {
    return new Map(parsePins(JSON.parse(await readFile(file, 'utf8'))));
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return new Map();
    throw new ClientError('PINS_CORRUPT', 'the pinned signing keys cannot be read', { cause });
  }
}
