export { isFull } from './disk.ts';
export { failpoint } from './failpoint.ts';
export { endsGracefully } from './http-end.ts';
export { inPath } from './in-path.ts';
export { accepting, freePorts, isFree } from './ports.ts';
export { runService, type Service } from './process.ts';
export { schemaless } from './schemaless.ts';
export { readServerTls, type ServerTls, type ServerTlsFiles, transport } from './server-tls.ts';
export { writeWhole } from './whole-file.ts';
