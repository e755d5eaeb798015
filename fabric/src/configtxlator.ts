import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Binaries } from './binaries.ts';
import { command } from './command.ts';

/** What a file of Protocol Buffers says, by way of a file in `work`. @throws FabricError FABRIC_COMMAND */
export async function decoded<T>(
  { configtxlator }: Binaries,
  type: string,
  file: string,
  work: string,
  signal?: AbortSignal,
): Promise<T> {
  const output = join(work, 'decoded.json');
  await command(configtxlator, ['proto_decode', '--type', type, '--input', file, '--output', output], { signal });
  return JSON.parse(await readFile(output, 'utf8')) as T;
}
