export { isFull } from './disk.ts';
export { failpoint } from './failpoint.ts';
export { endsGracefully } from './http-end.ts';
export { inPath } from './in-path.ts';
export { runService, type Service } from './process.ts';
