import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { PreError } from '../src/index.ts';

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');

test('the specification lists the codes that exist', () => {
  const declared = Array.from(read('../src/pre-error.ts').matchAll(/\| '([A-Z_]+)'/g), ([, code]) => code);
  const section = read('../SPEC.md').split('## 10. Codes')[1]?.split('## 11.')[0] ?? '';
  const listed = section
    .split('\n')
    .filter((row) => row.startsWith('| `'))
    .flatMap((row) => Array.from(row.split('|')[1]?.matchAll(/`([A-Z_]+)`/g) ?? [], ([, code]) => code));
  expect(new Set(listed)).toEqual(new Set(declared));
  expect(listed.length).toBe(declared.length);
});

test('an error keeps its code and its cause', () => {
  const cause = new Error('below');
  const error = new PreError('KEY_INVALID', 'a key', { cause });
  expect(error).toMatchObject({ name: 'PreError', code: 'KEY_INVALID', message: 'a key', cause });
});
