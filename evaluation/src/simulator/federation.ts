import { Chain } from './chain.ts';
import { quorum } from './event-queue.ts';
import type { Ground } from './ground.ts';
import type { Machine } from './machine.ts';
import type { Question } from './referrals.ts';
import { Region, type Regional } from './region.ts';
import type { Topology } from './topology.ts';

/** How a relay learns which region has a patient’s records: its view of the main chain, one trusted server, or by asking all. */
type Finds = 'view' | 'registry' | 'everybody';

export interface FederationOptions extends Regional {
  readonly regions: number;
  readonly finds: Finds;
  /** Place of the main chain’s leading orderer, or of the central index. */
  readonly capital: number;
  /** Orderers of the main chain, the leader’s place first. */
  readonly mainOrderers: readonly number[];
  /** The request goes to the other region when the own orderer has accepted the question, or at once. */
  readonly tellsWhen: 'accepted' | 'asked';
  /** Outcomes are mirrored, and heads of chains put on the main chain, in batches of what came within this time. */
  readonly batchMs: number;
  readonly checkpointMs: number;
}

/** Regional chains: a cross-region query commits on the chains of both regions at the same time. */
export class Federation implements Topology {
  readonly #ground: Ground;
  readonly #options: FederationOptions;
  readonly #regions: readonly Region[];
  readonly #main: Chain | undefined;
  readonly #registry: Machine | undefined;
  /** By region: outcomes to be mirrored. */
  readonly #unmirrored: Int32Array;
  /** By region: whether a checkpoint is under way. */
  readonly #checkpointed: Uint8Array;

  constructor(ground: Ground, options: FederationOptions) {
    const places = Array.from({ length: options.regions }, (_, place) => place);
    this.#ground = ground;
    this.#options = options;
    this.#regions = places.map((place) => new Region(ground, place, options));
    if (options.finds === 'view')
      this.#main = new Chain(ground, { orderers: options.mainOrderers, peers: places, cut: options.cut });
    if (options.finds === 'registry') this.#registry = ground.machines.add('registry', options.capital);
    this.#unmirrored = new Int32Array(options.regions);
    this.#checkpointed = new Uint8Array(options.regions);
  }

  get chains(): readonly Chain[] {
    const regional = this.#regions.map(({ chain }) => chain);
    return this.#main === undefined ? regional : [this.#main, ...regional];
  }

  query(question: Question, sizeBytes: number, opened: () => void): void {
    const [home, asking] = [this.#region(question.home), this.#region(question.asking)];
    asking.relay.question(() =>
      this.#lookUp(asking, () => {
        if (home === asking) this.#intra(home, opened);
        else this.#cross(home, asking, sizeBytes, opened);
      }),
    );
  }

  publish(home: number, isNew: boolean): void {
    const region = this.#region(home);
    region.publish(() => {
      this.#checkpoint(region);
      if (isNew) this.#announce(region);
    });
  }

  #intra(region: Region, opened: () => void): void {
    region.decide({
      from: region.place,
      accepted: () => this.#tell(region, region, () => undefined),
      shared: opened,
      committed: () => this.#checkpoint(region),
    });
  }

  #cross(home: Region, asking: Region, sizeBytes: number, opened: () => void): void {
    const { links } = this.#ground;
    // Both chains’ commits, the sealed body and the shares: the answer is whole when the last of them is there.
    const whole = quorum(3, () => {
      opened();
      this.#mirror(asking);
    });
    const tell = (): void =>
      this.#tell(home, asking, () => {
        links.send(home.place, asking.place, sizeBytes, whole);
        this.#answer(home, asking, whole);
      });
    const told = this.#options.tellsWhen;
    asking.ask(told === 'accepted' ? tell : undefined, whole);
    if (told === 'asked') tell();
  }

  /** Where the patient’s records are: in the own view at once, or in the capital. */
  #lookUp({ place }: Region, found: () => void): void {
    const { links, costs, draw } = this.#ground;
    const registry = this.#registry;
    if (registry === undefined) {
      found();
      return;
    }
    links.send(place, registry.place, costs.envelopeBytes, () =>
      registry.work.serve(draw(costs.registryMs), () => links.send(registry.place, place, costs.envelopeBytes, found)),
    );
  }

  /**
   * Puts a question to the other region that has the records. Where nobody knows which that is, it is put to every other region in turn,
   * and all decide: one that has nothing says so with proof.
   */
  #tell(home: Region, asking: Region, told: () => void): void {
    const everybody = this.#options.finds === 'everybody';
    for (const region of everybody ? this.#regions : [home])
      if (region !== asking)
        asking.relay.tell(
          region.relay,
          region === home ? told : () => this.#answer(region, asking, () => this.#mirror(asking)),
        );
  }

  /** A region decides a question of another, whose relay has the answer then. */
  #answer(region: Region, asking: Region, answered: () => void): void {
    const { links, costs } = this.#ground;
    region.decide({
      from: region.place,
      shared: () => links.send(region.place, asking.place, costs.answerBytes, answered),
      committed: () => this.#checkpoint(region),
    });
  }

  #mirror(region: Region): void {
    const { place } = region;
    this.#unmirrored[place] = (this.#unmirrored[place] ?? 0) + 1;
    if (this.#unmirrored[place] > 1) return;
    this.#ground.events.after(this.#options.batchMs, () => {
      region.mirror(this.#unmirrored[place] ?? 0);
      this.#unmirrored[place] = 0;
      this.#checkpoint(region);
    });
  }

  /** Puts the chain’s head on the main chain, soon after there is something new. */
  #checkpoint({ place }: Region): void {
    const main = this.#main;
    if (main === undefined || this.#checkpointed[place] === 1) return;
    this.#checkpointed[place] = 1;
    this.#ground.events.after(this.#options.checkpointMs, () => {
      this.#checkpointed[place] = 0;
      const { checkpointBytes } = this.#ground.costs;
      main.call({ from: place, endorsers: [place], sizeBytes: checkpointBytes, steady: true });
    });
  }

  /** Tells where the region’s new patient can be found. */
  #announce({ place }: Region): void {
    const { links, costs, draw } = this.#ground;
    const registry = this.#registry;
    if (registry !== undefined)
      links.send(place, registry.place, costs.envelopeBytes, () =>
        registry.work.serve(draw(costs.registryMs), () => undefined),
      );
    this.#main?.call({ from: place, endorsers: [place], sizeBytes: costs.announcementBytes });
  }

  #region(place: number): Region {
    const region = this.#regions[place];
    if (region === undefined) throw new RangeError(`no region ${place}`);
    return region;
  }
}
