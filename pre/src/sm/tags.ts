/** Every domain separation tag of the SM2/SM3/SM4 suite. */
export const SM = {
  aead: 'yilian/sm4-ctr-hmac-sm3/v1',
  wrappedHeader: 'yilian/pre-wrapped-header/v1',
  pointU: 'POINT_U',
  pointUDst: 'yilian/umbral-sm2/v1-with-SM2_XMD:SM3_SSWU_RO_',
} as const;
