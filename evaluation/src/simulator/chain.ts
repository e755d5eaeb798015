import { quorum } from './event-queue.ts';
import type { Ground } from './ground.ts';
import type { Machine } from './machine.ts';

/** When an orderer ends a block: at whichever comes first. */
export interface Cut {
  /** After the first transaction. */
  readonly ms: number;
  readonly transactions: number;
  readonly bytes: number;
}

export interface ChainOptions {
  /** Places of the orderers, the leader’s first. */
  readonly orderers: readonly number[];
  /** Places of the peers. */
  readonly peers: readonly number[];
  readonly cut: Cut;
}

/** A transaction, as the client sees it. */
export interface Call {
  /** The client’s place. */
  readonly from: number;
  /** Peers that have to endorse; the first is the client’s gateway. */
  readonly endorsers: readonly number[];
  readonly sizeBytes: number;
  /** How many times as much there is to endorse as in one; 1 where absent. */
  readonly weight?: number;
  /** Written as often at night as at noon. */
  readonly steady?: boolean;
  /** Peers whose commit somebody waits for. */
  readonly watched?: readonly number[];
  /** One of the watched has committed; its position among them. */
  readonly seen?: (position: number) => void;
  /** The client knows that the orderer has the transaction. */
  readonly accepted?: () => void;
  /** The client knows that its gateway has committed. */
  readonly committed?: () => void;
}

interface Block {
  transactions: number;
  bytes: number;
  /** What to call when a peer has committed. */
  readonly waiting: Map<number, (() => void)[]>;
}

/**
 * A Fabric network: peers endorse, the leading orderer cuts blocks, a majority of the orderers keeps them, and every peer validates
 * every transaction. Orderers fail over in none of it.
 */
export class Chain {
  readonly peers: readonly Machine[];
  readonly #ground: Ground;
  readonly #cut: Cut;
  readonly #leader: Machine;
  readonly #followers: readonly Machine[];
  /** Positions of the peers, by place. */
  readonly #places: ReadonlyMap<number, readonly number[]>;
  #open: Block = emptyBlock();
  #bytes = 0;
  #steadyBytes = 0;

  constructor(ground: Ground, { orderers, peers, cut }: ChainOptions) {
    this.#ground = ground;
    this.#cut = cut;
    const [leader, ...followers] = orderers.map((place) => ground.machines.add('orderer', place));
    if (leader === undefined) throw new RangeError('a chain needs an orderer');
    this.#leader = leader;
    this.#followers = followers;
    this.peers = peers.map((place) => ground.machines.add('peer', place));
    this.#places = Map.groupBy(peers.keys(), (index) => peers[index] ?? 0);
  }

  /** Of all transactions so far, one copy, and of those that are steady. */
  get bytes(): { readonly all: number; readonly steady: number } {
    return { all: this.#bytes, steady: this.#steadyBytes };
  }

  /** Fabric’s gateway protocol: endorse, submit, and, once the orderer has accepted, ask the gateway for the commit. */
  call(call: Call): void {
    const endorsed = quorum(call.endorsers.length, () => this.#submit(call));
    for (const endorser of call.endorsers) this.#endorse(call, endorser, endorsed);
  }

  #endorse({ from, sizeBytes, weight = 1 }: Call, endorser: number, endorsed: () => void): void {
    const { links, costs, draw } = this.#ground;
    const { place, work } = this.#peer(endorser);
    links.send(from, place, sizeBytes, () =>
      work.serve(draw(costs.endorseMs * weight), () => links.send(place, from, sizeBytes, endorsed)),
    );
  }

  #submit(call: Call): void {
    const { links, costs, draw } = this.#ground;
    links.send(call.from, this.#leader.place, call.sizeBytes, () =>
      this.#leader.work.serve(draw(costs.orderMs), () => this.#order(call)),
    );
  }

  #order(call: Call): void {
    const block = this.#open;
    const waiting = this.#waiting(call);
    for (const [peer, done] of waiting) {
      const others = block.waiting.get(peer);
      if (others === undefined) block.waiting.set(peer, [done]);
      else others.push(done);
    }
    block.transactions++;
    block.bytes += call.sizeBytes;
    this.#bytes += call.sizeBytes;
    if (call.steady === true) this.#steadyBytes += call.sizeBytes;
    if (block.transactions >= this.#cut.transactions || block.bytes >= this.#cut.bytes) this.#end(block);
    else if (block.transactions === 1) this.#ground.events.after(this.#cut.ms, () => this.#end(block));
  }

  /** Whose commit the transaction’s client and watchers wait for. */
  #waiting({
    from,
    endorsers,
    watched = [],
    seen,
    accepted,
    committed,
  }: Call): readonly (readonly [number, () => void])[] {
    const { events, links } = this.#ground;
    const waiting = watched.map((peer, position) => [peer, () => seen?.(position)] as const);
    const acknowledgedMs = links.oneWayMs(this.#leader.place, from);
    if (accepted !== undefined) events.after(acknowledgedMs, accepted);
    const gateway = endorsers[0];
    if (committed === undefined || gateway === undefined) return waiting;
    const gatewayMs = links.oneWayMs(from, this.#peer(gateway).place);
    // The gateway answers when it has both committed and been asked.
    const answer = quorum(2, () => events.after(gatewayMs, committed));
    events.after(acknowledgedMs + gatewayMs, answer);
    return [...waiting, [gateway, answer]];
  }

  #end(block: Block): void {
    // The time of a block that was full before is up later.
    if (block !== this.#open) return;
    this.#open = emptyBlock();
    this.#leader.work.serve(this.#ground.costs.orderBlockMs, () => this.#replicate(block));
  }

  #replicate(block: Block): void {
    const { events, links, costs } = this.#ground;
    const { place } = this.#leader;
    const missing = Math.floor((this.#followers.length + 1) / 2);
    if (missing === 0) {
      this.#deliver(block);
      return;
    }
    const kept = quorum(missing, () => this.#deliver(block));
    for (const follower of this.#followers) {
      links.send(place, follower.place, block.bytes, () =>
        follower.work.serve(costs.orderBlockMs, () => events.after(links.oneWayMs(follower.place, place), kept)),
      );
    }
  }

  #deliver(block: Block): void {
    const { events, links, machines, costs } = this.#ground;
    const { place } = this.#leader;
    const commitMs = machines.blockMs(costs.validateBlockMs, costs.validateMs, block.transactions);
    if (machines.placement.shared) {
      this.#leader.work.serve(commitMs, () => {
        for (const [peer, waiting] of block.waiting)
          events.after(links.oneWayMs(place, this.#peer(peer).place), () => all(waiting));
      });
      return;
    }
    // One copy for each place, whose peers pass it on; where an orderer is, the block is already, and only has to be declared kept.
    const having = new Set(this.#followers.map((follower) => follower.place));
    for (const [there, peers] of this.#places)
      links.send(place, there, having.has(there) ? 0 : block.bytes, () => {
        for (const index of peers) this.#peer(index).blocks?.serve(commitMs, () => all(block.waiting.get(index) ?? []));
      });
  }

  #peer(index: number): Machine {
    const peer = this.peers[index];
    if (peer === undefined) throw new RangeError(`no peer ${index}`);
    return peer;
  }
}

function emptyBlock(): Block {
  return { transactions: 0, bytes: 0, waiting: new Map() };
}

function all(waiting: readonly (() => void)[]): void {
  for (const done of waiting) done();
}
