/**
 * For a Fastify server whose handlers judge bodies themselves, or which sets compilers of its own: it need not load those
 * Fastify comes with, which are four megabytes and forty milliseconds of every process.
 */
export const schemaless = { compilersFactory: { buildValidator: refuse, buildSerializer: refuse } };

function refuse(): never {
  throw new Error('no route of this server may have a schema');
}
