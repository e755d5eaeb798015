import { parentPort } from 'node:worker_threads';
import { preOperations, timed } from './pre-operations.ts';

/** The package as it is where there is no WebAssembly; times an operation whenever it is told to. */
Reflect.deleteProperty(globalThis, 'WebAssembly');
const operations = preOperations(await import('@yilian/pre'));
parentPort?.on('message', ({ name, sliceMs }: { readonly name: string; readonly sliceMs: number }) => {
  void timed(operations, name, sliceMs).then((us) => parentPort?.postMessage(us));
});
