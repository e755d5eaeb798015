import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Suites that run a whole federation as processes, minutes each. */
const FEDERATION = /\/(campaign|deploy)\/test\/(attackers|demonstration|fabric|federation|kubo)\.test\.ts$/;

/** Longest first, so that no worker is left alone with one at the end. */
class FederationsFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isFederation = ({ moduleId }: TestSpecification) => FEDERATION.test(moduleId);
    return [...sorted.filter(isFederation), ...sorted.filter((file) => !isFederation(file))];
  }
}

export default defineConfig({
  test: {
    include: ['*/test/**/*.test.ts'],
    environment: 'node',
    pool: 'forks',
    // Files share a process: loading the packages anew for each costs a third of the time.
    isolate: false,
    maxWorkers: 2,
    sequence: { sequencer: FederationsFirst },
    testTimeout: 20_000,
    hookTimeout: 30_000,
    teardownTimeout: 10_000,
    allowOnly: false,
    passWithNoTests: false,
    dangerouslyIgnoreUnhandledErrors: false,
    watch: false,
  },
});
