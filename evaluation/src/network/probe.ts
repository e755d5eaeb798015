import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

const KERNEL_CONFIG = '/proc/config.gz';
const LOADED = '/sys/module/sch_netem';

/** How the network between places is made, and whether the kernel could have done it; for the record of an evaluation. */
export function probeNetwork(): string {
  return `user-space delayer (${existsSync(LOADED) ? NETEM.there : inKernel()})`;
}

const NETEM = {
  there: 'netem is there; not used',
  missing: 'no sch_netem in this kernel',
  unknown: 'this kernel does not say whether it has netem',
};

function inKernel(): string {
  if (!existsSync(KERNEL_CONFIG)) return NETEM.unknown;
  const config = gunzipSync(readFileSync(KERNEL_CONFIG)).toString();
  return /^CONFIG_NET_SCH_NETEM=[my]$/m.test(config) ? NETEM.there : NETEM.missing;
}
