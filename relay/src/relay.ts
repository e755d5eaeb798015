import { type ConnectOptions, connect, createSigner, OwnView, readCertificate } from '@yilian/ledger';
import { MainChain } from '@yilian/main-chain';
import { RegionalChain } from '@yilian/regional-chain';
import { readServerTls } from '@yilian/service';
import { openRemoteVault } from '@yilian/vault';
import type { FastifyInstance } from 'fastify';
import { type Logger, pino } from 'pino';
import { Absences } from './absences.ts';
import { Answers } from './answers.ts';
import { buildApp } from './app.ts';
import { Assembly } from './assembly.ts';
import { Witnesses } from './attestations.ts';
import { Checkpoints } from './checkpoints.ts';
import { LIMITS, type RelayConfig, readSecrets, readTls } from './config.ts';
import { DeadLetters } from './dead-letters.ts';
import { Decisions } from './decisions.ts';
import { Directory } from './directory.ts';
import { Envelopes } from './envelopes.ts';
import { RelayError } from './errors.ts';
import { Exchange } from './exchange.ts';
import { Health } from './health.ts';
import { IndexEntries } from './index-entries.ts';
import { KeyCertificates } from './key-certificates.ts';
import { Legs } from './legs.ts';
import { MainHeights } from './main-height.ts';
import { Metrics } from './metrics.ts';
import { Neighbours } from './neighbours.ts';
import { OutcomeMirror } from './outcome-mirror.ts';
import { Pages } from './pages.ts';
import { Queues, type Task, type Verdict } from './queues.ts';
import { Quota } from './quota.ts';
import { Receipts } from './receipts.ts';
import { checkDurability, openRedis } from './redis.ts';
import { RegionMirrors } from './region-mirrors.ts';
import { Registry } from './registry.ts';
import { Requests } from './requests.ts';
import { Rotations } from './rotations.ts';
import { Scanner } from './scanner.ts';
import { Signals } from './signals.ts';
import { Watchers } from './watchers.ts';

/** What a test, or a process that hosts several parts, puts in the place of the world outside. */
export interface RelayDependencies {
  /** In place of `regional.address` and `main.address`. */
  readonly regionalClient?: ConnectOptions['client'];
  readonly mainClient?: ConnectOptions['client'];
  readonly fetch?: typeof globalThis.fetch;
  readonly log?: Logger;
}

export interface Relay extends AsyncDisposable {
  readonly app: FastifyInstance;
  /** Starts workers and scanner. */
  start(): Promise<void>;
  /** Stops accepting, lets running jobs end, closes every connection. */
  close(): Promise<void>;
}

const MIRROR_JOBS_AT_ONCE = 8;
const PROXIES_TTL_MS = 5000;

/**
 * Puts a relay together; it neither listens nor works yet.
 * @throws CONFIG_INVALID
 */
export async function buildRelay(config: RelayConfig, dependencies: RelayDependencies = {}): Promise<Relay> {
  const { federation, region, holders } = config;
  const limits = { ...LIMITS, ...config.limits };
  const stopping = new AbortController();
  const fetch = stoppable(dependencies.fetch ?? globalThis.fetch, stopping.signal);
  const log =
    dependencies.log ??
    pino(
      { level: config.logLevel ?? 'info', base: { region } },
      pino.destination(2).on('error', () => undefined),
    );
  const secrets = await readSecrets(config);
  const tls = await readServerTls(config.tls);
  if (secrets.genesis.federation !== federation)
    throw new RelayError('CONFIG_INVALID', 'the genesis is of another federation');

  const regionalTls = await readTls(config.regional.tls);
  const regional = connect({
    client: dependencies.regionalClient ?? config.regional.address,
    identity: { mspId: config.identity.mspId, certificate: secrets.certificate },
    privateKey: secrets.privateKey,
    ...(regionalTls === undefined ? {} : { tls: regionalTls }),
  });
  const mainTls = await readTls(config.main.tls);
  const national = connect({
    client: dependencies.mainClient ?? config.main.address,
    identity: { mspId: config.main.mspId, certificate: secrets.main.certificate },
    peerMspId: config.main.peerMspId,
    privateKey: secrets.main.privateKey,
    ...(mainTls === undefined ? {} : { tls: mainTls }),
  });
  const chain = new RegionalChain(regional, config.regional.channel);
  const main = new MainChain(national, config.main.channel);
  const redis = openRedis(config.redisUrl, `yilian:${federation}:${region}`, log);
  const metrics = new Metrics();
  const ends = [secrets.certificate, secrets.main.certificate].map((pem) => readCertificate(pem).notAfter);
  metrics.certificateExpiry.set(Math.min(...ends) / 1000);
  const signals = new Signals(redis);
  const queues = new Queues(redis, metrics, log, limits.lockMs);
  const ownMain = new OwnView(national, config.main.channel);
  const directory = new Directory(main, ownMain);
  const signer = { certificate: secrets.certificate, sign: createSigner(secrets.privateKey) };
  const envelopes = new Envelopes({ federation, region, signer, redis, directory });
  const attesters = new Witnesses({
    network: 'main',
    own: ownMain,
    envelopes,
    witnesses: async () => config.attesters,
    trusts: () => directory.mainTrusts(),
    fetch,
  });
  const proxies = new Witnesses({
    network: region,
    own: new OwnView(regional, config.regional.channel),
    envelopes,
    witnesses: remember(PROXIES_TTL_MS, async () => (await chain.proxies()).map(({ document }) => document)),
    trusts: async () => (await directory.region(region)).trusts,
    fetch,
  });
  const vault = openRemoteVault({ holders, fetch });
  const answers = new Answers(redis, limits.answerTtlMs);
  const heights = new MainHeights(federation, directory, attesters);
  const rotations = new Rotations(redis, attesters);
  const mirrors = new RegionMirrors({ chain, directory, attesters, rotations });
  const keyCertificates = new KeyCertificates(chain);
  const assembly = new Assembly({ region, chain, proxies, vault, holders, metrics });
  const outcomes = new OutcomeMirror({ chain, answers, queues, signals, redis, metrics, log });
  const legs = new Legs({
    federation,
    region,
    chain,
    main,
    directory,
    keyCertificates,
    envelopes,
    answers,
    outcomes,
    queues,
    signals,
    metrics,
    fetch,
    log,
  });
  const absences = new Absences({ region, chain, main, attesters, answers, legs, queues, signals });
  const quota = new Quota(redis, limits.decisionsPerOrganisation);
  const { longPollMs } = limits;
  const decisions = new Decisions({
    region,
    chain,
    assembly,
    heights,
    mirrors,
    quota,
    queues,
    signals,
    metrics,
    longPollMs,
  });
  const pages = new Pages({
    federation,
    region,
    chain,
    directory,
    keyCertificates,
    envelopes,
    answers,
    assembly,
    heights,
    mirrors,
    metrics,
    fetch,
    longPollMs,
  });
  const receipts = new Receipts({ region, chain, directory, envelopes, queues, signals, redis, fetch });
  const index = new IndexEntries({ region, chain, main, proxies });
  const checkpoints = new Checkpoints({
    federation,
    region,
    connection: regional,
    channel: config.regional.channel,
    chain,
    main,
    proxies,
    log,
    everyMs: limits.checkpointMs,
  });
  const requests = new Requests({
    federation,
    region,
    chain,
    main,
    keyCertificates,
    answers,
    assembly,
    legs,
    absences,
    queues,
    metrics,
    log,
    submissionsPerOrganisation: limits.submissionsPerOrganisation,
    maxLegs: limits.legs,
  });
  const scanner = new Scanner({
    region,
    chain,
    directory,
    heights,
    answers,
    legs,
    absences,
    outcomes,
    decisions,
    neighbours: new Neighbours({ region, directory, fetch }),
    queues,
    metrics,
    log,
    everyMs: limits.scanMs,
    duties: new Map([
      ['regions', () => mirrors.isDue()],
      ['index', () => index.isDue()],
      ['checkpoint', async () => checkpoints.isDue],
      ['receipts', () => receipts.isDue()],
    ]),
  });
  const watchers = new Watchers(requests, signals, limits.watchers);
  const app = await buildApp(
    {
      registry: new Registry({ federation, region, chain, main, directory, proxies, attesters, rotations, fetch, log }),
      requests,
      pages,
      receipts,
      exchange: new Exchange(envelopes, decisions, pages, receipts, metrics),
      watchers,
      deadLetters: new DeadLetters(queues),
      health: new Health(redis, chain, main, directory, queues, metrics),
      operatorToken: secrets.operatorToken,
    },
    limits,
    log,
    tls,
  );

  const mirrorJobs = new Map<string, (task: Task) => Promise<Verdict>>([
    ['outcomes', () => outcomes.run()],
    ['receipts', () => receipts.run()],
    ['forward', (task) => receipts.forward(task)],
    ['regions', () => mirrors.run().then(() => 'done')],
    ['index', () => index.run()],
    ['checkpoint', () => checkpoints.run()],
  ]);
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    watchers.close();
    signals.release();
    await app.close();
    stopping.abort();
    await scanner.stop();
    await queues.close();
    await checkpoints.stop();
    await vault[Symbol.asyncDispose]();
    await redis[Symbol.asyncDispose]();
    regional.close();
    national.close();
  };
  const closeOnce = (): Promise<void> => {
    closing ??= close();
    return closing;
  };

  return {
    app,
    async start() {
      await checkDurability(redis, config.requireDurableRedis === true, log);
      await signals.start();
      queues.work('legs', limits.legsAtOnce, (task) => (task.name === 'absence' ? absences.run(task) : legs.run(task)));
      queues.work('decide', limits.decisionsAtOnce, (task) => decisions.run(task));
      queues.work('mirror', MIRROR_JOBS_AT_ONCE, (task) => {
        const run = mirrorJobs.get(task.name);
        if (run === undefined) throw new RelayError('JOB_INVALID', 'no such job');
        return run(task);
      });
      checkpoints.start();
      scanner.start();
    },
    close: closeOnce,
    [Symbol.asyncDispose]: closeOnce,
  };
}

/** Builds, starts and listens. @throws CONFIG_INVALID REDIS_UNSAFE */
export async function startRelay(
  config: RelayConfig,
  dependencies: RelayDependencies = {},
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const relay = await buildRelay(config, dependencies);
  try {
    await relay.start();
    const url = await relay.app.listen({ host: config.host, port: config.port });
    return { url, close: () => relay.close() };
  } catch (error) {
    await relay.close();
    throw error;
  }
}

/** The last result of `read`, for a while. */
function remember<T>(ttlMs: number, read: () => Promise<T>): () => Promise<T> {
  let known: { readonly value: T; readonly at: number } | undefined;
  return async () => {
    if (known === undefined || Date.now() - known.at > ttlMs) known = { value: await read(), at: Date.now() };
    return known.value;
  };
}

/** Calls under way end with the relay: what they were about is queued or on a chain. */
function stoppable(fetch: typeof globalThis.fetch, stopping: AbortSignal): typeof globalThis.fetch {
  return (input, init) => {
    const signal = init?.signal == null ? stopping : AbortSignal.any([init.signal, stopping]);
    return fetch(input, { ...init, signal });
  };
}
