import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Suites that run a whole federation as processes, minutes each. */
const FEDERATION = /\/(campaign|deploy)\/test\/(attackers|backup|demonstration|federation|kubo)\.test\.ts$/;
/** Suites that run Fabric networks: so many processes that whatever runs beside them would starve. */
const FABRIC = ['fabric/test/*.test.ts', 'deploy/test/{backup-fabric,containers,fabric,growth,hosts}.test.ts'];

/** Longest first, so that no worker is left alone with one at the end. */
class FederationsFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isFederation = ({ moduleId }: TestSpecification) => FEDERATION.test(moduleId);
    return [...sorted.filter(isFederation), ...sorted.filter((file) => !isFederation(file))];
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
    sequence: { sequencer: FederationsFirst },
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
