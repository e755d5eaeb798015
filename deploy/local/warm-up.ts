/**
 * Loads once what the services load. Node keeps what it compiled when a process ends: two dozen services that start
 * together on a fresh clone would each compile it all.
 */
await import('@yilian/relay');
await import('@yilian/proxy');
await import('@yilian/pseudonyms');
await import('@yilian/vault');
await import('@yilian/ledger/embedded');
await import('@yilian/main-chain/contracts');
await import('@yilian/regional-chain/contracts');
process.exit(0);
