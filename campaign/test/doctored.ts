import type { Evidence, Rule } from '../src/checker.ts';
import type { History, Transaction, Write } from '../src/history.ts';

type Doctor = (evidence: Evidence) => Evidence;

/** For each rule, sound evidence with one lie in it that the rule must see. */
export const DOCTORED: Readonly<Record<Rule, Doctor>> = {
  REQUEST_LOST: (evidence) => ({ ...evidence, accepted: [...evidence.accepted, 'never-recorded'] }),
  REQUEST_UNASKED: (evidence) => ({ ...evidence, signed: new Set([...evidence.signed].slice(1)) }),
  REQUEST_REPEATED: away((history) => repeated(history, writing('request'))),
  OUTCOME_LOST: home((history) => annulled(history, released)),
  OUTCOME_REPEATED: home((history) => repeated(history, denied)),
  OUTCOME_UNASKED: away((history) => annulled(history, writing('request'))),
  RELEASE_REPEATED: home((history) => repeated(history, released)),
  RELEASE_UNGRANTED: home((history) => history.filter(not(calling('Grants:acknowledge')))),
  RELEASE_AFTER_REVOCATION: home((history) => {
    const revocations = history.filter(calling('Grants:revoke'));
    return history.filter(not(calling('Grants:revoke'))).flatMap(after(calling('Grants:acknowledge'), revocations));
  }),
  LEG_LOST: away((history) => annulled(history, writing('leg'))),
  LEG_REPEATED: away((history) => repeated(history, writing('leg'))),
  LEG_DIFFERS: away((history) => changed(history, writing('leg'), (json) => json.replace('"released"', '"denied"'))),
  ABSENCE_UNPROVEN: (evidence) => ({ ...evidence, main: annulled(evidence.main, calling('Index:absent'), 'all') }),
  STILL_PENDING: away((history) =>
    history.map((transaction) => ({
      ...transaction,
      writes: transaction.writes.filter(({ value }) => value !== null),
    })),
  ),
  RECEIPT_LOST: home((history) => annulled(history, calling('Requests:opened'))),
  RECEIPT_REPEATED: home((history) => repeated(history, calling('Requests:opened'))),
  FRAGMENTS_LEFT: (evidence) => ({
    ...evidence,
    proxies: evidence.proxies.map((proxy) => ({ ...proxy, grantIds: [...proxy.grantIds, ...revokedIn(evidence)] })),
  }),
  DESTRUCTION_UNSAID: home((history) => annulled(history, calling('Grants:destroyed'), 'all')),
  CHECKPOINT_DIFFERS: (evidence) => ({
    ...evidence,
    main: changed(evidence.main, writing('checkpoint'), (json) =>
      json.replace(/"root":"./, (root) => (root.endsWith('A') ? '"root":"E' : '"root":"A')),
    ),
  }),
  CHECKPOINT_BEHIND: (evidence) => ({ ...evidence, main: annulled(evidence.main, writing('checkpoint'), 'all') }),
};

type Which = (transaction: Transaction) => boolean;

function home(change: (history: History) => History): Doctor {
  return (evidence) => ({ ...evidence, home: { ...evidence.home, history: change(evidence.home.history) } });
}

function away(change: (history: History) => History): Doctor {
  return (evidence) => ({ ...evidence, away: { ...evidence.away, history: change(evidence.away.history) } });
}

function calling(name: string): Which {
  return (transaction) => transaction.valid && transaction.function === name;
}

function writing(type: string): Which {
  return ({ valid, writes }) => valid && writes.some(({ key }) => key.startsWith(`\u0000${type}\u0000`));
}

function not(which: Which): Which {
  return (transaction) => !which(transaction);
}

const released: Which = ({ valid, event, result }) =>
  valid && event?.name === 'outcome' && result.includes('"release"');
const denied: Which = ({ valid, event, result }) => valid && event?.name === 'outcome' && !result.includes('"release"');

/** The first such transaction (or all of them) turned out invalid. */
function annulled(history: History, which: Which, how: 'first' | 'all' = 'first'): History {
  const [first] = history.filter(which);
  if (first === undefined) throw new Error('nothing to doctor');
  return history.map((each) => ((how === 'all' ? which(each) : each === first) ? { ...each, valid: false } : each));
}

/** The first such transaction is there again, as another one. */
function repeated(history: History, which: Which): History {
  const [first] = history.filter(which);
  if (first === undefined) throw new Error('nothing to doctor');
  return [...history, { ...first, transactionId: 'f'.repeat(64), block: (history.at(-1)?.block ?? 0) + 1 }];
}

/** What the first such transaction wrote is another text. */
function changed(history: History, which: Which, change: (json: string) => string): History {
  const rewrite = (write: Write): Write => ({ ...write, value: write.value === null ? null : change(write.value) });
  const found = history.find(
    (each) => which(each) && JSON.stringify(each.writes.map(rewrite)) !== JSON.stringify(each.writes),
  );
  if (found === undefined) throw new Error('nothing to doctor');
  return history.map((each) => (each === found ? { ...each, writes: each.writes.map(rewrite) } : each));
}

/** Puts the revocation of a transaction’s grant right behind the last transaction that names the grant so. */
function after(
  which: Which,
  revocations: History,
): (transaction: Transaction, index: number, history: Transaction[]) => Transaction[] {
  return (transaction, index, history) => {
    const grantId = which(transaction) ? grantIn(transaction) : undefined;
    const later = history.slice(index + 1).some((each) => which(each) && grantIn(each) === grantId);
    if (grantId === undefined || later) return [transaction];
    return [transaction, ...revocations.filter((revocation) => grantIn(revocation) === grantId)];
  };
}

function grantIn({ writes }: Transaction): string | undefined {
  return writes.map(({ key }) => /^\0grant\0([^\0]+)\0$/.exec(key)?.[1]).find((grantId) => grantId !== undefined);
}

function revokedIn({ home: { history } }: Evidence): string[] {
  return history.filter(calling('Grants:revoke')).flatMap((transaction) => grantIn(transaction) ?? []);
}
