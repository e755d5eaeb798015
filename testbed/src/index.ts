export { FileLimit } from './file-limit.ts';
export { junk, mutated, RUNS } from './hostile-bodies.ts';
export { slowSenders } from './slow-senders.ts';
export { type Member, type RegionMembers, Testbed } from './testbed.ts';
