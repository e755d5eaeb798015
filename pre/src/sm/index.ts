export type { Sm2SigningOptions } from './sm2-signature.ts';
export { signSm2, verifySm2 } from './sm2-signature.ts';
export { SM2_WRAP_OVERHEAD, unwrapKey, wrapKey } from './sm2-wrap.ts';
export { EXPERIMENTAL_UMBRAL_SM2, SM_SUITE } from './suite-sm.ts';
export { openWrappedHeader, sealWrappedHeader, WRAPPED_HEADER_BYTES } from './wrapped-header.ts';
