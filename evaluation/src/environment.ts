import { execFileSync } from 'node:child_process';
import { machine } from './machine.ts';
import { probeNetwork } from './network/index.ts';
import type { Options } from './options.ts';
import type { Environment } from './results.ts';

/** Where, with what and by which command it was measured; enough to do it again. */
export function environmentOf(
  { folder, ...options }: Options,
  engineVersion: string | undefined,
  startedAt: string,
): Environment {
  const { commit, node, ...rest } = machine();
  return {
    engine: options.engine,
    network: probeNetwork(),
    seed: options.seed,
    machine: rest,
    versions: {
      yilian: commit,
      node,
      redis: redisVersion(),
      ...(engineVersion !== undefined && { [options.engine]: engineVersion }),
    },
    command: commandOf(options),
    startedAt,
    endedAt: new Date().toISOString(),
  };
}

function commandOf(options: Omit<Options, 'folder'>): string {
  const lists = {
    engine: [options.engine],
    ratio: options.ratios,
    rtt: options.rttsMs,
    regions: options.regions,
    cut: options.cutsMs,
    temperature: options.temperatures,
    writers: options.writesPerSecond,
    records: options.records,
    schemes: options.schemes,
    mix: [options.mix],
    runs: [options.runs],
    requests: [options.requests],
    'warm-up': [options.warmUp],
    rate: [options.perSecond],
    seed: [options.seed],
  };
  const flags = Object.entries(lists).map(([name, values]) => `--${name} ${values.join(',')}`);
  return `pnpm evaluate --${options.profile} ${flags.join(' ')}`;
}

function redisVersion(): string {
  const text = execFileSync('redis-server', ['--version'], { encoding: 'utf8' });
  return /v=(\S+)/.exec(text)?.[1] ?? text.trim();
}
