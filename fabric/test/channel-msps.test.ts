import { createAuthority } from '@yilian/ledger';
import { createMsp } from '@yilian/ledger/verify';
import { expect, it } from 'vitest';
import type { ChannelConfig } from '../src/channel-config.ts';
import { mspsOf } from '../src/channel-msps.ts';

const root = createAuthority({ mspId: 'BMSP' });
const sub = root.intermediate({ commonName: 'sub' });
const base64 = (pem: string) => Buffer.from(pem).toString('base64');
const unit = (role: string, certificate = '') => ({
  certificate,
  organizational_unit_identifier: role,
});
const units = (certificate?: string) => ({
  enable: true,
  client_ou_identifier: unit('client', certificate),
  peer_ou_identifier: unit('peer', certificate),
  admin_ou_identifier: unit('admin', certificate),
  orderer_ou_identifier: unit('orderer', certificate),
});
const MSP = {
  name: 'BMSP',
  admins: [],
  root_certs: [base64(root.rootPem)],
  intermediate_certs: [] as string[],
  organizational_unit_identifiers: [] as unknown[],
  revocation_list: [] as string[],
  fabric_node_ous: units(base64(root.rootPem)),
};

function configOf(...msps: readonly object[]): ChannelConfig {
  const groups = Object.fromEntries(
    msps.map((config) => [
      (config as { name: string }).name,
      { values: { MSP: { mod_policy: 'Admins', version: '0', value: { config } } } },
    ]),
  );
  return {
    sequence: '1',
    channel_group: {
      groups: { Application: { groups, policies: {} }, Orderer: { groups: {}, values: {}, policies: {} } },
    },
  };
}

it('tells roots, and intermediates and revocation lists where there are any, in one order', () => {
  const other = createAuthority({ mspId: 'AMSP' });
  const crl = sub.crl();
  const a = { ...MSP, name: 'AMSP', root_certs: [base64(other.rootPem)], fabric_node_ous: units() };
  const b = {
    ...MSP,
    intermediate_certs: sub.intermediates.map(base64),
    revocation_list: [base64(crl)],
    fabric_node_ous: units(),
  };
  const read = mspsOf(configOf(b, a));
  expect(read).toEqual([
    { mspId: 'AMSP', roots: [other.rootPem] },
    { mspId: 'BMSP', roots: [root.rootPem], intermediates: sub.intermediates, crls: [crl] },
  ]);
  for (const organisation of read) expect(createMsp(organisation).mspId).toBe(organisation.mspId);
});

it('reads DER as the PEM of the same bytes', () => {
  const [body = ''] = /(?<=-\n)[^-]+/.exec(root.rootPem) ?? [];
  const der = { ...MSP, root_certs: [body.replaceAll('\n', '')], fabric_node_ous: units() };
  expect(mspsOf(configOf(der))).toEqual([{ mspId: 'BMSP', roots: [root.rootPem] }]);
});

it.each([
  ['roles are pinned to the only authority', {}, undefined],
  ['no roles are told', { fabric_node_ous: null }, 'tells no roles by units'],
  ['roles are told and not enforced', { fabric_node_ous: { ...units(), enable: false } }, 'tells no roles by units'],
  ['administrators are named', { admins: [base64(root.rootPem)] }, 'names administrators one by one'],
  ['other units are asked for', { organizational_unit_identifiers: [unit('ward')] }, 'asks for units besides'],
  [
    'a role has another name',
    { fabric_node_ous: { ...units(), peer_ou_identifier: unit('node') } },
    'another unit for the role peer',
  ],
  [
    'a role is missing',
    { fabric_node_ous: { ...units(), orderer_ou_identifier: null } },
    'another unit for the role orderer',
  ],
  [
    'roles are pinned to one of two',
    { intermediate_certs: sub.intermediates.map(base64) },
    'takes the role client from one of its authorities only',
  ],
])('takes what outcome proofs know, and refuses the rest: %s', (_, change, why) => {
  const read = () => mspsOf(configOf({ ...MSP, ...change }));
  if (why === undefined) expect(read).not.toThrow();
  else
    expect(read).toThrow(
      expect.objectContaining({ code: 'FABRIC_MSP', message: expect.stringContaining(why) as string }),
    );
});
