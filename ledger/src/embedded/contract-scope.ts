import { AsyncLocalStorage } from 'node:async_hooks';

/** Takes an error that a contract let escape, outside of what it returned. */
type OnEscape = (fault: unknown) => void;

const scope = new AsyncLocalStorage<OnEscape>();
let users = 0;

/** Runs contract code such that a promise it forgets or a timer that throws fails its transaction, not the process. */
export function inContractScope<T>(onEscape: OnEscape, run: () => T): T {
  return scope.run(onEscape, run);
}

/** Listens for escaped errors while any node is open; every other error crashes the process as it would without. */
export function watchContracts(): () => void {
  if (users++ === 0) {
    process.on('unhandledRejection', onRejection);
    process.on('uncaughtException', onException);
  }
  return () => {
    if (--users > 0) return;
    process.off('unhandledRejection', onRejection);
    process.off('uncaughtException', onException);
  };
}

function onRejection(fault: unknown): void {
  const onEscape = scope.getStore();
  if (onEscape) onEscape(fault);
  else if (process.listenerCount('unhandledRejection') === 1) throw fault;
}

function onException(fault: unknown): void {
  const onEscape = scope.getStore();
  if (onEscape) onEscape(fault);
  else if (process.listenerCount('uncaughtException') === 1) throw fault;
}
