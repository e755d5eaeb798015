import { ledgerError } from '@yilian/ledger';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Attack } from './attack.ts';
import { codeOf } from './stage.ts';
import { type Call, FUNCTIONS, functionsIn, texts } from './valid-calls.ts';

let attack: Attack;
beforeAll(async () => {
  attack = await Attack.open();
}, 60_000);
afterAll(() => attack[Symbol.asyncDispose]());

/** Asks for the endorsement of a proposal whose timestamp is this far from the clock of the peers. */
async function endorse(call: Call, offMs: number): Promise<string> {
  const contract = await attack.contract(call);
  const now = Date.now();
  vi.setSystemTime(now + offMs);
  const proposal = contract.newProposal(call.name, { arguments: texts(call.args) });
  vi.setSystemTime(now);
  try {
    await proposal.endorse();
    return `${call.name} accepted`;
  } catch (error) {
    return `${call.name} ${codeOf(ledgerError(error))}`;
  }
}

async function endorseAll(offMs: number): Promise<string[]> {
  const verdicts: string[] = [];
  for (const call of attack.writes) verdicts.push(await endorse(call, offMs));
  return verdicts;
}

describe('a proposal', () => {
  test.each([
    ['back-dated', -61_000],
    ['from the future', 61_000],
  ])(
    'of any writing function is refused when it is %s by more than a minute, and nothing changes',
    async (_, offMs) => {
      expect(functionsIn(attack.calls)).toEqual(FUNCTIONS);
      const before = await attack.state();
      expect(await endorseAll(offMs)).toEqual(attack.writes.map(({ name }) => `${name} CLOCK_SKEW`));
      expect(await attack.state()).toEqual(before);
    },
  );

  test.each([-30_000, 30_000])('is taken from a clock that is %i milliseconds off', async (offMs) => {
    expect(await endorseAll(offMs)).toEqual(attack.writes.map(({ name }) => `${name} accepted`));
  });

  test('is judged by a minute to the millisecond', async () => {
    const call = attack.writes.find(({ name }) => name === 'Index:absent') ?? expect.fail('no such call');
    for (const sign of [-1, 1]) {
      expect(await endorse(call, sign * 60_000)).toBe('Index:absent accepted');
      expect(await endorse(call, sign * 60_001)).toBe('Index:absent CLOCK_SKEW');
    }
  });
});
