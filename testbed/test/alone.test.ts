import { LedgerError, submit } from '@yilian/ledger';
import { verifyOutcome } from '@yilian/ledger/verify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Attack } from './attack.ts';
import { HOME } from './stage.ts';
import { type Call, FUNCTIONS, functionsIn, texts } from './valid-calls.ts';

let attack: Attack;
beforeAll(async () => {
  attack = await Attack.open();
}, 60_000);
afterAll(() => attack[Symbol.asyncDispose]());

/** Submits a call through the port that the network serves, endorsed by these organisations or by as many as it needs. */
async function write(call: Call, organisations?: readonly string[]): Promise<string> {
  const options = organisations === undefined ? {} : { organisations };
  try {
    await submit(await attack.contract(call), call.name, texts(call.args), { ...options, retries: 0 });
  } catch (error) {
    if (error instanceof LedgerError) return `${call.name} ${error.contractCode ?? error.code}`;
    throw error;
  }
  return `${call.name} accepted`;
}

/** It holds all of its keys, every role's, and has only its own peer endorse what it writes. */
describe('one organisation alone', () => {
  test('tries every function of both chains that is not shown to write nothing', async () => {
    expect(functionsIn(attack.calls)).toEqual(FUNCTIONS);
    for (const call of attack.calls.filter(({ reads }) => reads)) {
      const { testbed, network, name, args } = call;
      const committed = await submit(await attack.contract(call), name, texts(args));
      const { writes } = verifyOutcome(await testbed.prove(network, committed), [testbed.trust(network)]);
      expect([name, writes]).toEqual([name, []]);
    }
  });

  test('cannot write anything, however valid it is', async () => {
    const { answers } = await attack.state();
    const verdicts: string[] = [];
    for (const call of attack.writes) verdicts.push(await write(call, [call.mspId]));
    expect(verdicts).toEqual(attack.writes.map(({ name }) => `${name} ENDORSEMENT_POLICY_FAILURE`));
    expect((await attack.state()).answers).toEqual(answers);
    const { testbed } = attack.stage;
    for (const network of ['main', ...testbed.regions]) await testbed.node(network).verifyChain();
  });

  test('that is none of the network’s is not even heard', async () => {
    const stranger = ({ network }: Call) => (network === HOME ? 'HospitalB1' : 'HospitalA1');
    const { heights } = await attack.state();
    const verdicts: string[] = [];
    for (const call of attack.writes) verdicts.push(await write({ ...call, mspId: stranger(call) }));
    expect(verdicts).toEqual(attack.writes.map(({ name }) => `${name} REJECTED`));
    expect((await attack.state()).heights).toEqual(heights);
  });

  test('writes all of it once others endorse it as well', async () => {
    const verdicts: string[] = [];
    for (const call of attack.writes) verdicts.push(await write(call));
    expect(verdicts).toEqual(attack.writes.map(({ name }) => `${name} accepted`));
  });
});
