import fc from 'fast-check';
import { expect, test } from 'vitest';
import { normaliseId, RESIDENT_ID } from '../src/index.ts';

/** The example of GB 11643-1999. */
const EXAMPLE = '11010519491231002X';
const CHARACTERS = '0123456789X'.split('');
const PASSPORT = 'http://hl7.org/fhir/sid/passport-CHN';

const invalid = (system: string, id: string) => {
  try {
    normaliseId(system, id);
    return undefined;
  } catch (error) {
    expect(String(error)).not.toContain(id);
    return (error as { code: string }).code;
  }
};

test('a resident identity number has one spelling', () => {
  for (const spelling of [
    EXAMPLE,
    EXAMPLE.toLowerCase(),
    ' 110105 19491231 002X ',
    '110105-19491231-002x',
    '１１０１０５１９４９１２３１００２Ｘ',
  ])
    expect(normaliseId(RESIDENT_ID, spelling)).toBe(EXAMPLE);
  expect(normaliseId(RESIDENT_ID, '440524188001010014')).toBe('440524188001010014');
});

test('every wrong digit is noticed', () => {
  fc.assert(
    fc.property(fc.nat(17), fc.constantFrom(...CHARACTERS), (position, character) => {
      const changed = EXAMPLE.slice(0, position) + character + EXAMPLE.slice(position + 1);
      fc.pre(changed !== EXAMPLE);
      expect(invalid(RESIDENT_ID, changed)).toBe('NATIONAL_ID_INVALID');
    }),
  );
});

test('a date that does not exist is refused although the check character fits', () => {
  for (const date of ['19490230', '19491301', '19490001', '00001231']) {
    const fitting = CHARACTERS.filter((check) => {
      try {
        return normaliseId(RESIDENT_ID, `110105${date}002${check}`) !== undefined;
      } catch (error) {
        return !/date of birth/.test(String(error));
      }
    });
    expect(fitting).toEqual([]);
  }
});

test('a number of another length is refused', () => {
  for (const id of ['110105491231002', '1'.repeat(64), `${EXAMPLE}0`])
    expect(invalid(RESIDENT_ID, id)).toBe('NATIONAL_ID_INVALID');
});

test('passports are taken by country, and unknown systems are refused', () => {
  expect(normaliseId(PASSPORT, 'e 1234 5678')).toBe('E12345678');
  expect(invalid(PASSPORT, 'E1')).toBe('NATIONAL_ID_INVALID');
  expect(invalid('http://hl7.org/fhir/sid/passport-china', 'E12345678')).toBe('SYSTEM_UNKNOWN');
  expect(invalid('urn:oid:1.2.3', 'E12345678')).toBe('SYSTEM_UNKNOWN');
});
