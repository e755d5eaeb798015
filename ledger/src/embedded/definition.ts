import type { Organisation } from '../msp.ts';

/**
 * What verdicts depend on besides the blocks: who the members of a channel are, who of them is revoked, and whose
 * endorsements each chaincode needs. It is part of the chain, so that whoever reads it later judges alike.
 */
export interface Definition {
  readonly network: string;
  readonly channel: string;
  readonly organisations: readonly Required<Organisation>[];
  readonly chaincodes: readonly { readonly name: string; readonly endorsement: string }[];
}

/** The definition within a configuration, or within JSON that may be anything. @throws TypeError */
export function definitionOf(config: {
  readonly network: string;
  readonly channel: string;
  readonly organisations: readonly Organisation[];
  readonly chaincodes: Definition['chaincodes'];
}): Definition {
  const { network, channel, organisations, chaincodes } = config;
  return {
    network: String(network),
    channel: String(channel),
    organisations: organisations.map(({ mspId, roots, intermediates = [], crls = [] }) => ({
      mspId: String(mspId),
      roots: roots.map(String),
      intermediates: intermediates.map(String),
      crls: crls.map(String),
    })),
    chaincodes: chaincodes.map(({ name, endorsement }) => ({ name: String(name), endorsement: String(endorsement) })),
  };
}

export function encodeDefinition(definition: Definition): string {
  return JSON.stringify(definition);
}

/** @throws Error unless the text is exactly what `encodeDefinition` makes */
export function decodeDefinition(text: string): Definition {
  const definition = definitionOf(JSON.parse(text) as Definition);
  if (encodeDefinition(definition) !== text) throw new Error('not a definition of a channel');
  return definition;
}
