import type { Contract } from '@hyperledger/fabric-gateway';
import { overriding } from './overriding.ts';

/**
 * The contract with its evaluations bound to one organisation's peers. Fabric's gateway would otherwise ask a foreign
 * peer when the own one fails, and an evaluation is a single peer's unproven word. Other organisations may still be named.
 */
export function evaluatedAt(mspId: string, contract: Contract): Contract {
  const evaluate: Contract['evaluate'] = (name, options) =>
    contract.evaluate(name, { endorsingOrganizations: [mspId], ...options });
  const evaluateTransaction: Contract['evaluateTransaction'] = (name, ...args) => evaluate(name, { arguments: args });
  return overriding(contract, { evaluate, evaluateTransaction });
}
