import { Random } from '@yilian/testbed/random';

/** In [0, 1), the same for the same seed. */
export function uniform(seed: number): () => number {
  const random = new Random(seed);
  return () => random.next();
}
