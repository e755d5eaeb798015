import { fileURLToPath } from 'node:url';

const COMMAND_LINE = fileURLToPath(new URL('../local/cli.ts', import.meta.url));

/** What a unit starts. */
export interface UnitOptions {
  readonly host: string;
  readonly state: string;
  readonly agreement: string;
  readonly swarmKey?: string | undefined;
}

/** The systemd unit of a host on which programs run natively: systemd.service(5). Nothing in it is secret. */
export function systemdUnit({ host, state, agreement, swarmKey }: UnitOptions): string {
  const yilian = [process.execPath, COMMAND_LINE, '--state', state].map(quoted).join(' ');
  const up = ['--agreement', agreement, ...(swarmKey === undefined ? [] : ['--swarm-key', swarmKey])];
  return `[Unit]
Description=Yilian, host ${host}
Wants=network-online.target
After=network-online.target

[Service]
# \`up\` leaves the supervisor behind, which is the one process that systemd then looks after.
Type=forking
ExecStart=${yilian} up ${up.map(quoted).join(' ')}
ExecStop=${yilian} down
TimeoutStartSec=infinity
TimeoutStopSec=60
Restart=on-failure
RestartSec=10
User=yilian
UMask=0077
LimitNOFILE=65536
NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths=${quoted(state)}
ProtectHome=read-only
ProtectKernelTunables=yes
ProtectControlGroups=yes

[Install]
WantedBy=multi-user.target
`;
}

/** As one word of a unit file. */
function quoted(word: string): string {
  return `"${word.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%').replaceAll('$', '$$$$')}"`;
}
