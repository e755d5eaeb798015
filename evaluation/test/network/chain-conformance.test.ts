import { ledgerConformance } from '@yilian/ledger/conformance';
import { HERE } from '../../src/network/chain-profile.ts';
import { Chain } from './chain.ts';

const NEAR = { requestMs: 2, evaluateMs: 1, endorseMs: 1, submitMs: 1, orderMs: 2, deliveryMs: 1 };

ledgerConformance('A chain at no distance', async () => {
  const chain = await Chain.open();
  return chain.conformance(chain.client({ profile: HERE }));
});

ledgerConformance('A chain at some distance', async () => {
  const chain = await Chain.open();
  return chain.conformance(chain.client({ profile: NEAR, ackAfterCommit: true }));
});
