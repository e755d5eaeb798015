import { type Connection, evaluate, LedgerError } from '@yilian/ledger';
import { Testbed } from '@yilian/testbed';
import { vi } from 'vitest';
import { HOME, Stage } from './stage.ts';
import { type Call, chaincodeOf, texts, validCalls } from './valid-calls.ts';

/**
 * A stage and chains that nobody founded, every valid call on them, and clients on the nodes' own ports to try them with.
 * Time stands still, so that the calls stay valid.
 */
export class Attack implements AsyncDisposable {
  readonly stage: Stage;
  readonly bare: Testbed;
  readonly calls: readonly Call[];
  /** The calls that do not only read. */
  readonly writes: readonly Call[];
  readonly #connections = new Map<string, Connection>();

  private constructor(stage: Stage, bare: Testbed, calls: readonly Call[]) {
    this.stage = stage;
    this.bare = bare;
    this.calls = calls;
    this.writes = calls.filter(({ reads }) => !reads);
  }

  static async open(): Promise<Attack> {
    const [stage, bare] = [await Stage.open(), await Testbed.unfounded([HOME])];
    const calls = await validCalls(stage, bare);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
    return new Attack(stage, bare, calls);
  }

  /** The contract as the call's identity reaches it; one connection for each. */
  async contract(call: Pick<Call, 'testbed' | 'network' | 'mspId' | 'role'>) {
    const { testbed, network, mspId, role } = call;
    const key = `${testbed === this.bare}/${network}/${mspId}/${role}`;
    const known = this.#connections.get(key);
    const connection = known ?? testbed.connection(network, testbed.member(mspId, role), await testbed.listen(network));
    this.#connections.set(key, connection);
    return connection.contract(network, chaincodeOf(call));
  }

  /** Runs a call on one peer: `accepted`, the refusal's code, or an error that has none. */
  async attempt(call: Call, args: readonly (string | Uint8Array)[] = texts(call.args)): Promise<string> {
    try {
      await evaluate(await this.contract(call), call.name, args);
      return 'accepted';
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      return error.contractCode ?? `${error.code} without a code: ${error.message}`;
    }
  }

  /** How the chains stand: their heights, and what they answer to every call that only reads. */
  async state(): Promise<{ readonly heights: number[]; readonly answers: string[] }> {
    const heights = [this.stage.testbed, this.bare].flatMap((testbed) =>
      ['main', ...testbed.regions].map((network) => testbed.node(network).height()),
    );
    const answers: string[] = [];
    for (const call of this.calls.filter(({ reads }) => reads)) {
      const bytes = await evaluate(await this.contract(call), call.name, texts(call.args));
      answers.push(`${call.name} ${new TextDecoder().decode(bytes)}`);
    }
    return { heights, answers };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    vi.useRealTimers();
    await this.stage[Symbol.asyncDispose]();
    await this.bare[Symbol.asyncDispose]();
  }
}
