import { type Outcome, toBase64url } from '@yilian/protocol';
import { OutcomeLog, outcomeLeaf } from '@yilian/regional-chain';
import type { Evidence } from '../src/checker.ts';
import type { History, Transaction } from '../src/history.ts';

const GRANT = 'grant-1';
const USABLE_UNTIL = 1_000_000;
const PROXIES = ['P1', 'P2', 'P3'];

/** One request of each outcome, a grant that was used and revoked, a receipt, a checkpoint: nothing to object to. */
export function soundEvidence(): Evidence {
  const decisions = [decided('asked-1', 'released'), decided('asked-2', 'denied')];
  const log = new OutcomeLog();
  for (const { transactionId, result } of decisions)
    log.append(outcomeLeaf(transactionId, JSON.parse(result) as Outcome));
  const [released, denied] = decisions as [Transaction, Transaction];
  const root = toBase64url(log.root());
  return {
    home: {
      region: 'home',
      history: inOrder([
        granted([]),
        granted(['P1'], 'Grants:acknowledge'),
        granted(['P1', 'P2'], 'Grants:acknowledge'),
        released,
        said('Requests:opened', { [composite('opened', 'asked-1', released.transactionId, 'receipt-1')]: {} }),
        granted(['P1', 'P2'], 'Grants:revoke', { revokedAt: 5 }),
        denied,
        granted(['P1', 'P2'], 'Grants:destroyed', {
          revokedAt: 5,
          destroyed: PROXIES.map((mspId) => ({ document: { mspId } })),
        }),
      ]),
    },
    away: {
      region: 'away',
      history: inOrder([
        asked('asked-1', ['home']),
        asked('asked-2', ['home']),
        asked('asked-3', []),
        { ...settled('asked-1', 'home', 'released', released.transactionId), valid: false },
        settled('asked-1', 'home', 'released', released.transactionId),
        settled('asked-2', 'home', 'denied', denied.transactionId),
        settled('asked-3', 'main', 'absent', 'Index:absent-asked-3'),
      ]),
    },
    main: inOrder([
      { ...said('Index:absent', {}), transactionId: 'Index:absent-asked-3', args: ['pseudonym', 'asked-3'] },
      said('Checkpoints:anchor', {
        [composite('checkpoint', 'home')]: { document: { region: 'home', size: 2, root } },
      }),
    ]),
    accepted: ['asked-1', 'asked-2', 'asked-2', 'asked-3'],
    signed: new Set(['asked-1', 'asked-2', 'asked-3']),
    receipts: [`asked-1/${released.transactionId}/receipt-1`],
    proxies: PROXIES.map((mspId) => ({ mspId, grantIds: [] })),
  };
}

let serial = 0;

function said(name: string, writes: Record<string, unknown>): Transaction {
  serial += 1;
  return {
    block: 0,
    position: 0,
    transactionId: `${name}-${serial}`,
    valid: true,
    function: name,
    args: [],
    result: '',
    writes: Object.entries(writes).map(([key, value]) => ({
      key,
      value: value === null ? null : JSON.stringify(value),
    })),
  };
}

function inOrder(transactions: readonly Transaction[]): History {
  return transactions.map((transaction, block) => ({ ...transaction, block }));
}

function composite(type: string, ...parts: readonly string[]): string {
  return ['', type, ...parts, ''].join('\u0000');
}

function granted(acknowledgedBy: readonly string[], name = 'Grants:grant', more: object = {}): Transaction {
  const grant = { threshold: 2, proxies: PROXIES.map((mspId) => ({ mspId })) };
  return said(name, { [composite('grant', GRANT)]: { grantId: GRANT, grant, acknowledgedBy, destroyed: [], ...more } });
}

function decided(requestId: string, outcome: 'released' | 'denied'): Transaction {
  const permitted = outcome === 'released';
  const scopes = [{ scope: 'laboratory', permitted, ...(permitted ? { grantId: GRANT } : { reason: 'REVOKED' }) }];
  const result = JSON.stringify({
    requestId,
    outcome,
    scopes,
    ...(permitted && { release: { usableUntil: USABLE_UNTIL } }),
  });
  return { ...said('Requests:decide', {}), result, event: { name: 'outcome', payload: requestId } };
}

function asked(requestId: string, homes: readonly string[]): Transaction {
  return said('Requests:ask', {
    [composite('request', requestId)]: { homes },
    [`pending/${requestId}`]: { requestId },
  });
}

function settled(requestId: string, region: string, outcome: string, transactionId: string): Transaction {
  return said('Requests:mirror', {
    [composite('leg', requestId, region)]: { region, outcome, transactionId },
    [`pending/${requestId}`]: null,
  });
}
