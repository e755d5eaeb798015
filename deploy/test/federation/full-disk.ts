import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { answer, ask, ONCE, outcomes } from '../fixture/queries.ts';
import { SmallDisk } from '../fixture/small-disk.ts';
import { halt, living, type World } from '../fixture/world.ts';

const SLOW_MS = 60_000;
const CLEAR = /^(DISK_FULL|LEDGER_UNAVAILABLE|ATTESTATIONS_MISSING|QUEUE_UNAVAILABLE)$/;
const canMount = SmallDisk.isPossible();

/** No room is left, for a federation that runs or for who opens documents. */
export function fullDisk(world: () => World): void {
  it.skipIf(!canMount)(
    'refuses with a clear code what finds no room, loses nothing it took before, and goes on when there is room (skipped where no disk can be mounted)',
    { timeout: SLOW_MS },
    async () => {
      const actors = await world().actors();
      const { practitioner } = await actors.doctor('li');
      const before = await world().everybody();
      using chain = halt(await world().process('region-a/chain'));
      const asked = await ask(actors, practitioner);
      {
        using _ = world().disk?.fill();
        chain[Symbol.dispose]();
        const files = [join(world().path('opened'), 'dossier.json')];
        const refusals = Promise.all(
          [
            ['publish', ...files, '--patient', 'bob', '--hospital', 'HospitalA1', '--scope', 'encounter'],
            ['grant', '--patient', 'bob', '--doctor', 'li'],
            ['request', '--doctor', 'li', '--patient', 'alice'],
            ['enrol', 'doctor', 'zhao', '--hospital', 'HospitalA1', '--title', 'Dr Zhao'],
          ].map((args) => world().terminal.refusal(args)),
        );
        await expect(ask(actors, practitioner)).rejects.toMatchObject({ code: expect.stringMatching(CLEAR) as string });
        for (const { exitCode, code } of await refusals)
          expect([exitCode, code]).toEqual([1, expect.stringMatching(CLEAR)]);
        expect(await actors.relay('region-b').status(asked.requestId)).toMatchObject({ final: false });
        expect(living(before)).toHaveLength(before.length);
      }
      const next = await ask(actors, practitioner);
      const ended = await Promise.all([asked, next].map((each) => answer(actors, practitioner, each)));
      expect(await outcomes(actors, ended)).toEqual([ONCE, ONCE]);
      await world().terminal.json(['grant', '--patient', 'bob', '--doctor', 'li']);
    },
  );

  it.skipIf(!canMount)(
    'opens no document by halves on a full disk (skipped where no disk can be mounted)',
    { timeout: SLOW_MS },
    async () => {
      const out = world().path('small');
      await mkdir(out);
      using _ = new SmallDisk(out, 128);
      const [requestId = ''] = world().story.requests;
      expect(await world().terminal.refusal(['open', requestId, '--out', out])).toMatchObject({
        exitCode: 1,
        code: 'DISK_FULL',
      });
      const whole = world().path('opened');
      const files = await readdir(out);
      expect(files.length).toBeLessThan((await readdir(whole)).length - 1);
      for (const file of files) expect(await readFile(join(out, file))).toEqual(await readFile(join(whole, file)));
    },
  );
}
