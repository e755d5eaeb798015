import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { OWN_CODES } from '../src/core/client-error.ts';
import { DossierSchema } from '../src/index.ts';

const spec = await readFile(new URL('../SPEC.md', import.meta.url), 'utf8');
const section = (number: number) => spec.split(/^## /m)[number] ?? '';
const firstColumn = (text: string) => [...text.matchAll(/^\| ((?:`[^`]+` ?)+)\|/gm)].map(([, cell = '']) => cell);

test('SPEC.md lists every error code once', () => {
  const listed = firstColumn(section(1)).flatMap((cell) => cell.match(/[A-Z][A-Z_]+/g) ?? []);
  expect(listed.toSorted()).toEqual([...OWN_CODES].toSorted());
});

test('SPEC.md lists every member of a dossier', () => {
  const listed = firstColumn(section(3)).map((cell) => cell.replaceAll(/[`\s]|\[\]/g, ''));
  const { legs, ...members } = DossierSchema.properties;
  const ofLegs = Object.keys(legs.items.properties).map((name) => `legs.${name}`);
  expect(listed.toSorted()).toEqual([...Object.keys(members), ...ofLegs].toSorted());
});
