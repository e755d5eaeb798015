export { type AuthorityOptions, PseudonymAuthority } from './authority.ts';
export { type PseudonymiseOptions, pseudonymise } from './client.ts';
export { PseudonymError, type PseudonymErrorCode } from './errors.ts';
export { normaliseResidentId, RESIDENT_ID } from './national-id.ts';
export { PseudonymReply, PseudonymRequest } from './request.ts';
export { buildApp, PseudonymConfig, readConfig, startPseudonyms } from './service.ts';
