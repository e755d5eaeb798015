import { defineConfig } from 'vitest/config';

/** Suites that run a whole federation as processes: one at a time, when the machine has nothing else to do. */
const FEDERATIONS = ['{campaign,deploy}/test/{federation,attackers}.test.ts'];

export default defineConfig({
  test: {
    pool: 'forks',
    teardownTimeout: 10_000,
    allowOnly: false,
    passWithNoTests: false,
    dangerouslyIgnoreUnhandledErrors: false,
    watch: false,
    projects: [
      {
        test: {
          name: 'parts',
          include: ['*/test/**/*.test.ts'],
          exclude: FEDERATIONS,
          environment: 'node',
          maxWorkers: 2,
          testTimeout: 20_000,
          hookTimeout: 30_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'federations',
          include: FEDERATIONS,
          environment: 'node',
          maxWorkers: 1,
          testTimeout: 20_000,
          hookTimeout: 30_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
