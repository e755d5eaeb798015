import type { Chain } from './chain.ts';
import type { Question } from './referrals.ts';

/** Where the chains are, and what a question and a publication do there. */
export interface Topology {
  readonly chains: readonly Chain[];
  /** `opened` is called when the doctor’s software has all that opening takes. */
  query(question: Question, sizeBytes: number, opened: () => void): void;
  /** A record is published in a region, of a patient `isNew` there or known. */
  publish(home: number, isNew: boolean): void;
}
