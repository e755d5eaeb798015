import { parseArgs } from 'node:util';
import { wasmGroup } from '../src/group-wasm.ts';
import { Cases } from './differential.ts';

/**
 * Compares the kernel with noble on a million cases, some minutes: `node kernel/fuzz.ts --seed anything --cases 1000000`.
 * One case in sixteen is checked by noble itself, the others by the kernel's public arithmetic, which noble checks too.
 */

const { values } = parseArgs({
  options: { seed: { type: 'string', default: `${Date.now()}` }, cases: { type: 'string', default: '1000000' } },
});
const group = wasmGroup();
if (group === undefined) throw new Error('WebAssembly does not run here');
const cases = new Cases(group, values.seed);
const total = Number(values.cases);
console.log(`seed ${values.seed}`);
for (let done = 0; done < total; done++) {
  const byNoble = done % 16 === 0;
  if (done % 997 === 0) cases.prepare();
  const kind = done % 7;
  if (kind === 0) cases.multiply(byNoble);
  else if (kind === 1) cases.combine(byNoble);
  else if (kind === 2) cases.vanishes();
  else if (kind === 3) cases.add(byNoble);
  else if (kind === 4) cases.decode();
  else if (kind === 5) cases.scalars();
  else if (byNoble) cases.signatures();
  else cases.verify();
}
console.log(`${total} cases agree`);
