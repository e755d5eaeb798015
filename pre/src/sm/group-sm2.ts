import { nobleCurve } from '../group-noble.ts';
import { Sm2 } from './sm2-curve.ts';

/** The SM2 curve by noble. */
export const { group: sm2Group, toNoble: sm2PointOf } = nobleCurve('SM2', Sm2);
