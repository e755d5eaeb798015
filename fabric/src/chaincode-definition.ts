import { type Policy, parsePolicy, type Role } from '@yilian/ledger/verify';

/** A definition as a peer tells it (`querycommitted`), its policy as it is encoded there. */
export interface CommittedDefinition {
  readonly name: string;
  readonly sequence: number;
  readonly version: string;
  /** `protos.ApplicationPolicy`, base64. */
  readonly validation_parameter: string;
}

/** `protos.ApplicationPolicy` as configtxlator writes it in JSON. */
export interface ApplicationPolicy {
  readonly signature_policy?: {
    /** Each a `common.MSPRole`, base64. */
    readonly identities: readonly { readonly principal: string }[];
    readonly rule: Rule;
  };
}

interface Rule {
  readonly signed_by?: number;
  readonly n_out_of?: { readonly n: number; readonly rules: readonly Rule[] };
}

/** `common.MSPRole.MSPRoleType`. */
const ROLES: readonly Role[] = ['member', 'admin', 'client', 'peer', 'orderer'];

/**
 * Whether a committed policy is what `text` says. What is no signature policy is something else.
 * @throws VerifyError POLICY_INVALID
 */
export function isPolicy({ signature_policy }: ApplicationPolicy, text: string): boolean {
  if (signature_policy === undefined) return false;
  const { identities, rule } = signature_policy;
  const principals = identities.map(({ principal }) => principal);
  return JSON.stringify(committed(rule, principals)) === JSON.stringify(planned(parsePolicy(text)));
}

function committed({ n_out_of, signed_by = 0 }: Rule, principals: readonly string[]): unknown {
  if (n_out_of) return [n_out_of.n, ...n_out_of.rules.map((rule) => committed(rule, principals))];
  return principals[signed_by];
}

function planned(policy: Policy): unknown {
  return 'rules' in policy ? [policy.n, ...policy.rules.map(planned)] : principalOf(policy.mspId, policy.role);
}

/** `common.MSPRole`: the MSP id in field 1, the role in field 2 unless it is 0. */
function principalOf(mspId: string, role: Role): string {
  const id = Buffer.from(mspId);
  const number = ROLES.indexOf(role);
  return Buffer.from([0x0a, id.length, ...id, ...(number === 0 ? [] : [0x10, number])]).toString('base64');
}
