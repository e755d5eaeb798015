import type { PredictedCrossover } from '../model.ts';
import type { Crossover, EngineName, Kind, Metric, Role, Temperature, Verdict } from '../results.ts';
import { count, milliseconds, percent, short, signedPercent } from './format.ts';
import type { Text } from './markup.ts';
import { isSettled, type Shared } from './view.ts';

/** What each engine leaves out, and whose processor time is counted. */
export const ENGINES: Readonly<Record<EngineName, Text>> = {
  embedded: {
    zh: '嵌入式引擎：每个区块只验证一次，真实节点会各自验证，这一点对竞争方案有利。处理器时间是运行进程自身的。',
    en: 'Embedded engine: a block is validated once, where real peers each validate it; this favours the rivals. Processor time is that of the run’s own process.',
  },
  fabric: {
    zh: 'Hyperledger Fabric，距离加在客户端接口上：同一条链的各节点与排序节点本身都在一台机器上。处理器时间包括运行进程与 Fabric 的全部进程，也包括它们在无人请求时所用的。',
    en: 'Hyperledger Fabric, distance put at the client’s interface: peers and orderers of one chain themselves are on one machine. Processor time is that of the run’s own process and of all of Fabric’s, with what these take when nobody asks.',
  },
};

/** Every word of the report in both languages; titles of schemes and simulations come with the evaluation. */
export const TEXTS = {
  title: { zh: '医链评估报告', en: 'Yilian evaluation' },
  kicker: { zh: '联邦与其他拓扑的对照测量', en: 'The federation measured beside other topologies' },
  lead: {
    zh: '同样的合约、代理、密文库和客户端，只改变拓扑。横轴始终是“留在本区域内的查询占比”：全部跨区域为 0 %，全部在本区域为 100 %。',
    en: 'The same contracts, proxies, vault and client; only the topology differs. The question is always at which share of queries that stay inside their region one scheme overtakes the other: 0 % means all cross, 100 % all stay.',
  },
  contents: { zh: '目录', en: 'Contents' },
  language: { zh: '语言', en: 'Language' },
  metric: { zh: '指标', en: 'Metric' },

  answer: { zh: '结论', en: 'The answer' },
  primary: { zh: '测量前指定的主要比较', en: 'Primary comparison, named before anything was measured' },
  noCrossovers: {
    zh: '本次评估没有任何比较，因此没有结论。',
    en: 'This evaluation holds no comparison, so it has no answer.',
  },
  noPrimary: {
    zh: '主要比较没有结果：预先指定的这一对方案未被比较。',
    en: 'The primary comparison has no result: the pair named beforehand was not compared.',
  },
  others: { zh: '相同条件下的其他比较', en: 'The other comparisons under the same conditions' },
  everyComparison: { zh: '全部条件、全部指标的比较', en: 'Every comparison, all conditions and metrics' },
  tally: {
    zh: '全部比较的结局',
    en: 'How all comparisons ended',
  },
  ahead: { zh: '领先', en: 'ahead' },
  behind: { zh: '落后', en: 'behind' },
  undecided: { zh: '未定', en: 'undecided' },
  interval95: { zh: '95 % 区间', en: '95 % interval' },
  intraShare: { zh: '留在本区域内的查询占比', en: 'share of queries that stay in their region' },
  ends: { zh: '两端的均值', en: 'Means at both ends' },
  resamplesAgree: { zh: '重抽样一致', en: 'resamples agree' },

  latency: { zh: '延迟与本区域占比', en: 'Latency against the share that stays' },
  latencyAbout: {
    zh: '点是实测混合比例，竖线和色带是 95 % 区间；竖向灰带是 p* 及其区间。上缘的细条表示哪一方领先。均值图中的虚线是两端之间的直线，点偏离它即为排队耦合。各小图纵轴各自独立。',
    en: 'Points are measured mixtures, bars and bands their 95 % intervals; the grey vertical band is p* with its interval. The strip along the top says who is ahead. In the view of means the dashed line joins the two ends: points off it show how queues couple the classes. Each panel has its own scale.',
  },
  latencyAxis: { zh: '毫秒', en: 'ms' },
  shareAxis: { zh: '本区域占比', en: 'intra share' },
  alwaysAhead: { zh: '全程领先', en: 'ahead throughout' },
  neverAhead: { zh: '从不领先', en: 'ahead nowhere' },
  noInterval: { zh: '无区间', en: 'no interval' },
  otherConditions: { zh: '其他条件', en: 'Other conditions' },
  tooFew: {
    zh: '空心点：样本不足或带有标记，仅供参考。',
    en: 'Hollow points: too few samples or another flag; read with care.',
  },
  voidLegend: { zh: '× 作废的单元，不计入任何数字', en: '× a void cell, counted nowhere' },

  distance: { zh: 'p* 与距离', en: 'p* against distance' },
  distanceAbout: {
    zh: '每一列是一个区域间往返时间。蓝色是联邦领先的占比范围，橙色是落后的范围，交界处是 p* 与 95 % 区间。没有交点时整列一色；灰色斜纹表示重抽样意见不一，不给数字。空心菱形是分析模型。',
    en: 'Each column is a round trip between regions. Blue is where the first scheme is ahead, orange where it is behind; their border is p* with its 95 % interval. Where there is no crossing the column has one colour; a hatched one means that resamples disagree and there is no number. Hollow diamonds are the analytic model.',
  },
  rttAxis: { zh: '区域间往返，毫秒', en: 'round trip between regions, ms' },

  phases: { zh: '时间花在哪里', en: 'Where the time goes' },
  phasesAbout: {
    zh: '各阶段均值按发生顺序首尾相接；每个方案取最纯的单元（全部本区域或全部跨区域），横轴一致。',
    en: 'Mean of each phase, one after the other in the order they happen; for each scheme the purest cell (all intra, all cross), on one scale for all.',
  },
  noSoundCells: { zh: '没有有效的单元。', en: 'No sound cell.' },
  noPhases: { zh: '没有可用的阶段数据。', en: 'No phases from a sound cell.' },

  distribution: { zh: '延迟分布', en: 'How latencies are distributed' },
  distributionAbout: {
    zh: '累积分布，横轴为对数。实线是本区域查询，虚线是跨区域查询；灰线是联邦，供对照。',
    en: 'Cumulative, over a logarithmic axis. Solid lines are intra queries, dashed ones cross; the grey lines are the federation, for comparison.',
  },
  cumulativeAxis: { zh: '已应答', en: 'answered' },

  costs: { zh: '每次查询的代价', en: 'What one query costs' },
  costsAbout: {
    zh: '每个方案两端的代价：菱形是测得的最低本区域占比（多为跨区域），圆点是最高占比。',
    en: 'For each scheme at the lowest (diamond) and at the highest (circle) share of queries that stay that was measured.',
  },
  bytesBetween: { zh: '区域之间传输', en: 'Moved between regions' },
  bytesWithin: { zh: '区域之内传输', en: 'Moved within regions' },
  chainBytes: { zh: '链增长（所有链，各一份）', en: 'Growth of the chains (all, one copy each)' },
  cpuMs: { zh: '处理器时间', en: 'Processor time' },

  exposure: { zh: '谁能看见什么', en: 'Who could see what' },
  exposureAbout: {
    zh: '更快的方案也可能让更多机构看见患者的元数据。每一格是一家机构。',
    en: 'A scheme may be faster and still show a patient’s metadata to more organisations. One box is one organisation.',
  },
  metadataReaders: { zh: '能读元数据的机构', en: 'Can read metadata' },
  queryWitnesses: { zh: '得知发生过查询的机构', en: 'Learn of a query' },
  copies: { zh: '元数据份数', en: 'Copies of metadata' },

  simulation: { zh: '模拟：超出本机的规模', en: 'Simulated: beyond this machine' },
  simulationAbout: {
    zh: '离散事件模拟以实测成本为输入；它不是测量。实线是均值，虚线是 p99。',
    en: 'A discrete-event simulation fed with measured costs; it is not a measurement. Solid lines are means, dashed ones p99.',
  },
  noSimulations: { zh: '本次评估没有模拟。', en: 'No simulation in this evaluation.' },
  validation: { zh: '模拟与实测的误差', en: 'Simulator beside measured cells' },
  noValidations: { zh: '没有与实测单元对照过。', en: 'Not compared with any measured cell.' },
  patients: { zh: '患者', en: 'Patients' },
  machines: { zh: '机器', en: 'Machines' },
  disk: { zh: '每年磁盘', en: 'Disk a year' },
  index: { zh: '索引', en: 'Index' },
  utilisation: { zh: '最忙者利用率', en: 'Utilisation' },
  simulated: { zh: '模拟', en: 'Simulated' },
  error: { zh: '误差', en: 'Error' },
  kind: { zh: '查询', en: 'Queries' },
  fittedTo: { zh: '用于校准', en: 'costs come from it' },

  model: { zh: '分析模型与实测', en: 'Model beside measurement' },
  modelAbout: {
    zh: '差异最大的在前。左图中落在对角线上即为吻合。',
    en: 'Largest differences first. In the drawing, what lies on the diagonal agrees.',
  },
  noModel: { zh: '没有带模型预测的有效单元。', en: 'No sound cell carries a prediction.' },
  measured: { zh: '实测', en: 'Measured' },
  predicted: { zh: '模型', en: 'Model' },
  difference: { zh: '差异', en: 'Difference' },
  otherSchemes: { zh: '其他方案', en: 'other schemes' },
  setting: { zh: '规模', en: 'Setting' },
  everyRun: { zh: '全部模拟', en: 'Every simulation' },
  furtherCells: { zh: '其余单元', en: 'The other cells' },
  measuredAxis: { zh: '实测均值，毫秒', en: 'measured mean, ms' },
  predictedAxis: { zh: '模型，毫秒', en: 'model, ms' },

  whatIf: { zh: '如果……', en: 'What if' },
  whatIfAbout: {
    zh: '分析模型（均值；除广播外不计负载），以本次实测的各项耗时为参数，未测的项取其假定值。滑块改变条件；区域数、往返与出块等待同某组实测一致时，实测点会一并画出。',
    en: 'The analytic model (means; load only in broadcast) with the terms measured here, and the assumed ones where a term was not measured. Sliders change the conditions; where regions, round trip and cut equal measured ones, the measured points are drawn too.',
  },
  nothingMeasured: {
    zh: '没有在这些条件下测量过；只有模型。',
    en: 'Nothing was measured under these conditions; this is the model alone.',
  },
  measuredToo: {
    zh: '线是模型，点是相同区域数、往返与出块等待下的实测。',
    en: 'Lines are the model; points were measured with the same regions, round trip and cut.',
  },
  noWhatIf: {
    zh: '模型不认识本次评估的方案。',
    en: 'The model does not know the schemes of this evaluation.',
  },
  needsScript: {
    zh: '滑块需要脚本；下图为主要条件。',
    en: 'Sliders need a script; the drawing shows the primary conditions.',
  },

  environment: { zh: '环境与复现', en: 'Environment, and how to repeat it' },
  engine: { zh: '引擎', en: 'Engine' },
  network: { zh: '网络', en: 'Network' },
  seed: { zh: '种子', en: 'Seed' },
  started: { zh: '开始', en: 'Started' },
  ended: { zh: '结束', en: 'Ended' },
  machine: { zh: '机器', en: 'Machine' },
  versions: { zh: '版本', en: 'Versions' },
  command: { zh: '复现命令', en: 'The command that repeats it' },
  terms: { zh: '模型各项（实测）', en: 'Terms of the model, as measured' },
  calibration: { zh: '网络校准', en: 'Calibration of the network' },
  noCalibration: { zh: '没有校准记录。', en: 'No calibration was recorded.' },
  from: { zh: '从', en: 'From' },
  to: { zh: '到', en: 'To' },
  asked: { zh: '要求', en: 'Asked' },
  before: { zh: '之前', en: 'Before' },
  after: { zh: '之后', en: 'After' },
  throughput: { zh: '吞吐', en: 'Throughput' },
  marks: { zh: '作废与带标记的单元', en: 'Void and flagged cells' },
  noMarks: { zh: '没有单元作废或被标记。', en: 'No cell is void or flagged.' },
  voidCell: { zh: '作废', en: 'void' },
  flaggedCell: { zh: '标记', en: 'flag' },

  scheme: { zh: '方案', en: 'Scheme' },
  against: { zh: '对照', en: 'Against' },
  conditions: { zh: '条件', en: 'Conditions' },
  verdict: { zh: '结局', en: 'Verdict' },
  cell: { zh: '单元', en: 'Cell' },
  reason: { zh: '原因', en: 'Reason' },
  weight: { zh: '性质', en: 'Weight' },
  share: { zh: '本区域', en: 'Intra' },
  regions: { zh: '区域', en: 'Regions' },
  roundTrip: { zh: '区域间往返', en: 'Round trip between regions' },
  rtt: { zh: '往返', en: 'Round trip' },
  cut: { zh: '出块等待', en: 'Cut' },
  rate: { zh: '查询/秒', en: 'Queries/s' },
  mean: { zh: '均值', en: 'Mean' },
  relay: { zh: '中继开销', en: 'Relay' },
  commit: { zh: '提交（不含出块等待）', en: 'Commit without cut' },
} as const satisfies Readonly<Record<string, Text>>;

export const METRICS: Readonly<Record<Metric, Text>> = {
  mean: { zh: '均值', en: 'mean' },
  median: { zh: '中位数', en: 'median' },
  p99: { zh: 'p99', en: 'p99' },
  throughput: { zh: '吞吐', en: 'throughput' },
};

export const KINDS: Readonly<Record<Kind | 'all', Text>> = {
  intra: { zh: '本区域', en: 'intra' },
  cross: { zh: '跨区域', en: 'cross' },
  all: { zh: '混合', en: 'mixed' },
};

export const ROLES: Readonly<Record<Role | 'unknown', Text>> = {
  floor: { zh: '下限', en: 'floor' },
  rival: { zh: '对手', en: 'rival' },
  ours: { zh: '联邦', en: 'the federation' },
  ablation: { zh: '消融', en: 'ablation' },
  unknown: { zh: '未登记', en: 'not listed' },
};

export const VERDICTS: Readonly<Record<Verdict, Text>> = {
  always: { zh: '始终领先', en: 'ahead at every share' },
  above: { zh: 'p* 以上领先', en: 'ahead above p*' },
  never: { zh: '从不领先', en: 'ahead at no share' },
  below: { zh: '仅 p* 以下领先', en: 'ahead only below p*' },
};

const TEMPERATURES: Readonly<Record<Temperature, Text>> = {
  cold: { zh: '首次查询', en: 'first queries' },
  warm: { zh: '重复查询', en: 'repeated queries' },
};

/** What is better by a metric, and what is worse. */
const COMPARED: Readonly<Record<Metric, { readonly win: Text; readonly lose: Text }>> = {
  mean: { win: { zh: '平均延迟更低', en: 'faster on average' }, lose: { zh: '平均延迟更高', en: 'slower on average' } },
  median: {
    win: { zh: '中位延迟更低', en: 'faster in the median' },
    lose: { zh: '中位延迟更高', en: 'slower in the median' },
  },
  p99: {
    win: { zh: '第 99 百分位延迟更低', en: 'faster at the 99th percentile' },
    lose: { zh: '第 99 百分位延迟更高', en: 'slower at the 99th percentile' },
  },
  throughput: {
    win: { zh: '用同样的处理器应答更多', en: 'able to answer more on the same processors' },
    lose: { zh: '用同样的处理器应答更少', en: 'able to answer less on the same processors' },
  },
};

/** The verdict of one comparison in a sentence that says where the scheme loses as plainly as where it wins. */
export function sentence(comparison: Crossover, scheme: Text, against: Text): Text {
  const { verdict, crossover, metric } = comparison;
  const { win, lose } = COMPARED[metric];
  if (verdict === 'always' && !isSettled(comparison))
    return {
      zh: `与${against.zh}相比，测得${scheme.zh}无论多少查询留在本区域都${win.zh}；但重抽样意见不一，尚无定论。`,
      en: `Beside ${against.en}, ${scheme.en} was measured ${win.en} at every share of queries that stay in their region; resamples disagree, so it is not settled.`,
    };
  if (verdict === 'never' && !isSettled(comparison))
    return {
      zh: `与${against.zh}相比，测得${scheme.zh}无论多少查询留在本区域都不会${win.zh}；但重抽样意见不一，尚无定论。`,
      en: `Beside ${against.en}, ${scheme.en} was measured ${win.en} at no share of queries that stay in their region; resamples disagree, so it is not settled.`,
    };
  if (verdict === 'always')
    return {
      zh: `与${against.zh}相比，无论多少查询留在本区域，${scheme.zh}始终${win.zh}。`,
      en: `Beside ${against.en}, ${scheme.en} is ${win.en} at every share of queries that stay in their region.`,
    };
  if (verdict === 'never')
    return {
      zh: `与${against.zh}相比，${scheme.zh}输了：无论多少查询留在本区域，都不会${win.zh}。`,
      en: `Beside ${against.en}, ${scheme.en} loses: at no share of queries that stay in their region is it ${win.en}.`,
    };
  const [under, over] = verdict === 'above' ? [lose, win] : [win, lose];
  if (crossover === undefined)
    return {
      zh: `与${against.zh}相比，${scheme.zh}在本区域占比较低时${under.zh}，较高时${over.zh}；重抽样意见不一，交点没有可靠的数字。`,
      en: `Beside ${against.en}, ${scheme.en} is ${under.en} while few queries stay in their region and ${over.en} when many do; resamples disagree, so the crossing has no sound number.`,
    };
  const at = percent(crossover.value);
  const range = `${percent(crossover.low)} – ${percent(crossover.high)}`;
  return {
    zh: `与${against.zh}相比，本区域占比超过 ${at}（95 % 区间 ${range}）时，${scheme.zh}${over.zh}；低于此值时${under.zh}。`,
    en: `Beside ${against.en}, ${scheme.en} is ${over.en} once more than ${at} of queries stay in their region (95 % interval ${range}), and ${under.en} below that.`,
  };
}

/** The verdict alone, with its number where there is one. */
export function brief(comparison: Crossover): Text {
  const { verdict, crossover } = comparison;
  const { zh, en } = VERDICTS[verdict];
  if (crossover === undefined) {
    const doubt = verdict === 'above' || verdict === 'below' || !isSettled(comparison);
    return { zh: doubt ? `${zh}，但重抽样意见不一` : zh, en: doubt ? `${en}, though resamples disagree` : en };
  }
  const at = `p* = ${percent(crossover.value)}`;
  const range = `${percent(crossover.low)} – ${percent(crossover.high)}`;
  return verdict === 'above'
    ? { zh: `${at} 以上领先（${range}）`, en: `ahead above ${at} (${range})` }
    : { zh: `仅 ${at} 以下领先（${range}）`, en: `ahead only below ${at} (${range})` };
}

/** Conditions in words; without a distance where it is what varies. */
export function conditionsText(conditions: Omit<Shared, 'rttMs'> & { readonly rttMs?: number | undefined }): Text {
  const { regions, rttMs, cutMs, temperature, perSecond, writesPerSecond, records } = conditions;
  const { zh, en } = TEMPERATURES[temperature];
  const distance = rttMs === undefined ? undefined : milliseconds(rttMs);
  return {
    zh: `${regions} 个区域，${distance === undefined ? '' : `往返 ${distance}，`}出块等待 ${milliseconds(cutMs)}，${zh}，每秒 ${short(perSecond)} 次查询、${short(writesPerSecond)} 次发布，链上 ${count(records)} 条记录`,
    en: `${regions} regions, ${distance === undefined ? '' : `round trip ${distance}, `}cut ${milliseconds(cutMs)}, ${en}, ${short(perSecond)} queries and ${short(writesPerSecond)} uploads a second, ${count(records)} records on chain`,
  };
}

/** Share of the resamples that came to this verdict. */
export function agreement({ verdict, verdicts, resamples }: Crossover): Text {
  const share = percent(verdicts[verdict] * 100);
  return {
    zh: `${count(resamples)} 次重抽样中 ${share} 得出此结论`,
    en: `${share} of ${count(resamples)} resamples say so`,
  };
}

export function extremes(what: Text, ends: { readonly zero: string; readonly full: string }): Text {
  return {
    zh: `${what.zh}：全部跨区域 ${ends.zero}，全部本区域 ${ends.full}`,
    en: `${what.en}: ${ends.zero} when all cross, ${ends.full} when all stay`,
  };
}

export function outOf(part: number, whole: number): Text {
  return { zh: `${count(whole)} 家中的 ${count(part)} 家`, en: `${count(part)} of ${count(whole)}` };
}

export function cellsCounted(cells: number, voids: number, flags: number): Text {
  return {
    zh: `共 ${count(cells)} 个单元：${count(voids)} 个作废，${count(flags)} 个带标记`,
    en: `${count(cells)} cells in all: ${count(voids)} void, ${count(flags)} flagged`,
  };
}

export function simulatedFor(regions: number, patients: number): Text {
  return {
    zh: `${count(regions)} 个区域，${count(patients)} 名患者`,
    en: `${count(regions)} regions, ${count(patients)} patients`,
  };
}

export function worst(error: number): Text {
  return {
    zh: `未用于校准的单元中最大误差 ${signedPercent(error)}`,
    en: `largest error, of cells that no cost comes from: ${signedPercent(error)}`,
  };
}

/** What the model says of one setting. */
export function modelSaid(
  scheme: Text,
  against: Text,
  said: {
    readonly percent: number;
    readonly ownMs: number;
    readonly otherMs: number;
    readonly lead: PredictedCrossover;
  },
): Text {
  const { verdict, percent: at } = said.lead;
  const crossing = at === undefined ? '' : `, p* = ${percent(at)}`;
  const [own, other] = [milliseconds(said.ownMs), milliseconds(said.otherMs)];
  return {
    zh: `本区域占比 ${percent(said.percent)} 时：${scheme.zh} ${own}，${against.zh} ${other}。${VERDICTS[verdict].zh}${crossing.replace(', ', '，')}。`,
    en: `With ${percent(said.percent)} staying: ${scheme.en} ${own}, ${against.en} ${other}. The first is ${VERDICTS[verdict].en}${crossing}.`,
  };
}
