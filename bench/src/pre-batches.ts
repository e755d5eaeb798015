import * as pre from '@yilian/pre';
import type { PreWorkers } from '@yilian/pre/workers';
import { type Operations, SHARES, THRESHOLD } from './pre-operations.ts';

const SIZES = [16, 200];

/** A patient's history at the proxy and at the receiver, in one call and in threads, on a grant of 2 of 3. */
export function batchOperations(workers: PreWorkers): Operations {
  const owner = pre.SecretKey.random();
  const receivingKey = pre.SecretKey.random();
  const signer = new pre.Signer(pre.SecretKey.random());
  const delegatingKey = owner.publicKey();
  const receiver = { receivingKey, delegatingKey, verifyingKey: signer.verifyingKey() };
  const kfrags = pre
    .generateKfrags({
      delegatingKey: owner,
      receivingKey: receivingKey.publicKey(),
      signer,
      threshold: THRESHOLD,
      shares: SHARES,
    })
    .slice(0, THRESHOLD);
  const [kfrag] = kfrags as [pre.VerifiedKeyFrag];
  const history = Array.from({ length: Math.max(...SIZES) }, () => {
    const { capsule, key } = pre.encapsulate(delegatingKey);
    return { capsule, key, cfrags: kfrags.map((share) => pre.reencrypt(capsule, share).toBytes()) };
  });
  const check = (opened: readonly pre.Decapsulated[]) => {
    for (const [at, { key }] of opened.entries())
      if (key instanceof Error || key.some((byte, index) => byte !== history[at]?.key[index]))
        throw new Error('the key came out wrong');
  };
  return Object.fromEntries(
    SIZES.flatMap((per): [string, Operations[string]][] => {
      const items = history.slice(0, per);
      const capsules = items.map(({ capsule }) => capsule);
      const here: [string, Operations[string]][] = [
        [`reencrypt ${per} at once, each`, { per, run: () => pre.reencryptAll(capsules, kfrag) }],
        [`open ${per} at once, each`, { per, run: () => check(pre.decapsulateAll({ ...receiver, items })) }],
      ];
      // Small batches are not given to threads.
      if (per !== Math.max(...SIZES)) return here;
      return [
        ...here,
        [`reencrypt ${per} in threads, each`, { per, run: () => workers.reencryptAll(capsules, kfrag) }],
        [
          `open ${per} in threads, each`,
          { per, run: async () => check(await workers.decapsulateAll({ ...receiver, items })) },
        ],
      ];
    }),
  );
}
