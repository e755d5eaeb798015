import { type Static, Type } from '@yilian/schema';
import { FederationId, Hash, RegionId, Time } from './ids.ts';
import { documentType } from './signed.ts';

/** Root of a region's outcome log (RFC 9162 tree, block order). Signed by proxies that recomputed it. */
export const Checkpoint = documentType(
  'checkpoint',
  Type.Object(
    {
      federation: FederationId,
      region: RegionId,
      size: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
      root: Hash,
      at: Time,
    },
    { additionalProperties: false },
  ),
);
export type Checkpoint = Static<typeof Checkpoint.schema>;
