/** What one thing costs: processor time of one core (`…Ms`) or bytes. */
interface Cost {
  readonly value: number;
  /** Where the value comes from. */
  readonly source: string;
}

const SIZING = 'docs/operations.md, Sizing: two regions on Fabric 3.1';
const PROCESSORS = `${SIZING}, processor time a question at ten at once, block cut 10 and 100 ms`;

/**
 * Costs as documented, before anything is measured where the simulator runs. Of a question that is answered alone in its block peers
 * take 144 ms, contract servers 75, proxies 52, relays 42 and orderers 11; of one that shares its block 228 ms in all.
 */
const DOCUMENTED = {
  /** A relay takes a question in and looks the patient up. */
  questionMs: { value: 42, source: PROCESSORS },
  /** One side's work for an envelope between relays: enqueue, pick up, sign or verify. */
  envelopeMs: { value: 6, source: 'half of the relays’ overhead of 12 ms that the analytic model assumes' },
  /** A peer and its contract server simulate and sign a transaction. */
  endorseMs: {
    value: 49,
    source: `${PROCESSORS}: half of the contract servers’ 75, and 12 of the peers’ by subtraction`,
  },
  /** An orderer takes a transaction. */
  orderMs: { value: 2, source: `${PROCESSORS}: of the orderers’ 11, divided as the peers’ are (assumption)` },
  /** An orderer writes a block. */
  orderBlockMs: { value: 9, source: `${PROCESSORS}: of the orderers’ 11, divided as the peers’ are (assumption)` },
  /** A peer validates a transaction of a block. */
  validateMs: { value: 7, source: `${PROCESSORS}: what the peers’ 144 leave, by subtraction` },
  /** A peer validates and writes a block, besides its transactions. */
  validateBlockMs: { value: 35, source: `${PROCESSORS}: 331 less 228, a peer of three` },
  /** A proxy checks a decision again, re-encrypts and seals. */
  reencryptMs: { value: 17, source: `${PROCESSORS}: a proxy of three` },
  /** A central index answers a look-up or takes an entry. */
  registryMs: { value: 1, source: 'assumption: one indexed read behind one HTTP call' },
  /** The doctor’s software verifies and opens a record, on the doctor’s own machine. */
  openMs: { value: 8, source: 'the analytic model’s term for re-encryption and opening, all of it given to opening' },
  /** No processor’s: queues polled, files synced, of every query at its own relay. */
  waitingMs: { value: 0, source: 'none until measured' },
  /** As `waitingMs`, of a question that one relay puts to another, on both sides. */
  legWaitingMs: { value: 0, source: 'none until measured' },
  decisionBytes: { value: 15_000, source: `${SIZING}: home region’s chain` },
  askBytes: { value: 8_000, source: `${SIZING}: of the asking chain’s 35 kB what is not the outcome (assumption)` },
  mirrorBytes: {
    value: 27_000,
    source: `${SIZING}: of the asking chain’s 35 kB the outcome with its proof (assumption)`,
  },
  checkpointBytes: { value: 8_800, source: `${SIZING}: 7 kB for 0.8 of a transaction` },
  publicationBytes: {
    value: 3_500,
    source: 'a Fabric transaction: 1 kB and 1 kB for each endorsement, with its arguments',
  },
  announcementBytes: { value: 15_000, source: 'assumption: as a decision, whose proof it carries' },
  /** Of the index’s state: key with pseudonym and region, value with region and time, version. */
  indexEntryBytes: { value: 150, source: 'counted: key 65, value 45, version and framing 40 (assumption)' },
  envelopeBytes: { value: 4_000, source: 'assumption: a signed request with certificates' },
  answerBytes: { value: 30_000, source: 'assumption: an outcome with its proof, headers and sealed shares' },
  /** A peer’s disk for each byte of its chain. */
  diskPerChainByte: { value: 1.2, source: SIZING },
} as const satisfies Record<string, Cost>;

export type CostName = keyof typeof DOCUMENTED;
export type Costs = Readonly<Record<CostName, number>>;

const NAMES = Object.keys(DOCUMENTED) as CostName[];

export const DOCUMENTED_COSTS: Costs = Object.freeze(
  Object.fromEntries(NAMES.map((name) => [name, DOCUMENTED[name].value])) as Record<CostName, number>,
);

export const COST_SOURCES: Readonly<Record<CostName, string>> = Object.freeze(
  Object.fromEntries(NAMES.map((name) => [name, DOCUMENTED[name].source])) as Record<CostName, string>,
);

/** Costs that are processor time of the federation’s machines. */
export const PROCESSOR_COSTS = [
  'questionMs',
  'envelopeMs',
  'endorseMs',
  'orderMs',
  'orderBlockMs',
  'validateMs',
  'validateBlockMs',
  'reencryptMs',
  'registryMs',
  'openMs',
] as const satisfies readonly CostName[];
