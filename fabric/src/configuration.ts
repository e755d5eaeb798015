import { type ChangeOptions, requireConsent, type Step } from './change.ts';
import { type ChannelConfig, membersOf, orderingMembersOf, type Part, signaturesFor } from './channel-config.ts';
import { readChannel, updateChannel } from './channel-update.ts';
import type { Site } from './site.ts';

/** One configuration update of a channel. */
export interface Reconfiguration {
  readonly what: string;
  readonly parts: readonly Part[];
  /** Changes nothing where it was made before. */
  readonly change: (config: ChannelConfig) => void;
  /** Orderers not to be asked. */
  readonly without?: readonly string[];
}

/**
 * The newest configuration of a channel, read from an orderer; `without`: orderers not to be asked; `block`: where the
 * block that holds it is to be written.
 * @throws FabricError FABRIC_COMMAND FABRIC_NOT_READY
 */
export async function readConfiguration(
  site: Site,
  options: { readonly signal?: AbortSignal | undefined; readonly without?: readonly string[]; readonly block?: string },
): Promise<ChannelConfig> {
  const { signal, without, block } = options;
  const { channel } = site.plan;
  const { access, mspId } = await site.consenter(signal, without);
  return readChannel(
    site.binaries,
    site.folder,
    { channel, orderer: access, signal },
    site.administrator(mspId),
    block,
  );
}

/**
 * The step that makes a change of the configuration; none where it was made before.
 * @param config what the change would be made in; left as it is
 * @throws FabricError FABRIC_SIGNATURES when its step is run and too few sign
 */
export function reconfigurationStep(
  site: Site,
  config: ChannelConfig,
  { what, parts, change, without = [] }: Reconfiguration,
  { consenting, signal }: ChangeOptions,
): readonly Step[] {
  const changed = structuredClone(config);
  change(changed);
  if (JSON.stringify(changed) === JSON.stringify(config)) return [];
  const consents = signaturesFor(config, parts);
  const known = new Set([...membersOf(config), ...orderingMembersOf(config)]);
  const signing = site.plan.organisations
    .map(({ mspId }) => mspId)
    .filter((mspId) => known.has(mspId) && (consenting === undefined || consenting.includes(mspId)));
  const run = async (): Promise<void> => {
    for (const consent of consents)
      requireConsent('FABRIC_SIGNATURES', `${what} on ${site.plan.channel}`, consent, signing);
    await updateChannel(site.binaries, site.folder, {
      channel: site.plan.channel,
      orderer: (await site.consenter(signal, without)).access,
      administrators: signing.map((mspId) => site.administrator(mspId)),
      change,
      signal,
    });
  };
  return [{ what, consents, run }];
}
