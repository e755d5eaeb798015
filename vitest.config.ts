import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Suites that take more than half a minute, the longest first: no worker is left alone with one at the end. Those on
 * Fabric stand between others, so that hardly ever two of them run at once.
 */
const LONG = [
  'deploy/test/fabric',
  'deploy/test/federation',
  'deploy/test/growth',
  'campaign/test/federation',
  'deploy/test/hosts',
  'evaluation/test/evaluate',
  'evaluation/test/schemes/schemes',
  'deploy/test/kubo',
  'deploy/test/demonstration',
  'fabric/test/growth',
  'deploy/test/containers',
  'evaluation/test/schemes/fabric',
  'campaign/test/attackers',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const at = LONG.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`));
      return at < 0 ? LONG.length : at;
    };
    return (await super.sort(files)).toSorted((a, b) => place(a) - place(b));
  }
}

export default defineConfig({
  test: {
    environment: 'node',
    include: ['*/test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    // Files share a process: loading the packages anew for each costs a third of the time.
    isolate: false,
    testTimeout: 20_000,
    hookTimeout: 30_000,
    sequence: { sequencer: LongestFirst },
    teardownTimeout: 10_000,
    allowOnly: false,
    passWithNoTests: false,
    dangerouslyIgnoreUnhandledErrors: false,
    watch: false,
  },
});
