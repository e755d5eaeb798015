import { PreError } from './pre-error.ts';

/** Held by this package's modules only: without it no checked object can be constructed. */
export const INSIDE: unique symbol = Symbol('@yilian/pre');

/** @throws ARGUMENT_INVALID when a constructor is called from outside the package. */
export function requireInside(token: typeof INSIDE): void {
  if (token !== INSIDE) throw new PreError('ARGUMENT_INVALID', 'made by this package only');
}
