import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { type Authority, createAuthority } from '../src/ca.ts';
import { type EmbeddedConfig, type EmbeddedNode, type FollowerNode, openEmbedded } from '../src/embedded/index.ts';
import { CHANNEL, clientOf, gatewayOf } from './fixture/embedded.ts';
import { CONFIG, eventually, follow } from './fixture/follower.ts';

/** An organisation in which one intermediate takes the place of another. */
function replacing(names: readonly [string, string] = ['former', 'next']) {
  const root = createAuthority({ mspId: 'DMSP', organisation: 'embedded' });
  const [former, next] = names.map((commonName) => root.intermediate({ commonName }));
  const peer = next!.issue({ commonName: 'peer', role: 'peer' });
  const config = (...authorities: readonly Authority[]): EmbeddedConfig => {
    const intermediates = authorities.flatMap((each) => each.intermediates);
    const organisations = [...CONFIG.organisations, { mspId: 'DMSP', roots: [root.rootPem], intermediates, peer }];
    return { ...CONFIG, organisations };
  };
  const [gone, staying] = [former!, next!].map((authority) => clientOf('DMSP', {}, authority));
  return { root, former: former!, next: next!, config, gone: gone!, staying: staying! };
}

type Client = ReturnType<typeof clientOf>;

function put(node: EmbeddedNode | FollowerNode, who: Client): Promise<string> {
  const contract = gatewayOf(node.client(), who).getNetwork(CHANNEL).getContract('records');
  return contract.submitTransaction('put', 'a', '1').then(
    () => 'committed',
    (error: unknown) => (error as Error).name,
  );
}

it('an intermediate that the root revokes goes with its list, for a follower that knows the roots alone and after a restart', async () => {
  const { root, former, next, config, gone, staying } = replacing();
  const folder = mkdtempSync(join(tmpdir(), 'intermediate-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const node = await openEmbedded(config(former, next), { folder });
  await using follower = await follow(node.client(), {}, config(former, next));
  await follower.caughtUp();
  expect([await put(node, gone), await put(follower, staying)]).toEqual(['committed', 'committed']);
  const lost = clientOf('DMSP', {}, former);
  former.revoke(Buffer.from(lost.identity.credentials).toString());
  node.updateOrganisation({ mspId: 'DMSP', crls: [former.crl()] });
  expect([await put(node, lost), await put(node, gone)]).toEqual(['EndorseError', 'committed']);
  root.revoke(former.intermediates[0] ?? '');
  const crls = [root.crl()];
  // As long as it is listed it cannot be revoked.
  expect(() => node.updateOrganisation({ mspId: 'DMSP', crls })).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID' }),
  );
  node.updateOrganisation({ mspId: 'DMSP', crls, intermediates: next.intermediates });
  expect([await put(node, gone), await put(node, staying)]).toEqual(['EndorseError', 'committed']);
  await eventually(() => expect(follower.height()).toBe(node.height()));
  expect(follower.fault()).toBeUndefined();
  await node.close();
  await expect(openEmbedded(config(former, next), { folder })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  const again = await openEmbedded(config(next), { folder });
  expect([await put(again, gone), await put(again, staying)]).toEqual(['EndorseError', 'committed']);
  await again.close();
});

it('an intermediate that nobody revoked does not take its revocation list along', async () => {
  const { former, next, config, gone } = replacing();
  const node = await openEmbedded(config(former, next), { folder: ':memory:' });
  await using follower = await follow(node.client(), {}, config(former, next));
  former.revoke(Buffer.from(gone.identity.credentials).toString());
  const height = node.height();
  node.updateOrganisation({ mspId: 'DMSP', crls: [former.crl()] });
  await eventually(() => expect(follower.height()).toBe(height + 1));
  node.updateOrganisation({ mspId: 'DMSP', crls: [], intermediates: next.intermediates });
  await eventually(() => expect(follower.fault()?.message).toContain('revocation list of DMSP is taken back'));
  await node.close();
});

it('an intermediate that was revoked does not take the list of a namesake along', async () => {
  const { root, former, next, config, staying } = replacing(['sub', 'sub']);
  const node = await openEmbedded(config(former, next), { folder: ':memory:' });
  await using follower = await follow(node.client(), {}, config(former, next));
  next.revoke(Buffer.from(staying.identity.credentials).toString());
  const height = node.height();
  node.updateOrganisation({ mspId: 'DMSP', crls: [next.crl()] });
  await eventually(() => expect(follower.height()).toBe(height + 1));
  root.revoke(former.intermediates[0] ?? '');
  node.updateOrganisation({ mspId: 'DMSP', crls: [root.crl()], intermediates: next.intermediates });
  await eventually(() => expect(follower.fault()?.message).toContain('revocation list of DMSP is taken back'));
  await node.close();
});
