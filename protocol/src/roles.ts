/** The attribute of an X.509 certificate (Fabric CA's extension) that says what its holder may do. */
export const ROLE_ATTRIBUTE = 'yilian.role';

export type Role = 'admin' | 'hospital' | 'relay' | 'proxy' | 'practitioner';
