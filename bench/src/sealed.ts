import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { machine } from '@yilian/evaluation/machine';
import { quantile } from '@yilian/evaluation/statistics';
import { DEFAULT_CHUNK_BYTES, openBody, sealBody } from '@yilian/pre';
import { summarise } from './statistics.ts';

/**
 * `pnpm bench sealed [--rounds N] [--out FILE]`: how fast bodies are sealed and opened, beside Node's own
 * ChaCha20-Poly1305 fed with pieces of the same size, and noble's XChaCha20-Poly1305; chunks are 1 MiB for all of them.
 * Every round runs each once, there and back in turns; the first does not count. Time is that of the processor, which
 * other load on the machine does not change much.
 */
const { values } = parseArgs({
  args: process.argv.slice(2).filter((arg) => arg !== '--'),
  options: { rounds: { type: 'string', default: '15' }, out: { type: 'string' } },
});
const rounds = Number(values.rounds);
const CIPHER = 'chacha20-poly1305';
const TAG = { authTagLength: 16 };
const MIB = 2 ** 20;
/** Long enough that what the run before left to be collected does not count. */
const BODY_BYTES = 128 * MIB;
/** noble is so much slower that a part is enough. */
const NOBLE_BYTES = 8 * MIB;
const SMALL_PIECE_BYTES = 65_536;

interface Variant {
  readonly kind: 'seal' | 'open';
  readonly name: 'node' | 'noble' | 'ours';
  readonly pieces: 'large' | '64 KiB';
  readonly bytes: number;
  readonly run: () => unknown;
}

interface NodeSealed {
  readonly ciphertext: Uint8Array;
  readonly tag: Buffer;
}

const key = randomBytes(32);
const [nonce, longNonce] = [randomBytes(12), randomBytes(24)];
const plaintext = new Uint8Array(BODY_BYTES).map((_, at) => at >> 8);
const sealed = new Uint8Array(Buffer.concat(await Array.fromAsync(sealBody(key, [plaintext]))));
const chunks = [...cut(plaintext, DEFAULT_CHUNK_BYTES)];
const nobleChunks = chunks.slice(0, NOBLE_BYTES / DEFAULT_CHUNK_BYTES);
const nobleSealed = nobleChunks.map((chunk) => xchacha20poly1305(key, longNonce).encrypt(chunk));
const nodeSealed = chunks.map((chunk): NodeSealed => {
  const cipher = createCipheriv(CIPHER, key, nonce, TAG);
  return { ciphertext: Buffer.concat([cipher.update(chunk), cipher.final()]), tag: cipher.getAuthTag() };
});

function* cut(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += size) yield bytes.subarray(offset, offset + size);
}

function nodeSeal(pieceBytes: number): void {
  for (const chunk of chunks) {
    const cipher = createCipheriv(CIPHER, key, nonce, TAG);
    for (const piece of cut(chunk, pieceBytes)) cipher.update(piece);
    cipher.final();
    cipher.getAuthTag();
  }
}

function nodeOpen(pieceBytes: number): void {
  for (const { ciphertext, tag } of nodeSealed) {
    const decipher = createDecipheriv(CIPHER, key, nonce, TAG);
    decipher.setAuthTag(tag);
    for (const piece of cut(ciphertext, pieceBytes)) decipher.update(piece);
    decipher.final();
  }
}

function nobleSeal(): void {
  for (const chunk of nobleChunks) xchacha20poly1305(key, longNonce).encrypt(chunk);
}

function nobleOpen(): void {
  for (const chunk of nobleSealed) xchacha20poly1305(key, longNonce).decrypt(chunk);
}

async function drain(pieces: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of pieces);
}

function pair(
  kind: Variant['kind'],
  pieces: Variant['pieces'],
  node: () => void,
  ours: () => Promise<void>,
): Variant[] {
  const common = { kind, pieces, bytes: BODY_BYTES };
  return [
    { ...common, name: 'node', run: node },
    { ...common, name: 'ours', run: ours },
  ];
}

const small = (bytes: Uint8Array) => cut(bytes, SMALL_PIECE_BYTES);
const variants: readonly Variant[] = [
  { kind: 'seal', name: 'noble', pieces: 'large', bytes: NOBLE_BYTES, run: nobleSeal },
  ...pair(
    'seal',
    'large',
    () => nodeSeal(DEFAULT_CHUNK_BYTES),
    () => drain(sealBody(key, [plaintext])),
  ),
  ...pair(
    'seal',
    '64 KiB',
    () => nodeSeal(SMALL_PIECE_BYTES),
    () => drain(sealBody(key, small(plaintext))),
  ),
  { kind: 'open', name: 'noble', pieces: 'large', bytes: NOBLE_BYTES, run: nobleOpen },
  ...pair(
    'open',
    'large',
    () => nodeOpen(DEFAULT_CHUNK_BYTES),
    () => drain(openBody(key, [sealed])),
  ),
  ...pair(
    'open',
    '64 KiB',
    () => nodeOpen(SMALL_PIECE_BYTES),
    () => drain(openBody(key, small(sealed))),
  ),
];

const samples = new Map<Variant, number[]>(variants.map((variant) => [variant, []]));
for (let turn = 0; turn <= rounds; turn++) {
  for (const variant of turn % 2 === 0 ? variants : variants.toReversed()) {
    const before = process.cpuUsage();
    await variant.run();
    const { user, system } = process.cpuUsage(before);
    if (turn > 0) samples.get(variant)?.push((user + system) / 1000);
  }
}

/** How many times as fast as the peer, per byte: the median over rounds, since a round's runs are closest in time. */
function times(variant: Variant, peer: Variant | undefined): number {
  if (peer === undefined) return Number.NaN;
  const peerTaken = samples.get(peer) ?? [];
  const ratios = samples
    .get(variant)
    ?.map((ms, round) => ((peerTaken[round] ?? Number.NaN) / ms) * (variant.bytes / peer.bytes));
  return quantile(ratios ?? [], 0.5);
}

const results = Array.from(samples, ([variant, taken]) => {
  const { kind, name, pieces, bytes } = variant;
  const peer = (of: Variant['name']) =>
    variants.find((other) => other.kind === kind && other.name === of && (of === 'noble' || other.pieces === pieces));
  const ms = summarise(taken);
  const mibPerSecond = Math.round((1000 * bytes) / MIB / ms.p50);
  return {
    kind,
    name,
    pieces,
    ms,
    mibPerSecond,
    node: times(variant, peer('node')),
    noble: times(variant, peer('noble')),
  };
});
const where = machine();
console.log(
  `${where.cpu}, ${where.cores} cores, Node ${where.node}, commit ${where.commit}; medians of ${rounds} rounds\n`,
);
console.log('              pieces  MiB/s  × node  × noble');
for (const { kind, name, pieces, mibPerSecond, node, noble } of results) {
  const figures = [String(mibPerSecond).padStart(7), node.toFixed(2).padStart(8), noble.toFixed(1).padStart(9)];
  console.log(`${kind}  ${name.padEnd(6)}${pieces.padStart(8)}${figures.join('')}`);
}
if (values.out !== undefined)
  await writeFile(values.out, `${JSON.stringify({ machine: where, rounds, results }, null, 2)}\n`);
