/** Every domain separation tag of the package. The first group is Umbral's and is shared with its other implementations. */
export const UMBRAL = {
  pointU: 'POINT_U',
  pointUDst: 'PARAMETERS',
  capsulePoints: 'CAPSULE_POINTS',
  sharedSecret: 'SHARED_SECRET',
  polynomialArgument: 'POLYNOMIAL_ARG',
  cfragVerification: 'CFRAG_VERIFICATION',
} as const;

export const YILIAN = {
  key: 'yilian/pre-key/v1',
  header: 'yilian/pre-header/v1',
  body: 'yilian/pre-body/v1',
  sealed: 'yilian/pre-sealed/v1',
  commitment: 'yilian/pre-commitment/v1',
  binding: 'yilian/cfrag-binding/v1',
} as const;

/** First part of every key derivation label. */
export const LABEL = 'yilian/v1';
