import { type Binaries, FabricError, findBinaries } from '@yilian/fabric';
import { EvaluationError } from '../errors.ts';
import type { EngineName } from '../results.ts';
import type { ChainNode, NodePlan } from './chain-node.ts';
import { openEmbeddedNode } from './embedded-node.ts';
import { openFabricNodes } from './fabric-node.ts';

/** What chains run on. */
export interface Engine {
  readonly name: EngineName;
  /** Of what is no part of this project. */
  readonly version?: string;
  /** One node for each plan, in their order. @param where files may be put, and what ends it */
  open(
    plans: readonly NodePlan[],
    where: { readonly folder: string; readonly signal?: AbortSignal | undefined },
  ): Promise<ChainNode[]>;
}

/** @throws EvaluationError ENGINE_MISSING naming the programs that are not in `path`, which is spelled as in PATH */
export async function findEngine(name: EngineName, path = process.env['PATH']): Promise<Engine> {
  if (name === 'embedded') return { name, open: (plans) => Promise.all(plans.map(openEmbeddedNode)) };
  const binaries = await fabricIn(path);
  const { version } = binaries;
  return { name, version, open: (plans, where) => openFabricNodes(plans, { ...where, binaries }) };
}

async function fabricIn(path: string | undefined): Promise<Binaries> {
  try {
    return await findBinaries(path);
  } catch (cause) {
    if (cause instanceof FabricError) throw new EvaluationError('ENGINE_MISSING', cause.message, { cause });
    throw cause;
  }
}
