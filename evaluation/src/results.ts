/**
 * What an evaluation writes: `raw.jsonl` holds {@link Sample}s, `evaluation.json` one {@link Evaluation}. Statistics, report and
 * simulator know nothing else of how it was measured.
 */
export type EngineName = 'embedded' | 'fabric';
export type Kind = 'intra' | 'cross';
/** `cold`: the patient's first query under this grant; `warm`: a later one. */
export type Temperature = 'cold' | 'warm';
export type Metric = 'mean' | 'median' | 'p99' | 'throughput';
/** `floor`: no chain; `rival`: a chain elsewhere; `ours`: the federation; `ablation`: the federation without one of its levers. */
export type Role = 'floor' | 'rival' | 'ours' | 'ablation';

/** One topology of the same contracts, proxies, vault and client. */
export interface Scheme {
  readonly id: string;
  readonly role: Role;
  readonly title: string;
  readonly titleZh: string;
  /** What differs from the federation, in a sentence. */
  readonly about: string;
  readonly aboutZh: string;
  /** Organisations that can read a patient's metadata, of `organisations` in all. */
  readonly metadataReaders: number;
  /** Organisations that learn that a query happened. */
  readonly queryWitnesses: number;
  readonly organisations: number;
  /** Chains that hold a copy of each record's metadata, times the places with a peer of it. */
  readonly copies: number;
}

/** Conditions under which requests of one scheme are measured. */
export interface Conditions {
  readonly scheme: string;
  readonly regions: number;
  /** Round trip between two regions, milliseconds. */
  readonly rttMs: number;
  /** Longest that an orderer waits for more transactions, milliseconds. */
  readonly cutMs: number;
  /** Share of requests that stay in their region, 0..100. */
  readonly intraPercent: number;
  /** Not mixed: all of one kind, then all of the other, so that neither waits behind the other. */
  readonly apart: boolean;
  readonly temperature: Temperature;
  /** Scheduled arrivals of requests, Poisson. */
  readonly perSecond: number;
  /** Records published meanwhile. */
  readonly writesPerSecond: number;
  /** Records on the chain when the run begins. */
  readonly records: number;
}

/** One scheduled request. */
export interface Sample {
  readonly cell: string;
  readonly run: number;
  readonly kind: Kind;
  /** Milliseconds since the run began. */
  readonly scheduledAt: number;
  /** From the scheduled time to the opened and compared record, milliseconds; absent when the time was up. */
  readonly latencyMs?: number;
  /** Milliseconds by phase, in the order they happen; what overlaps is told once. */
  readonly phases: Readonly<Record<string, number>>;
  readonly sizeBytes: number;
}

export interface Interval {
  readonly value: number;
  /** 95 %. */
  readonly low: number;
  readonly high: number;
}

/** Why a cell counts for nothing (`void`) or only with care (`flag`). */
export interface Mark {
  readonly weight: 'void' | 'flag';
  readonly code: 'WRONG_ANSWER' | 'MISSING_ANSWER' | 'NETWORK_DRIFT' | 'CLOCK_JUMP' | 'CPU_BOUND' | 'FEW_SAMPLES';
  readonly detail: string;
}

/** Everything measured under the same conditions. */
export interface Cell {
  readonly id: string;
  readonly conditions: Conditions;
  readonly runs: number;
  readonly samples: number;
  readonly timeouts: number;
  readonly marks: readonly Mark[];
  /** Milliseconds; of one kind where the cell has any. */
  readonly latency: Readonly<
    Partial<Record<Kind | 'all', Readonly<Record<'mean' | 'median' | 'p90' | 'p99', Interval>>>>
  >;
  /** Means, milliseconds: with how late a question was asked they add up to the mean latency. */
  readonly phases: Readonly<Partial<Record<Kind, Readonly<Record<string, number>>>>>;
  /** Latencies at the percentiles 0, 1, … 100. */
  readonly percentiles: Readonly<Partial<Record<Kind, readonly number[]>>>;
  /** Requests answered in each second. */
  readonly goodput: number;
  readonly perRequest: {
    /** Of all parts and whoever asks. */
    readonly cpuMs: number;
    /** Over links between regions. */
    readonly bytesBetween: number;
    readonly bytesWithin: number;
    /** All chains together, one copy each. */
    readonly chainBytes: number;
  };
  /** Of the machine's processors, 0..1. */
  readonly cpuShare: number;
  /** Of one processor, while nobody asks. */
  readonly idleShare: number;
  /** What the analytic model says, mean milliseconds. */
  readonly predicted?: number;
  /** Of a mixture: how far its mean lies from the straight line between the kinds measured apart, percent of the line. */
  readonly deviationPercent?: number;
}

/** How the federation stands to another scheme over all shares of queries that stay inside a region. */
export interface Crossover {
  readonly scheme: string;
  readonly against: string;
  readonly conditions: Omit<Conditions, 'scheme' | 'intraPercent' | 'apart'>;
  readonly metric: Metric;
  /** The most frequent of the resamples, with the share of each. */
  readonly verdict: Verdict;
  readonly verdicts: Readonly<Record<Verdict, number>>;
  /** Percent; only where the verdict is `above` or `below` and resamples agree enough for an interval. */
  readonly crossover?: Interval;
  /** The analytic model's, percent. */
  readonly predicted?: number;
  readonly resamples: number;
}

/** The scheme is ahead at every ratio, above p*, at none, or below p*. */
export type Verdict = 'always' | 'above' | 'never' | 'below';

export interface Calibration {
  readonly from: string;
  readonly to: string;
  readonly askedMs: number;
  /** Median round trips, milliseconds, before and after. */
  readonly beforeMs: number;
  readonly afterMs: number;
  readonly mbitPerSecond: number;
}

export interface Environment {
  readonly engine: EngineName;
  /** How the network between regions was made. */
  readonly network: string;
  readonly seed: string;
  readonly machine: Readonly<Record<string, string | number>>;
  readonly versions: Readonly<Record<string, string>>;
  readonly command: string;
  readonly startedAt: string;
  readonly endedAt: string;
}

/** One run of the simulator. */
export interface Simulation {
  readonly title: string;
  readonly titleZh: string;
  readonly scheme: string;
  readonly regions: number;
  readonly patients: number;
  readonly queriesPerSecond: number;
  readonly intraPercent: number;
  /** Of the questions asked in each region, percent. */
  readonly intraByRegion: Readonly<Record<string, number>>;
  readonly meanMs: number;
  readonly p99Ms: number;
  /** With which none is busier than 60 %. */
  readonly machines: number;
  readonly machinesByRole: Readonly<Record<string, number>>;
  readonly machinesPerOrganisation: number;
  /** Whether more machines are enough: they relieve neither a peer that is too busy with its blocks alone nor a line. */
  readonly carries: boolean;
  /** Of all peers together, and of the one with most. */
  readonly diskPerYearBytes: number;
  readonly diskPerPeerBytes: number;
  /** One copy. */
  readonly indexBytes: number;
  /** Work asked of the busiest part or line as a share of what one machine can do; above 1 its queue grows without end. */
  readonly utilisation: number;
}

/** A measured cell beside what the simulator makes of its costs. */
export interface Validation {
  readonly cell: string;
  readonly kind: Kind | 'all';
  readonly measuredMs: number;
  readonly simulatedMs: number;
  /** (simulated − measured) / measured, percent. */
  readonly errorPercent: number;
  /** Costs come from this cell, so that it is no evidence for them. */
  readonly calibrated: boolean;
}

export interface Evaluation {
  readonly format: 'yilian-evaluation/v1';
  readonly environment: Environment;
  readonly schemes: readonly Scheme[];
  /** Named before anything was measured. */
  readonly primary: {
    readonly scheme: string;
    readonly against: string;
    readonly regions: number;
    readonly rttMs: number;
  };
  readonly cells: readonly Cell[];
  readonly crossovers: readonly Crossover[];
  readonly calibrations: readonly Calibration[];
  readonly simulations: readonly Simulation[];
  readonly validations: readonly Validation[];
  /** Terms of the analytic model as measured; milliseconds where the name ends so, else shares and counts. */
  readonly terms: Readonly<Record<string, number>>;
}
