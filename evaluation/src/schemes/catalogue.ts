import type { Role, Scheme } from '../results.ts';
import {
  broadcast,
  federation,
  type Levers,
  multiChannel,
  national,
  nationalThin,
  organisationsOf,
  type Spread,
  type Topology,
} from './topology.ts';

/** What a report says of a scheme. */
export interface Description extends Pick<Scheme, 'title' | 'titleZh' | 'about' | 'aboutZh'> {
  readonly role: Role;
  /** Counts of organisations, and of copies, for so many regions; {@link Scheme} says of what. */
  readonly exposure: (regions: number) => Pick<Scheme, 'metadataReaders' | 'queryWitnesses' | 'copies'>;
}

/** A scheme as it can be built of chains. */
export interface ChainScheme extends Description {
  readonly topology: (spread: Spread) => Topology;
  readonly levers: Levers;
}

/** Of a region. */
const OWN = organisationsOf('region-a').length;
/** The main chain's. */
export const AUTHORITIES = 4;

const inOneRegion = () => ({ metadataReaders: OWN, queryWitnesses: 2 * OWN, copies: 1 });
const everywhere = (regions: number) => ({
  metadataReaders: OWN * regions,
  queryWitnesses: OWN * regions,
  copies: regions,
});

function ablation(words: Pick<ChainScheme, 'title' | 'titleZh' | 'about' | 'aboutZh'>, levers: Levers): ChainScheme {
  return {
    role: 'ablation',
    ...words,
    exposure: inOneRegion,
    topology: (spread) => federation(spread, levers),
    levers,
  };
}

export const NO_CHAIN: Description = {
  role: 'floor',
  title: 'No chain',
  titleZh: '无链',
  about:
    'The doctor asks the home hospital, which has its own list of grants and its own signed log, on its disk before it releases; fragments are used in its process.',
  aboutZh: '医生直接向归属医院请求；医院自有授权名单与签名日志，先落盘再放行，重加密在其进程内完成。',
  exposure: () => ({ metadataReaders: 1, queryWitnesses: 2, copies: 0 }),
};

export const CHAIN_SCHEMES: Readonly<Record<string, ChainScheme>> = {
  federation: {
    role: 'ours',
    title: 'Federation',
    titleZh: '区域联邦',
    about:
      'A chain in every region and a main chain that every region has a view of; a question leaves its region as soon as the orderer has it.',
    aboutZh: '每个区域一条链，另有一条各区域均持有视图的主链；请求在排序节点接收后立即发出。',
    exposure: inOneRegion,
    topology: (spread) => federation(spread, {}),
    levers: {},
  },
  national: {
    role: 'rival',
    title: 'National chain',
    titleZh: '全国一条链',
    about:
      'One chain with all organisations, their peers at their places, orderers everywhere with the leader at the capital; two organisations of any one place endorse.',
    aboutZh: '全部机构共用一条链，节点在各地，排序节点遍布各地、主节点在首都；任一地点的两个机构背书即可。',
    exposure: everywhere,
    topology: (spread) => national(spread, { remoteEndorser: false }),
    levers: {},
  },
  'national-remote': {
    role: 'rival',
    title: 'National chain, endorsed by two places',
    titleZh: '全国一条链，两地背书',
    about: 'As the national chain, but organisations of two places must endorse.',
    aboutZh: '与全国一条链相同，但须由两个地点的机构背书。',
    exposure: everywhere,
    topology: (spread) => national(spread, { remoteEndorser: true }),
    levers: {},
  },
  'national-thin': {
    role: 'rival',
    title: 'National chain at the capital',
    titleZh: '首都集中的全国链',
    about:
      'One chain whose peers, orderers, relay and proxies are all at the capital; doctors and vaults are at their places.',
    aboutZh: '一条链，节点、排序、中继与代理均在首都；医生与密文库在各地。',
    exposure: (regions) => ({ ...everywhere(regions), copies: 1 }),
    topology: nationalThin,
    levers: {},
  },
  broadcast: {
    role: 'rival',
    title: 'Broadcast',
    titleZh: '广播',
    about: 'Regional chains without an index: every region is asked at once, and the first proven release is taken.',
    aboutZh: '各区域链而无索引：同时询问所有区域，取最先到达的已证明的放行。',
    exposure: (regions) => ({ ...inOneRegion(), queryWitnesses: OWN * regions }),
    topology: broadcast,
    levers: {},
  },
  'central-index': {
    role: 'rival',
    title: 'Central index',
    titleZh: '中心索引',
    about: 'Regional chains and one index server at the capital, which every question asks first.',
    aboutZh: '各区域链，首都设一台索引服务器，每次请求先查询它。',
    exposure: () => ({ ...inOneRegion(), queryWitnesses: 2 * OWN + 1 }),
    topology: (spread) => federation(spread, { remoteIndex: true }),
    levers: {},
  },
  'multi-channel': {
    role: 'rival',
    title: 'One network, a channel for each region',
    titleZh: '一个网络，每区域一个通道',
    about:
      'Doctors are registered on every channel and use the home’s directly, by a relay and a peer of it at their own place; the home’s organisations endorse and order.',
    aboutZh: '医生在每个通道上注册，经本地的中继与节点直接使用归属地通道；由归属地机构背书与排序。',
    exposure: (regions) => ({
      metadataReaders: OWN + regions - 1,
      queryWitnesses: OWN + regions - 1,
      copies: regions,
    }),
    topology: multiChannel,
    levers: {},
  },
  'federation-naive': ablation(
    {
      title: 'Federation, one step after the other',
      titleZh: '联邦，逐步串行',
      about:
        'The index is read at the capital, the own chain commits, then the main chain commits a receipt, then the home commits, then the body is fetched.',
      aboutZh: '先到首都读索引，本区域链提交，再由主链提交收据，再由归属链提交，最后取密文。',
    },
    { sequential: true, receiptOnMain: true, remoteIndex: true, fetchedBodies: true },
  ),
  'federation-sequential': ablation(
    {
      title: 'Federation, commits in sequence',
      titleZh: '联邦，依次提交',
      about:
        'The index is read at the capital, and a question leaves its region only when the own chain has committed it.',
      aboutZh: '先到首都读索引，本区域链提交之后，请求才发出。',
    },
    { sequential: true, remoteIndex: true },
  ),
  'federation-remote-index': ablation(
    {
      title: 'Federation without views of the main chain',
      titleZh: '联邦，无主链视图',
      about: 'The main chain is read at the capital.',
      aboutZh: '主链在首都读取。',
    },
    { remoteIndex: true },
  ),
  'federation-fetched-bodies': ablation(
    {
      title: 'Federation, bodies fetched',
      titleZh: '联邦，密文另取',
      about: 'Small bodies do not ride along with the answer.',
      aboutZh: '小的密文不随答复送达。',
    },
    { fetchedBodies: true },
  ),
  'federation-cold-connections': ablation(
    {
      title: 'Federation, cold connections',
      titleZh: '联邦，不保持连接',
      about: 'Every call between places opens a connection of its own.',
      aboutZh: '地点之间的每次调用都新建连接。',
    },
    { coldConnections: true },
  ),
};
