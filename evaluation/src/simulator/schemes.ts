import { Federation, type FederationOptions } from './federation.ts';
import type { Ground } from './ground.ts';
import { MultiChannel } from './multi-channel.ts';
import { National, type NationalOptions } from './national.ts';
import type { Topology } from './topology.ts';

export const SCHEMES = [
  'federation',
  'national',
  'national-remote',
  'national-thin',
  'broadcast',
  'central-index',
  'multi-channel',
] as const;
export type SchemeId = (typeof SCHEMES)[number];

export function isScheme(id: string): id is SchemeId {
  return SCHEMES.some((scheme) => scheme === id);
}

/** What any of the topologies has to know. */
export type TopologyOptions = Omit<FederationOptions, 'finds'> & Omit<NationalOptions, 'peers' | 'remoteEndorsement'>;

export function topologyOf(scheme: SchemeId, ground: Ground, options: TopologyOptions): Topology {
  switch (scheme) {
    case 'federation':
      return new Federation(ground, { ...options, finds: 'view' });
    case 'broadcast':
      return new Federation(ground, { ...options, finds: 'everybody' });
    case 'central-index':
      return new Federation(ground, { ...options, finds: 'registry' });
    case 'multi-channel':
      return new MultiChannel(ground, options);
    case 'national':
      return new National(ground, { ...options, peers: 'everywhere', remoteEndorsement: false });
    case 'national-remote':
      return new National(ground, { ...options, peers: 'everywhere', remoteEndorsement: true });
    case 'national-thin':
      return new National(ground, { ...options, peers: 'capital', remoteEndorsement: false });
  }
}
