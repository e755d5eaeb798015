import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Suites that run a whole federation on Fabric: so many processes that whatever runs beside them would starve. */
const FABRIC = ['deploy/test/{fabric,growth,hosts}.test.ts', 'evaluation/test/schemes/fabric.test.ts'];
/** Suites that take more than half a minute, the longest first: no worker is left alone with one at the end. */
const LONG = [
  'deploy/test/federation',
  'campaign/test/federation',
  'evaluation/test/evaluate',
  'evaluation/test/schemes/schemes',
  'deploy/test/kubo',
  'deploy/test/demonstration',
  'fabric/test/growth',
  'campaign/test/attackers',
  'deploy/test/fabric',
  'deploy/test/growth',
  'deploy/test/hosts',
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

const common = {
  environment: 'node',
  // Files share a process: loading the packages anew for each costs a third of the time.
  isolate: false,
  testTimeout: 20_000,
  hookTimeout: 30_000,
} as const;

export default defineConfig({
  test: {
    pool: 'forks',
    sequence: { sequencer: LongestFirst },
    teardownTimeout: 10_000,
    allowOnly: false,
    passWithNoTests: false,
    dangerouslyIgnoreUnhandledErrors: false,
    watch: false,
    projects: [
      {
        test: {
          ...common,
          name: 'suites',
          include: ['*/test/**/*.test.ts'],
          exclude: FABRIC,
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      { test: { ...common, name: 'fabric', include: FABRIC, maxWorkers: 1, sequence: { groupOrder: 1 } } },
    ],
  },
});
