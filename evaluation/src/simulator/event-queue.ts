type Action = () => void;

interface Event {
  readonly at: number;
  /** Of two events at the same time the one that was scheduled first happens first. */
  readonly order: number;
  readonly action: Action;
}

/** What is still to happen, earliest first (a binary heap), and the simulated time, milliseconds. */
export class EventQueue {
  readonly #heap: Event[] = [];
  #scheduled = 0;
  #handled = 0;
  #now = 0;

  get now(): number {
    return this.#now;
  }

  /** Events that have happened. */
  get handled(): number {
    return this.#handled;
  }

  after(delayMs: number, action: Action): void {
    const event = { at: this.#now + delayMs, order: this.#scheduled++, action };
    const heap = this.#heap;
    let place = heap.length;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = heap[above] as Event;
      if (!before(event, parent)) break;
      heap[place] = parent;
      place = above;
    }
    heap[place] = event;
  }

  /** Lets everything happen, and what it causes, until nothing is left. */
  run(): void {
    for (let event = this.#take(); event !== undefined; event = this.#take()) {
      this.#now = event.at;
      this.#handled++;
      event.action();
    }
  }

  #take(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || last === first) return first;
    const { length } = heap;
    let place = 0;
    for (let below = 1; below < length; below = 2 * place + 1) {
      const right = below + 1;
      if (right < length && before(heap[right] as Event, heap[below] as Event)) below = right;
      const child = heap[below] as Event;
      if (!before(child, last)) break;
      heap[place] = child;
      place = below;
    }
    heap[place] = last;
    return first;
  }
}

/** Calls `done` when it has been called `count` times; later calls do nothing. */
export function quorum(count: number, done: Action): Action {
  let missing = count;
  return () => {
    missing--;
    if (missing === 0) done();
  };
}

function before(one: Event, other: Event): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}
