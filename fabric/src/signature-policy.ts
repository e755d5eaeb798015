/** `common.SignaturePolicyEnvelope` as configtxlator writes it, in a `common.Policy`. */
export interface SignaturePolicy<P> {
  readonly type: number;
  readonly value: {
    readonly identities: readonly { readonly principal: P; readonly principal_classification: string }[];
    readonly rule: object;
    readonly version: number;
  };
}

/** `common.Policy.PolicyType`. */
const SIGNATURE = 1;

/** So many of these have to sign: whoever holds a role, or somebody with one certificate. */
export function outOf<P>(
  needed: number,
  classification: 'ROLE' | 'IDENTITY',
  principals: readonly P[],
): SignaturePolicy<P> {
  // In the order in which configtxlator writes it: whether a change is in force is seen by comparing texts.
  return {
    type: SIGNATURE,
    value: {
      identities: principals.map((principal) => ({ principal, principal_classification: classification })),
      rule: { n_out_of: { n: needed, rules: principals.map((_, index) => ({ signed_by: index })) } },
      version: 0,
    },
  };
}
