import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Program } from '../local/child.ts';
import { DeployError } from '../local/errors.ts';
import type { Layout } from '../local/layout.ts';
import type { Stages } from '../local/programs.ts';

/** Where the images come from; the own one is built by `Dockerfile`. */
export const IMAGES = {
  own: 'yilian:0.1.0',
  peer: 'hyperledger/fabric-peer:3.1',
  orderer: 'hyperledger/fabric-orderer:3.1',
  kubo: 'ipfs/kubo:v0.38.1',
  redis: 'redis:7.4',
} as const;

/** Who runs in every container, and owns the state folder. */
export const USER = 1000;
const SOURCES = '/yilian';
/** Nothing but this can be written to beside a container's mounts. */
export const SCRATCH = '/tmp';
export const ENVIRONMENT = { HOME: SCRATCH };
/** The command line in the own image. */
export const CLI = ['node', `${SOURCES}/deploy/local/cli.ts`];
const WORKSPACE = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const LABEL_CHARACTERS = 63;
const EVERY = '0.0.0.0';
const LOOPBACK = '127.0.0.1';
/** In which a node of Fabric looks for its configuration, spelled as JSON. */
const CONFIGURATIONS = ['core.yaml', 'orderer.yaml'];

/** What of the state folder a container sees, at the same path. */
export interface Mount {
  readonly path: string;
  readonly isReadOnly: boolean;
}

/** One program of a host in a container. All of a host share one network, so that the loopback is theirs alone. */
export interface Container {
  /** A DNS label, unique on its host. */
  readonly name: string;
  /** The program's. */
  readonly program: string;
  readonly image: keyof typeof IMAGES;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
  /** Ends with 0 as soon as it serves. */
  readonly probe: readonly string[];
}

/** A host in containers, whatever it is that runs them. */
export interface ContainerHost {
  readonly name: string;
  /** By which others reach it. */
  readonly address: string;
  readonly state: string;
  /** What others reach. */
  readonly ports: readonly number[];
  /** Chains, queues and Kubo nodes; what is founded needs them. */
  readonly first: readonly Container[];
  /** The services. */
  readonly founded: readonly Container[];
}

/**
 * The programs of a host, each in a container that sees of the state folder only what its configuration names.
 * @throws DeployError USAGE when the host is to listen on an address that no container has
 */
export function containerHost(layout: Layout, { first, whileFounding, founded }: Stages): ContainerHost {
  const { host, state } = layout;
  if (host === undefined) throw new DeployError('USAGE', 'the description names no hosts');
  const endpoints = layout.listeners.map((name) => layout.endpoint(name)).filter((each) => each.host !== LOOPBACK);
  if (endpoints.some(({ host: address, listen = address }) => listen !== EVERY))
    throw new DeployError(
      'USAGE',
      `containers have addresses of their own: the description needs "listen": "${EVERY}" at ${host.name}`,
    );
  const services = [...whileFounding, ...founded.flat()];
  const labels = labelsOf([...first, ...services].map(({ name }) => name));
  const container = (program: Program): Container => containerOf(layout, program, labels.get(program.name) ?? '');
  return {
    name: host.name,
    address: host.address,
    state,
    ports: endpoints.map(({ port }) => port),
    first: first.map(container),
    founded: services.map(container),
  };
}

function containerOf(layout: Layout, program: Program, name: string): Container {
  const image = imageOf(program.name);
  const env = { ...ENVIRONMENT, ...program.env };
  return {
    name,
    program: program.name,
    image,
    command: [basename(program.command), ...program.args.map((arg) => arg.replace(WORKSPACE, SOURCES))],
    env,
    mounts: mountsOf(layout.state, [...program.args, ...Object.values(env)]),
    probe: probeOf(image, portsOf(layout, program)),
  };
}

function imageOf(program: string): keyof typeof IMAGES {
  const [, kind] = program.split('/');
  return kind === 'peer' || kind === 'orderer' || kind === 'kubo' || kind === 'redis' ? kind : 'own';
}

/** Where a program is reached on the loopback: what listens under its name. */
function portsOf(layout: Layout, { name, ready }: Program): readonly number[] {
  if (ready !== 'line') return [ready];
  const own = layout.listeners.filter((listener) => listener === name || listener.startsWith(`${name}/`));
  return own.map((listener) => layout.port(listener));
}

function probeOf(image: keyof typeof IMAGES, ports: readonly number[]): readonly string[] {
  const [port = 0] = ports;
  switch (image) {
    case 'redis':
      return ['redis-cli', '-h', LOOPBACK, '-p', `${port}`, 'ping'];
    case 'kubo':
      return ['ipfs', `--api=/ip4/${LOOPBACK}/tcp/${port}`, 'id'];
    case 'own':
      return [
        'node',
        '-e',
        `for (const port of [${ports.join()}]) require('net').connect(port, '${LOOPBACK}', function () { this.end(); })`,
      ];
    default:
      return ['bash', '-c', `exec 3<>/dev/tcp/${LOOPBACK}/${port}`];
  }
}

/**
 * What of the state folder these words name, and the configurations among it in turn: a folder to be written in, a file
 * to be read.
 */
function mountsOf(state: string, words: readonly string[]): readonly Mount[] {
  const named = new Set<string>();
  const look = (word: string): void => {
    if (!word.startsWith(`${state}/`) || named.has(word) || !existsSync(word)) return;
    named.add(word);
    const files = statSync(word).isDirectory() ? CONFIGURATIONS.map((file) => join(word, file)) : [word];
    for (const file of files.filter((each) => /\.(json|yaml)$/.test(each) && existsSync(each)))
      for (const inner of stringsOf(JSON.parse(readFileSync(file, 'utf8')))) look(inner);
  };
  for (const word of words) look(word);
  return [...named]
    .filter((path) => ![...named].some((other) => path.startsWith(`${other}/`)))
    .toSorted()
    .map((path) => ({ path, isReadOnly: !statSync(path).isDirectory() }));
}

function stringsOf(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(stringsOf) : [];
}

/** Names as DNS labels; those that would be too long, or the same, with a hash of what they are. */
function labelsOf(names: readonly string[]): ReadonlyMap<string, string> {
  const plain = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
  return new Map(
    names.map((name) => {
      const label = plain(name);
      const isUnique = names.every((other) => other === name || plain(other) !== label);
      if (isUnique && label.length <= LABEL_CHARACTERS) return [name, label];
      const hash = createHash('sha256').update(name).digest('hex').slice(0, 8);
      return [name, `${label.slice(0, LABEL_CHARACTERS - 9).replace(/-$/, '')}-${hash}`];
    }),
  );
}
