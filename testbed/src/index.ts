export { type Member, type RegionMembers, Testbed } from './testbed.ts';
