import { VerifyError } from './errors.ts';

const ROLES = ['member', 'peer', 'client', 'admin', 'orderer'] as const;

/** A role of Fabric's signature policies. Every valid identity of an organisation is a `member`. */
export type Role = (typeof ROLES)[number];

/** A parsed signature policy: one signer, or at least `n` of `rules`. */
export type Policy =
  | { readonly mspId: string; readonly role: Role }
  | { readonly n: number; readonly rules: readonly Policy[] };

/** A signer as a policy sees it. */
export interface Principal {
  readonly mspId: string;
  readonly roles: ReadonlySet<Role>;
}

const MAX_TEXT_LENGTH = 8192;
const MAX_DEPTH = 8;
const MAX_LEAVES = 256;
const TOKEN = /\s*(?:([A-Za-z]+)(?=\s*\()|(\d{1,3})(?![\w.])|'([^'"]*)'|"([^'"]*)"|([(),]))/y;
const PRINCIPAL = /^([A-Za-z0-9.-]+)\.(member|peer|client|admin|orderer)$/;
const GATES: Record<string, 'and' | 'or' | 'outof'> = {
  AND: 'and',
  And: 'and',
  and: 'and',
  OR: 'or',
  Or: 'or',
  or: 'or',
  OUTOF: 'outof',
  OutOf: 'outof',
  outof: 'outof',
};

/**
 * Parses Fabric's signature policy language: `AND(..)`, `OR(..)`, `OutOf(n, ..)` over `'MSP.role'`.
 * What it accepts, Fabric accepts with the same meaning. Fabric also takes an `n` that is never or always reached.
 * @throws VerifyError POLICY_INVALID, with the position of the first character that is not understood
 */
export function parsePolicy(text: string): Policy {
  if (text.length > MAX_TEXT_LENGTH) throw new VerifyError('POLICY_INVALID', 'Policy text is too long');
  let position = 0;
  let leaves = 0;

  const invalid = (why: string, at = position) =>
    new VerifyError('POLICY_INVALID', `Policy is invalid at position ${at}: ${why}`);

  const next = () => {
    TOKEN.lastIndex = position;
    const match = TOKEN.exec(text);
    if (!match) throw invalid('unexpected character or end', text.length - text.slice(position).trimStart().length);
    const at = position + match[0].length - match[0].trimStart().length;
    position = TOKEN.lastIndex;
    return { at, gate: match[1], count: match[2], principal: match[3] ?? match[4], sign: match[5] };
  };

  const expect = (...signs: string[]) => {
    const token = next();
    if (token.sign === undefined || !signs.includes(token.sign))
      throw invalid(`expected ${signs.join(' or ')}`, token.at);
    return token.sign;
  };

  const rule = (depth: number): Policy => {
    const token = next();
    if (token.principal !== undefined) {
      const [, mspId, role] = PRINCIPAL.exec(token.principal) ?? [];
      if (mspId === undefined) throw invalid("expected 'MSP.role'", token.at);
      if (++leaves > MAX_LEAVES) throw invalid('too many principals', token.at);
      return { mspId, role: role as Role };
    }
    const gate = Object.hasOwn(GATES, token.gate ?? '') ? GATES[token.gate as string] : undefined;
    if (!gate) throw invalid('expected AND, OR, OutOf or a principal', token.at);
    if (depth === MAX_DEPTH) throw invalid('nested too deeply', token.at);
    expect('(');
    let n: number | undefined;
    if (gate === 'outof') {
      const count = next();
      if (count.count === undefined) throw invalid('expected a number', count.at);
      n = Number(count.count);
      expect(',');
    }
    const rules: Policy[] = [];
    do rules.push(rule(depth + 1));
    while (expect(',', ')') === ',');
    n ??= gate === 'and' ? rules.length : 1;
    if (n < 1 || n > rules.length) throw invalid(`${n} out of ${rules.length} is never or always true`, token.at);
    return { n, rules };
  };

  const policy = rule(0);
  if (!('rules' in policy)) throw invalid('a lone principal needs a gate around it', 0);
  if (text.slice(position).trim() !== '') throw invalid('unexpected text after the policy');
  return policy;
}

/**
 * Evaluates a policy as Fabric's cauthdsl does: rules are tried in order, the first unused signer that fits a leaf is
 * used up by it, and what a failed rule used is given back. The caller passes each signer once.
 */
export function satisfies(policy: Policy, signers: readonly Principal[]): boolean {
  return evaluate(policy, signers, new Set()) !== null;
}

/** The principals a policy names, in the order of its text, repeated ones included. */
export function principalsOf(policy: Policy): { readonly mspId: string; readonly role: Role }[] {
  return 'rules' in policy ? policy.rules.flatMap(principalsOf) : [policy];
}

function evaluate(
  policy: Policy,
  signers: readonly Principal[],
  used: ReadonlySet<number>,
): ReadonlySet<number> | null {
  if (!('rules' in policy)) {
    const index = signers.findIndex((signer, i) => !used.has(i) && fits(signer, policy.mspId, policy.role));
    return index < 0 ? null : new Set(used).add(index);
  }
  let satisfied = 0;
  let current = used;
  for (const rule of policy.rules) {
    const after = evaluate(rule, signers, current);
    if (!after) continue;
    satisfied += 1;
    current = after;
  }
  return satisfied >= policy.n ? current : null;
}

function fits(signer: Principal, mspId: string, role: Role): boolean {
  return signer.mspId === mspId && (role === 'member' || signer.roles.has(role));
}
