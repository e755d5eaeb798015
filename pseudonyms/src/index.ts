export { type PseudonymiseOptions, pseudonymise } from './client.ts';
export { PseudonymError, type PseudonymErrorCode } from './errors.ts';
export { normaliseId, RESIDENT_ID } from './national-id.ts';
export { PseudonymReply, PseudonymRequest } from './request.ts';
export {
  buildPseudonyms,
  PseudonymConfig,
  type PseudonymDependencies,
  type Pseudonyms,
  startPseudonyms,
} from './service.ts';
