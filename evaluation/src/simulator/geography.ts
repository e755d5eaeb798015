/** Regions, how many live in each, and how far apart they are. */
export interface Geography {
  readonly regions: readonly GeographicRegion[];
  /** Round trip between two different regions, by their positions, milliseconds. */
  readonly rttMs: (from: number, to: number) => number;
  /** Kilometres between two regions, at least 1. */
  readonly distanceKm: (from: number, to: number) => number;
}

interface GeographicRegion {
  readonly name: string;
  /** Inhabitants, millions. */
  readonly millions: number;
  /** How many times as many patients from elsewhere its hospitals attract as its inhabitants would. */
  readonly attraction: number;
}

interface Located extends GeographicRegion {
  /** Degrees. */
  readonly latitude: number;
  readonly longitude: number;
}

const EARTH_KM = 6371;
/** Light in fibre. */
const KM_PER_MS = 200;
/** A fibre is longer than the way as the crow flies (assumption). */
const DETOUR = 1.5;
/** Equipment at both ends of a round trip, milliseconds (assumption). */
const EQUIPMENT_MS = 2;
const CHINA_MILLIONS = 1410;

/**
 * The 31 of mainland China: inhabitants by the Seventh National Population Census of 2020 (National Bureau of Statistics, communiqué
 * no. 3), rounded to millions; the place is the capital’s. Attraction is an assumption: Beijing, Shanghai, Zhejiang and Jiangsu are
 * the destinations the statistics of cross-provincial inpatients name, Guangdong is added.
 */
const PROVINCES: readonly Located[] = (
  [
    ['Beijing', 22, 39.9, 116.4, 8],
    ['Tianjin', 14, 39.1, 117.2, 1],
    ['Hebei', 75, 38.0, 114.5, 1],
    ['Shanxi', 35, 37.9, 112.6, 1],
    ['Inner Mongolia', 24, 40.8, 111.7, 1],
    ['Liaoning', 43, 41.8, 123.4, 1],
    ['Jilin', 24, 43.8, 125.3, 1],
    ['Heilongjiang', 32, 45.8, 126.6, 1],
    ['Shanghai', 25, 31.2, 121.5, 8],
    ['Jiangsu', 85, 32.1, 118.8, 2],
    ['Zhejiang', 65, 30.3, 120.2, 2],
    ['Anhui', 61, 31.8, 117.2, 1],
    ['Fujian', 42, 26.1, 119.3, 1],
    ['Jiangxi', 45, 28.7, 115.9, 1],
    ['Shandong', 102, 36.7, 117.0, 1],
    ['Henan', 99, 34.7, 113.6, 1],
    ['Hubei', 58, 30.6, 114.3, 1],
    ['Hunan', 66, 28.2, 112.9, 1],
    ['Guangdong', 126, 23.1, 113.3, 2],
    ['Guangxi', 50, 22.8, 108.3, 1],
    ['Hainan', 10, 20.0, 110.3, 1],
    ['Chongqing', 32, 29.6, 106.5, 1],
    ['Sichuan', 84, 30.7, 104.1, 1],
    ['Guizhou', 39, 26.6, 106.6, 1],
    ['Yunnan', 47, 25.0, 102.7, 1],
    ['Tibet', 4, 29.7, 91.1, 1],
    ['Shaanxi', 40, 34.3, 108.9, 1],
    ['Gansu', 25, 36.1, 103.8, 1],
    ['Qinghai', 6, 36.6, 101.8, 1],
    ['Ningxia', 7, 38.5, 106.2, 1],
    ['Xinjiang', 26, 43.8, 87.6, 1],
  ] as const
).map(([name, millions, latitude, longitude, attraction]) => ({ name, millions, latitude, longitude, attraction }));

export function provinces(): Geography {
  return onEarth(PROVINCES);
}

/**
 * So many cities whose sizes follow Zipf’s law and add up to the country’s; the largest tenth are hubs that attract four times as many.
 * They lie evenly between 22° and 46° north and 100° and 124° east (Roberts’ R2 sequence), the first, which is the capital, among them.
 */
export function cities(count: number): Geography {
  const harmonic = Array.from({ length: count }, (_, rank) => 1 / (rank + 1)).reduce((sum, share) => sum + share, 0);
  return onEarth(
    Array.from({ length: count }, (_, rank) => ({
      name: `City ${rank + 1}`,
      millions: CHINA_MILLIONS / (rank + 1) / harmonic,
      attraction: rank < count / 10 ? 4 : 1,
      latitude: 22 + 24 * ((0.5 + rank * 0.754877666) % 1),
      longitude: 100 + 24 * ((0.5 + rank * 0.569840291) % 1),
    })),
  );
}

/** So many regions of one size, each as far from each other. */
export function uniform(count: number, rttMs: number): Geography {
  const regions = Array.from({ length: count }, (_, index) => ({
    name: `Region ${index + 1}`,
    millions: 1,
    attraction: 1,
  }));
  return { regions, rttMs: () => rttMs, distanceKm: () => 1 };
}

function onEarth(regions: readonly Located[]): Geography {
  const { length } = regions;
  const distances = Float64Array.from({ length: length ** 2 }, (_, pair) =>
    kilometres(regions[Math.floor(pair / length)] as Located, regions[pair % length] as Located),
  );
  const distanceKm = (from: number, to: number): number => distances[from * length + to] as number;
  return { regions, distanceKm, rttMs: (from, to) => EQUIPMENT_MS + (2 * DETOUR * distanceKm(from, to)) / KM_PER_MS };
}

/** Along the great circle (haversine formula), at least 1. */
function kilometres(one: Located, other: Located): number {
  const radians = (degrees: number): number => (degrees * Math.PI) / 180;
  const halfChord =
    Math.sin(radians(other.latitude - one.latitude) / 2) ** 2 +
    Math.cos(radians(one.latitude)) *
      Math.cos(radians(other.latitude)) *
      Math.sin(radians(other.longitude - one.longitude) / 2) ** 2;
  return Math.max(1, 2 * EARTH_KM * Math.asin(Math.sqrt(halfChord)));
}
