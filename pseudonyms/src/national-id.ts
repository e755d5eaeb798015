import { PseudonymError } from './errors.ts';

/** China's resident identity numbers, GB 11643-1999, with those of residents from Hong Kong, Macao and Taiwan. */
export const RESIDENT_ID = 'urn:oid:2.16.156.10011.1.3';
/** Passport numbers, by issuing country (ISO 3166 alpha-3), under the identifier system FHIR has for them. */
const PASSPORT = /^http:\/\/hl7\.org\/fhir\/sid\/passport-[A-Z]{3}$/;

const WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2] as const;
const CHECK = '10X98765432';

/**
 * A number in the one spelling of its system. The error never repeats the number.
 * @throws NATIONAL_ID_INVALID SYSTEM_UNKNOWN
 */
export function normaliseId(system: string, text: string): string {
  const id = text
    .normalize('NFKC')
    .replace(/[\s\p{Pd}]/gu, '')
    .toUpperCase();
  if (system === RESIDENT_ID) return requireResidentId(id);
  if (!PASSPORT.test(system)) throw new PseudonymError('SYSTEM_UNKNOWN', 'no such system of identity numbers');
  if (!/^[A-Z0-9]{6,12}$/.test(id)) throw invalid('not a passport number');
  return id;
}

/** 18 characters, a real date of birth, the right check character (ISO 7064 MOD 11-2). */
function requireResidentId(id: string): string {
  if (!/^[1-9]\d{16}[\dX]$/.test(id)) throw invalid('not 18 characters of an identity number');
  const [year = 0, month = 0, day = 0] = [id.slice(6, 10), id.slice(10, 12), id.slice(12, 14)].map(Number);
  const birth = new Date(Date.UTC(year, month - 1, day));
  if (birth.getUTCFullYear() !== year || birth.getUTCMonth() !== month - 1 || birth.getUTCDate() !== day)
    throw invalid('the date of birth in the identity number does not exist');
  const sum = WEIGHTS.reduce((total, weight, index) => total + weight * Number(id[index]), 0);
  if (CHECK[sum % 11] !== id[17]) throw invalid('the check character of the identity number is wrong');
  return id;
}

function invalid(why: string): PseudonymError {
  return new PseudonymError('NATIONAL_ID_INVALID', why);
}
