import type { Point } from '../group.ts';
import { sm2Group } from './group-sm2.ts';
import { Sm2 } from './sm2-curve.ts';

/**
 * Umbral's second generator over the SM2 curve. No standard has one. It is hash_to_curve of RFC 9380 with a suite of our
 * own, SM2_XMD:SM3_SSWU_RO_ (expand_message_xmd with SM3, simplified SWU, Z = -9 by Appendix H.2, L = 48), message
 * "POINT_U" and the DST of `tags.ts`: nobody knows its logarithm, and whoever doubts that can compute it again.
 */
export const U: Point = pinned('03624fbe3c783cd640d6ffe8ff4140115db034cc6e3d0bb606fba0f122852b4d7e');

function pinned(hex: string): Point {
  const point = sm2Group.decode(Sm2.fromHex(hex).toBytes()) as Point;
  sm2Group.prepare(point);
  return point;
}
