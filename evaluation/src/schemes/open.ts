import { EvaluationError } from '../errors.ts';
import type { Scheme } from '../results.ts';
import { AUTHORITIES, CHAIN_SCHEMES, type ChainScheme, NO_CHAIN } from './catalogue.ts';
import { ChainDeployment, type Deployment, type DeploymentOptions } from './deployment.ts';
import { NoChainDeployment } from './no-chain.ts';
import { organisationsOf, placesOf } from './topology.ts';

const FLOOR = 'no-chain';

/** Of which a run can be built. */
export const MOST_REGIONS = 8;
/** Every scheme there is, in the order of a report. */
export const SCHEMES: readonly string[] = [...Object.keys(CHAIN_SCHEMES), FLOOR];

/** What a scheme is in a federation of so many regions. @throws EvaluationError IMPOSSIBLE for an id that is none */
export function schemeOf(id: string, regions: number): Scheme {
  const { role, title, titleZh, about, aboutZh, exposure } = id === FLOOR ? NO_CHAIN : known(id);
  const authorities = id === FLOOR ? 0 : AUTHORITIES;
  const organisations = regions * organisationsOf('region-a').length + authorities;
  return { id, role, title, titleZh, about, aboutZh, ...exposure(regions), organisations };
}

/**
 * Builds a scheme in this process, with its patients enrolled and what they have published; Redis servers are processes of
 * their own, which end with the deployment.
 * @throws EvaluationError IMPOSSIBLE
 */
export async function openScheme(id: string, options: DeploymentOptions): Promise<Deployment> {
  const { regions, rttMs } = options;
  if (!Number.isInteger(regions) || regions < 2 || regions > MOST_REGIONS)
    throw new EvaluationError('IMPOSSIBLE', `2 to ${MOST_REGIONS} regions can be built here, not ${regions}`);
  const scheme = schemeOf(id, regions);
  if (id === FLOOR) return NoChainDeployment.open(scheme, options);
  const { topology, levers } = known(id);
  return ChainDeployment.open(scheme, topology({ places: placesOf(regions), rttMs }), levers, options);
}

function known(id: string): ChainScheme {
  const scheme = Object.hasOwn(CHAIN_SCHEMES, id) ? CHAIN_SCHEMES[id] : undefined;
  if (scheme === undefined) throw new EvaluationError('IMPOSSIBLE', `no scheme ${id}: ${SCHEMES.join(', ')}`);
  return scheme;
}
