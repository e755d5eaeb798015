import type { Organisation } from '@yilian/ledger/verify';
import type { ChannelConfig } from './channel-config.ts';
import { FabricError } from './errors.ts';

/** What Fabric's MSP says, as configtxlator writes it. Certificates and lists are base64 of PEM, or of DER. */
interface FabricMsp {
  readonly root_certs?: readonly string[];
  readonly intermediate_certs?: readonly string[];
  readonly revocation_list?: readonly string[];
  readonly admins?: readonly string[];
  readonly organizational_unit_identifiers?: readonly unknown[];
  readonly fabric_node_ous?: NodeUnits | null;
}

type NodeUnits = Partial<Record<`${(typeof ROLES)[number]}_ou_identifier`, UnitIdentifier | null>> & {
  readonly enable?: boolean;
};

interface UnitIdentifier {
  readonly certificate?: string;
  readonly organizational_unit_identifier?: string;
}

const ROLES = ['client', 'peer', 'admin', 'orderer'] as const;

/**
 * The trust roots, intermediates and revocation lists of the organisations that use a channel, as its configuration has
 * them, in the order of their MSP ids: what a trust document has to say of them.
 * @throws FabricError FABRIC_MSP when an organisation's members are told by other rules than ledger/SPEC.md §7 has
 */
export function mspsOf({ channel_group }: ChannelConfig): readonly Organisation[] {
  const groups = Object.entries(channel_group.groups.Application.groups);
  return groups
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([mspId, { values }]) => {
      const msp = values.MSP.value.config as FabricMsp;
      requireRoles(mspId, msp);
      const intermediates = pems('CERTIFICATE', msp.intermediate_certs);
      const crls = pems('X509 CRL', msp.revocation_list);
      return {
        mspId,
        roots: pems('CERTIFICATE', msp.root_certs),
        ...(intermediates.length > 0 && { intermediates }),
        ...(crls.length > 0 && { crls }),
      };
    });
}

/** Whether roles are what the subject's units say, whichever of the authorities issued the certificate. */
function requireRoles(mspId: string, msp: FabricMsp): void {
  const { fabric_node_ous: units, admins = [], organizational_unit_identifiers: others = [] } = msp;
  const refuse = (why: string) => new FabricError('FABRIC_MSP', `${mspId} ${why}`);
  if (units?.enable !== true) throw refuse('tells no roles by units');
  if (admins.length > 0) throw refuse('names administrators one by one');
  if (others.length > 0) throw refuse('asks for units besides the roles');
  const authorities = [...(msp.root_certs ?? []), ...(msp.intermediate_certs ?? [])];
  for (const role of ROLES) {
    const unit = units[`${role}_ou_identifier`];
    if (unit?.organizational_unit_identifier !== role) throw refuse(`has another unit for the role ${role}`);
    // With a single authority there is nobody else who could issue.
    const issuer = unit.certificate ?? '';
    if (issuer !== '' && (authorities.length > 1 || issuer !== authorities[0]))
      throw refuse(`takes the role ${role} from one of its authorities only`);
  }
}

function pems(label: string, values: readonly string[] = []): string[] {
  return values.map((base64) => {
    const bytes = Buffer.from(base64, 'base64');
    const text = bytes.toString();
    if (text.startsWith('-----BEGIN ')) return text;
    const lines = base64.replaceAll(/.{64}(?=.)/g, '$&\n');
    return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
  });
}
