import { fromBase64url, type Outcome, toBase64url } from '@yilian/protocol';
import { OutcomeLog, outcomeLeaf } from '@yilian/regional-chain';
import type { History, Transaction } from './history.ts';

/** What a campaign leaves behind, read from ledgers and disks. */
export interface Evidence {
  readonly home: { readonly region: string; readonly history: History };
  readonly away: { readonly region: string; readonly history: History };
  readonly main: History;
  /** Requests whose submission was answered with 202. */
  readonly accepted: readonly string[];
  /** Ids of requests that were ever signed. */
  readonly signed: ReadonlySet<string>;
  /** Opened-receipts that were handed in until they were taken, as `<requestId>/<release transaction>/<receipt id>`. */
  readonly receipts: readonly string[];
  /** What every proxy of the home region has on disk. */
  readonly proxies: readonly Holdings[];
}

export interface Holdings {
  readonly mspId: string;
  /** Grants with fragments in the database, or with a key that opens them. */
  readonly grantIds: readonly string[];
}

export type Rule =
  | 'REQUEST_LOST'
  | 'REQUEST_UNASKED'
  | 'REQUEST_REPEATED'
  | 'OUTCOME_LOST'
  | 'OUTCOME_REPEATED'
  | 'OUTCOME_UNASKED'
  | 'RELEASE_REPEATED'
  | 'RELEASE_UNGRANTED'
  | 'RELEASE_AFTER_REVOCATION'
  | 'LEG_LOST'
  | 'LEG_REPEATED'
  | 'LEG_DIFFERS'
  | 'ABSENCE_UNPROVEN'
  | 'STILL_PENDING'
  | 'RECEIPT_LOST'
  | 'RECEIPT_REPEATED'
  | 'FRAGMENTS_LEFT'
  | 'DESTRUCTION_UNSAID'
  | 'CHECKPOINT_DIFFERS'
  | 'CHECKPOINT_BEHIND';

/** What time may still mend; everything else is final when it is seen. */
export const PASSING: ReadonlySet<Rule> = new Set<Rule>([
  'OUTCOME_LOST',
  'LEG_LOST',
  'STILL_PENDING',
  'RECEIPT_LOST',
  'FRAGMENTS_LEFT',
  'DESTRUCTION_UNSAID',
  'CHECKPOINT_BEHIND',
]);

export interface Violation {
  readonly rule: Rule;
  /** Request, grant, receipt or checkpoint size. */
  readonly of: string;
  readonly detail: string;
}

/** A decision, or a further page of it. */
interface Decision {
  readonly transaction: Transaction;
  readonly outcome: Outcome;
  readonly page: string;
}

interface Leg {
  readonly region: string;
  readonly outcome: string;
  readonly transactionId: string;
  readonly conflict?: string;
}

/**
 * Holds what both ledgers, the main chain and the proxies’ disks say against the rules of one outcome. Reads only
 * committed transactions; what a service answered counts only as a promise that has to be found there. The federation is
 * at rest: nothing is under way and everything runs.
 */
export function check(evidence: Evidence): Violation[] {
  const violations: Violation[] = [];
  const report = (rule: Rule, of: string, detail: string): void => {
    violations.push({ rule, of, detail });
  };
  checkRequests(evidence, report);
  checkOutcomes(evidence, report);
  checkConsent(evidence, report);
  checkLegs(evidence, report);
  checkReceipts(evidence, report);
  checkFragments(evidence, report);
  checkCheckpoint(evidence, report);
  return violations;
}

type Report = (rule: Rule, of: string, detail: string) => void;

function checkRequests({ away, accepted, signed }: Evidence, report: Report): void {
  const asked = requestsOf(away.history);
  for (const requestId of new Set(accepted))
    if (!asked.has(requestId)) report('REQUEST_LOST', requestId, 'was answered 202 and is not on its chain');
  for (const [requestId, entries] of asked) {
    if (!signed.has(requestId)) report('REQUEST_UNASKED', requestId, 'nobody signed it');
    if (new Set(entries.map(({ homes }) => homes.join())).size !== entries.length)
      report('REQUEST_REPEATED', requestId, `recorded ${entries.length} times with the same homes`);
  }
  for (const requestId of pendingOf(away.history)) report('STILL_PENDING', requestId, 'has no last word');
}

function checkOutcomes({ home, away }: Evidence, report: Report): void {
  const asked = requestsOf(away.history);
  const decisions = decisionsOf(home.history);
  for (const [requestId, entries] of asked) {
    const expected = entries.some(({ homes }) => homes.includes(home.region));
    if (expected && !decisions.has(requestId)) report('OUTCOME_LOST', requestId, 'its home never decided');
  }
  for (const [requestId, made] of decisions) {
    if (!asked.has(requestId)) report('OUTCOME_UNASKED', requestId, 'decided and never asked');
    const first = made.filter(({ page }) => page === '');
    if (first.length !== 1) report('OUTCOME_REPEATED', requestId, `${first.length} decisions`);
    const released = made.filter(({ outcome }) => outcome.release !== undefined);
    if (new Set(released.map(({ page }) => page)).size !== released.length)
      report('RELEASE_REPEATED', requestId, `${released.length} releases`);
  }
}

/** Every release rests on grants that were active and not revoked where it stands in the ledger. */
function checkConsent({ home }: Evidence, report: Report): void {
  const acknowledged = new Map<string, number>();
  const thresholds = new Map<string, number>();
  const revoked = new Set<string>();
  for (const transaction of home.history.filter(({ valid }) => valid)) {
    for (const { value } of writesOf(transaction, 'grant')) {
      const { grantId, grant, acknowledgedBy, revokedAt } = value as GrantValue;
      thresholds.set(grantId, grant.threshold);
      acknowledged.set(grantId, acknowledgedBy.length);
      if (revokedAt !== undefined) revoked.add(grantId);
    }
    const decision = decisionOf(transaction);
    if (decision?.outcome.release === undefined) continue;
    const { requestId, scopes } = decision.outcome;
    const permitted = scopes.filter((scope) => scope.permitted);
    if (permitted.length === 0) report('RELEASE_UNGRANTED', requestId, 'no scope is permitted');
    for (const { grantId } of permitted) {
      if (revoked.has(grantId)) report('RELEASE_AFTER_REVOCATION', requestId, `grant ${grantId} was revoked before`);
      if ((acknowledged.get(grantId) ?? 0) < (thresholds.get(grantId) ?? 1))
        report('RELEASE_UNGRANTED', requestId, `grant ${grantId} was not active`);
    }
  }
}

function checkLegs({ away, home, main }: Evidence, report: Report): void {
  const decisions = decisionsOf(home.history);
  const legs = legsOf(away.history);
  for (const [requestId, entries] of requestsOf(away.history)) {
    const homes = [...new Set(entries.flatMap((entry) => entry.homes))];
    const expected = homes.length === 0 ? ['main'] : homes.filter((region) => region !== away.region);
    for (const region of expected) {
      const written = (legs.get(requestId) ?? []).filter((leg) => leg.region === region);
      const [leg] = written;
      if (leg === undefined) report('LEG_LOST', requestId, `no word of ${region}`);
      if (written.length > 1) report('LEG_REPEATED', requestId, `${written.length} words of ${region}`);
      for (const each of written) {
        if (region === 'main') requireAbsence(main, requestId, each, report);
        else requireSame(decisions.get(requestId) ?? [], requestId, each, report);
      }
    }
  }
}

function requireSame(made: readonly Decision[], requestId: string, leg: Leg, report: Report): void {
  const decision = made.find(({ page }) => page === '');
  if (leg.conflict !== undefined) report('LEG_DIFFERS', requestId, 'two outcomes of one home were seen');
  if (decision?.transaction.transactionId !== leg.transactionId || decision.outcome.outcome !== leg.outcome)
    report('LEG_DIFFERS', requestId, `${leg.outcome} is not what its home decided`);
}

function requireAbsence(main: History, requestId: string, leg: Leg, report: Report): void {
  const declared = main.find(({ transactionId }) => transactionId === leg.transactionId);
  const proven =
    leg.outcome === 'absent' &&
    declared?.valid === true &&
    declared.function === 'Index:absent' &&
    declared.args[1] === requestId;
  if (!proven) report('ABSENCE_UNPROVEN', requestId, 'the main chain did not declare it');
}

function checkReceipts({ home, receipts }: Evidence, report: Report): void {
  const written = new Map<string, number>();
  for (const transaction of home.history.filter(({ valid }) => valid)) {
    for (const { parts } of writesOf(transaction, 'opened')) {
      const id = parts.join('/');
      written.set(id, (written.get(id) ?? 0) + 1);
    }
  }
  for (const id of new Set(receipts)) if (!written.has(id)) report('RECEIPT_LOST', id, 'is not on the home chain');
  for (const [id, count] of written) if (count > 1) report('RECEIPT_REPEATED', id, `written ${count} times`);
}

/** A revoked grant’s fragments are gone from every disk, and the chain has each proxy's word for it. */
function checkFragments({ home, proxies }: Evidence, report: Report): void {
  for (const { grantId, grant, revokedAt, destroyed } of grantsOf(home.history).values()) {
    if (revokedAt === undefined) continue;
    for (const { mspId } of grant.proxies) {
      const holdings = proxies.find((proxy) => proxy.mspId === mspId);
      if (holdings?.grantIds.includes(grantId) !== false) report('FRAGMENTS_LEFT', grantId, `${mspId} has fragments`);
      if (!destroyed.some(({ document }) => document.mspId === mspId))
        report('DESTRUCTION_UNSAID', grantId, `${mspId} did not say it destroyed them`);
    }
  }
}

/** The main chain’s newest root is that of the home chain’s outcomes, and covers all of them. */
function checkCheckpoint({ home, main }: Evidence, report: Report): void {
  const log = new OutcomeLog();
  for (const made of home.history.map(decisionOf))
    if (made !== undefined) log.append(outcomeLeaf(made.transaction.transactionId, made.outcome));
  const anchored = main
    .filter(({ valid }) => valid)
    .flatMap((transaction) => writesOf(transaction, 'checkpoint'))
    .map(({ value }) => (value as { document: { region: string; size: number; root: string } }).document)
    .filter(({ region }) => region === home.region);
  for (const { size, root } of anchored) {
    if (size > log.size || Buffer.compare(fromBase64url(root), log.root(size)) !== 0)
      report(
        'CHECKPOINT_DIFFERS',
        String(size),
        `anchored ${root}, not ${toBase64url(log.root(Math.min(size, log.size)))}`,
      );
  }
  const newest = Math.max(0, ...anchored.map(({ size }) => size));
  if (newest < log.size) report('CHECKPOINT_BEHIND', String(newest), `of ${log.size} outcomes`);
}

interface GrantValue {
  readonly grantId: string;
  readonly grant: { readonly threshold: number; readonly proxies: readonly { readonly mspId: string }[] };
  readonly acknowledgedBy: readonly string[];
  readonly revokedAt?: number;
  readonly destroyed: readonly { readonly document: { readonly mspId: string } }[];
}

/** Every grant as it was written last. */
function grantsOf(history: History): ReadonlyMap<string, GrantValue> {
  return new Map(
    [...grouped(history, 'grant', (value) => value as GrantValue)].flatMap(([grantId, values]) =>
      values.slice(-1).map((value) => [grantId, value] as const),
    ),
  );
}

/** Every recording of each request, in order. */
function requestsOf(history: History): ReadonlyMap<string, readonly { readonly homes: readonly string[] }[]> {
  return grouped(history, 'request', (value) => value as { homes: readonly string[] });
}

/** Every leg written of each request, in order. */
function legsOf(history: History): ReadonlyMap<string, readonly Leg[]> {
  return grouped(history, 'leg', (value) => value as Leg);
}

/** Every decision and page of each request, in order. */
function decisionsOf(history: History): ReadonlyMap<string, readonly Decision[]> {
  const decisions = new Map<string, Decision[]>();
  for (const transaction of history) {
    const decision = decisionOf(transaction);
    if (decision === undefined) continue;
    const { requestId } = decision.outcome;
    decisions.set(requestId, [...(decisions.get(requestId) ?? []), decision]);
  }
  return decisions;
}

function decisionOf(transaction: Transaction): Decision | undefined {
  const { valid, event, result } = transaction;
  if (!valid || event?.name !== 'outcome') return undefined;
  const [, page = ''] = event.payload.split('/');
  return { transaction, outcome: JSON.parse(result) as Outcome, page };
}

function pendingOf(history: History): ReadonlySet<string> {
  const pending = new Set<string>();
  for (const { key, value } of history.filter(({ valid }) => valid).flatMap(({ writes }) => writes)) {
    const requestId = /^pending\/(.+)$/.exec(key)?.[1];
    if (requestId === undefined) continue;
    if (value === null) pending.delete(requestId);
    else pending.add(requestId);
  }
  return pending;
}

function grouped<T>(history: History, type: string, read: (value: unknown) => T): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const transaction of history.filter(({ valid }) => valid)) {
    for (const { parts, value } of writesOf(transaction, type)) {
      const [id = ''] = parts;
      groups.set(id, [...(groups.get(id) ?? []), read(value)]);
    }
  }
  return groups;
}

/** What a transaction wrote, and did not delete, under composite keys of this type. */
function writesOf(
  { writes }: Transaction,
  type: string,
): { readonly parts: readonly string[]; readonly value: unknown }[] {
  return writes.flatMap(({ key, value }) => {
    const [first, found, ...parts] = key.split('\u0000');
    if (first !== '' || found !== type || value === null) return [];
    return [{ parts: parts.slice(0, -1), value: JSON.parse(value) as unknown }];
  });
}
