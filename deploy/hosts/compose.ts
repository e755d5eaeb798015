import { isIP } from 'node:net';
import {
  CLI,
  type Container,
  type ContainerHost,
  ENVIRONMENT,
  IMAGES,
  type Mount,
  SCRATCH,
  USER,
} from './container.ts';

const NETWORK = 'network';
const PREPARE = 'prepare';
const FOUND = 'found';
/** Holds the network while everything else is exchanged. */
const HOLD = ['node', '-e', 'setInterval(() => {}, 2 ** 30)'];
const HARDENED = {
  init: true,
  user: `${USER}:${USER}`,
  read_only: true,
  tmpfs: [SCRATCH],
  cap_drop: ['ALL'],
  security_opt: ['no-new-privileges:true'],
};

/** Both folders may be given as variables: Yilian's sources, and an unpacked release of Hyperledger Fabric. */
const BUILD = {
  context: variable('YILIAN_SOURCE', '.'),
  dockerfile: 'deploy/hosts/Dockerfile',
  additional_contexts: { fabric: variable('FABRIC_RELEASE', './fabric') },
};

/**
 * The compose file of a host (compose-spec), spelled as JSON. One container holds the network, which all others share:
 * what listens on the loopback is reached by them alone, and nothing but what other hosts need is published.
 */
export function composeFile({ name, address, state, ports, first, founded }: ContainerHost): string {
  const whole = [{ path: state, isReadOnly: false }];
  const step = (command: string) => ({
    ...base('own'),
    command: [...CLI, '--state', state, 'host', command].map(literal),
    entrypoint: [],
    environment: ENVIRONMENT,
    volumes: whole.map(volume),
    restart: 'on-failure',
  });
  return JSON.stringify(
    {
      name: `yilian-${name}`,
      services: {
        [NETWORK]: {
          ...HARDENED,
          image: IMAGES.own,
          build: BUILD,
          command: HOLD.map(literal),
          entrypoint: [],
          ports: ports.map((port) => ({ target: port, published: `${port}`, protocol: 'tcp', mode: 'host' })),
          // Its own name does not lead out and in again.
          ...(isIP(address) === 0 && { extra_hosts: [`${address}:127.0.0.1`] }),
          restart: 'unless-stopped',
        },
        [PREPARE]: { ...step(PREPARE), network_mode: 'none' },
        ...Object.fromEntries(first.map((each) => [each.name, service(each, PREPARE)])),
        [FOUND]: {
          ...step(FOUND),
          network_mode: `service:${NETWORK}`,
          depends_on: {
            [NETWORK]: { condition: 'service_started', restart: true },
            ...Object.fromEntries(first.map((each) => [each.name, { condition: 'service_healthy' }])),
          },
        },
        ...Object.fromEntries(founded.map((each) => [each.name, service(each, FOUND)])),
      },
    },
    null,
    2,
  );
}

function base(image: Container['image']): object {
  // The own image is built, by the service that holds the network.
  return { ...HARDENED, image: IMAGES[image], ...(image === 'own' && { pull_policy: 'never' }) };
}

function service({ program, image, command, env, mounts, probe }: Container, after: string): object {
  return {
    ...base(image),
    labels: { 'org.yilian.program': literal(program) },
    entrypoint: [],
    command: command.map(literal),
    environment: Object.fromEntries(Object.entries(env).map(([name, value]) => [name, literal(value)])),
    network_mode: `service:${NETWORK}`,
    volumes: mounts.map(volume),
    depends_on: {
      [NETWORK]: { condition: 'service_started', restart: true },
      [after]: { condition: 'service_completed_successfully' },
    },
    healthcheck: { test: ['CMD', ...probe.map(literal)], interval: '10s', timeout: '5s', start_period: '60s' },
    restart: 'unless-stopped',
  };
}

function volume({ path, isReadOnly }: Mount): object {
  return {
    type: 'bind',
    source: literal(path),
    target: literal(path),
    read_only: isReadOnly,
    bind: { create_host_path: false },
  };
}

/** What compose takes from its environment. */
function variable(name: string, otherwise: string): string {
  return `\${${name}:-${otherwise}}`;
}

/** What is no variable to compose. */
function literal(text: string): string {
  return text.replaceAll('$', '$$$$');
}
