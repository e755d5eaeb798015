export { type BlockVault, type BlockVaultOptions, openBlockVault } from './block-vault.ts';
export { contentOfCar } from './car.ts';
export { type Cid, MAX_BLOCK_BYTES, parseCid } from './cid.ts';
export { CHUNK_BYTES, MAX_LEVELS, MAX_LINKS } from './dag.ts';
export { gatewayHandler, serveGateway } from './gateway.ts';
export type { HolderOptions } from './holders.ts';
export { type KuboVaultOptions, openKuboVault } from './kubo-vault.ts';
export type { Pin } from './pin-book.ts';
export { openRemoteVault } from './remote-vault.ts';
export type {
  CallOptions,
  FaultCounts,
  GetOptions,
  LocalBlock,
  LocalBlocks,
  PutOptions,
  StoredVault,
  Vault,
  VaultFault,
  Verification,
  VerifyOptions,
} from './vault.ts';
export { VaultError, type VaultErrorCode } from './vault-error.ts';
