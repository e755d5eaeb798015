import { PreError } from './pre-error.ts';

/** A source of `length` uniformly random bytes. Only tests and vectors replace the default. */
export type Rng = (length: number) => Uint8Array;

/** The operating system's generator. */
export const systemRng: Rng = (length) => crypto.getRandomValues(new Uint8Array(length));

/** @throws `RANDOM_INVALID` when the source hands back anything but `length` bytes. */
export function draw(rng: Rng, length: number): Uint8Array {
  const bytes = rng(length);
  if (!(bytes instanceof Uint8Array) || bytes.length !== length) {
    throw new PreError('RANDOM_INVALID', `the random source did not give ${length} bytes`);
  }
  return new Uint8Array(bytes);
}
