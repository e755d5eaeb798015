import type { Conditions } from '../results.ts';
import { PEAK_TO_MEAN } from './arrivals.ts';
import type { Cut } from './chain.ts';
import { cities, type Geography, provinces, uniform } from './geography.ts';
import type { LinkOptions } from './link.ts';
import type { Placement } from './machine.ts';
import type { ReferralOptions } from './referrals.ts';
import type { Regional } from './region.ts';
import type { SchemeId } from './schemes.ts';
import type { ServiceTimes } from './service-time.ts';

/** Everything that a run of the simulator depends on, besides costs and seed. */
export interface Scenario {
  readonly title: string;
  readonly titleZh: string;
  readonly scheme: SchemeId;
  readonly geography: Geography;
  readonly referrals: ReferralOptions;
  readonly regional: Regional;
  readonly load: Load;
  readonly network: Pick<LinkOptions, 'withinMs' | 'mbitPerSecond' | 'coldShare'>;
  readonly placement: Placement;
  readonly serviceTimes: ServiceTimes;
  /** Sealed body of a record. */
  readonly recordBytes: number;
  readonly proxiesAt: 'home' | 'asking';
  readonly tellsWhen: 'accepted' | 'asked';
  readonly batchMs: number;
  readonly checkpointMs: number;
}

export interface Load {
  /** Questions and publications a second: at the simulated time, or on the mean of a day where the load has one. */
  readonly perSecond: number;
  readonly writesPerSecond: number;
  /** Of publications, those of a patient the region does not know yet. */
  readonly newPatients: number;
  /** A year’s mean beside the simulated time’s, for what grows with the years: 1 or less. */
  readonly meanToSimulated: number;
  /** Questions of the first of it do not count. */
  readonly warmUpMs: number;
  /** Questions are asked for so long, and all are answered. */
  readonly durationMs: number;
  /** Length of a day whose hours differ; the same load all the time where absent. */
  readonly dayMs?: number;
}

/**
 * Visits a year, and those to hospitals: Statistical Bulletin on China’s Health Development 2023, National Health Commission,
 * 29 August 2024 (9.55 billion; 4.26 billion).
 */
const VISITS = 9.55e9;
const HOSPITAL_VISITS = 4.26e9;
/** Publications of a patient the region did not know: each of the country’s patients about once in ten years (assumption). */
const NEW_PATIENTS = 0.03;
/** So many at least, so that their numbers divide evenly over the regions. */
const PATIENTS = 10_000;
const YEAR_SECONDS = 365 * 86_400;

/**
 * 5,994,624 patients went to hospitals of another province in 2019, of some 266 million admissions: 2.3 %. Questions about patients
 * from elsewhere are taken to be twice as frequent as such patients (assumption).
 */
const INTRA_PERCENT = 95;

export interface NationwideOptions {
  readonly scheme: SchemeId;
  /** Simulated time after the warm-up, milliseconds. */
  readonly durationMs: number;
  /** When orderers end a block, milliseconds after its first transaction; 100 where absent. */
  readonly cutMs?: number;
  /** Of all visits, those at which a doctor opens records kept by others; 0.1 where absent (assumption). */
  readonly opening?: number;
  /**
   * The load of the busiest hour where absent; of a whole day, told within the simulated time, where `day`. Machines are counted by the
   * mean over the simulated time, so only the former says how many are needed.
   */
  readonly span?: 'busiest hour' | 'day';
}

/**
 * The country over its 31 provinces: a question at a share of all visits, a record published at every visit to a hospital, and all of
 * it in a day whose hours differ.
 */
export function overProvinces(options: NationwideOptions): Scenario {
  return nationwide(provinces(), 'provinces', '省级区域', options);
}

/** As {@link overProvinces}, over so many cities. */
export function overCities(count: number, options: NationwideOptions): Scenario {
  return nationwide(cities(count), 'cities', '城市区域', options);
}

function nationwide(
  geography: Geography,
  units: string,
  unitsZh: string,
  { scheme, durationMs, cutMs = 100, opening = 0.1, span = 'busiest hour' }: NationwideOptions,
): Scenario {
  const { length } = geography.regions;
  const wholeDay = span === 'day';
  const beside = wholeDay ? 1 : PEAK_TO_MEAN;
  return {
    title: `${length} ${units}, ${wholeDay ? 'a day' : 'the busiest hour'}`,
    titleZh: `${length} 个${unitsZh}，${wholeDay ? '一整天' : '最繁忙的一小时'}`,
    scheme,
    geography,
    referrals: { patients: 1e8, skew: 0.8, intraPercent: INTRA_PERCENT, distanceExponent: 1 },
    regional: { organisations: 3, endorsements: 2, threshold: 2, orderers: 3, cut: blocksOf(cutMs) },
    load: {
      perSecond: ((VISITS * opening) / YEAR_SECONDS) * beside,
      writesPerSecond: (HOSPITAL_VISITS / YEAR_SECONDS) * beside,
      newPatients: NEW_PATIENTS,
      meanToSimulated: 1 / beside,
      // The first checkpoints come after five seconds.
      warmUpMs: 6000,
      durationMs,
      ...(wholeDay && { dayMs: durationMs }),
    },
    // Between any two regions something is always under way.
    network: { withinMs: 0.5, mbitPerSecond: 200, coldShare: 0 },
    placement: { cores: 16, shared: false, restShare: 0 },
    serviceTimes: 'exponential',
    recordBytes: 20_000,
    proxiesAt: 'asking',
    tellsWhen: 'accepted',
    batchMs: 1000,
    checkpointMs: 5000,
  };
}

/** Fabric’s limits of a block, at sizes its documents recommend. */
function blocksOf(ms: number): Cut {
  return { ms, transactions: 500, bytes: 2_000_000 };
}

/** What is particular to a machine on which cells are measured, and nothing to a country: few questions, and all of it on one machine. */
export interface Harness {
  readonly coldShare: number;
  /** Processors that a scheme has. */
  readonly cores: number;
  /** Of one processor, what the scheme takes while nobody asks. */
  readonly idleShare: number;
}

/** Above it no run would have been sound. */
const MOST_REST = 0.5;
/** Questions that are simulated at least for each measured cell. */
const QUESTIONS = 4000;

/**
 * What a cell was measured under: all of a federation of equal regions on one machine, and on the embedded engine in one process, whose
 * JavaScript has one core, with chains of one orderer whose blocks are validated once.
 */
export function asMeasured(
  conditions: Conditions & { readonly scheme: SchemeId },
  { coldShare, cores, idleShare }: Harness,
): Scenario {
  const { scheme, regions, rttMs, cutMs, intraPercent, perSecond, writesPerSecond, records } = conditions;
  return {
    title: `${regions} regions, ${rttMs} ms, ${intraPercent} % intra`,
    titleZh: `${regions} 个区域，${rttMs} 毫秒，区域内 ${intraPercent} %`,
    scheme,
    geography: uniform(regions, rttMs),
    referrals: { patients: Math.max(records, PATIENTS), skew: 0, intraPercent, distanceExponent: 0 },
    regional: { organisations: 3, endorsements: 2, threshold: 2, orderers: 1, cut: blocksOf(cutMs) },
    load: {
      perSecond,
      writesPerSecond,
      newPatients: 0,
      meanToSimulated: 1,
      warmUpMs: 1000,
      durationMs: (QUESTIONS * 1000) / perSecond,
    },
    network: { withinMs: 0, mbitPerSecond: 200, coldShare },
    placement: { cores, shared: true, restShare: Math.min(MOST_REST, idleShare / cores) },
    serviceTimes: 'constant',
    recordBytes: 20_000,
    proxiesAt: 'home',
    tellsWhen: 'accepted',
    batchMs: 1000,
    checkpointMs: 5000,
  };
}
