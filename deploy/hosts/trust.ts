import { readFileSync } from 'node:fs';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';

/** Has this process know the services of other hosts by these roots, besides those it knows already. */
export function trustOthers(rootsFile: string | undefined): void {
  if (rootsFile === undefined) return;
  const roots =
    readFileSync(rootsFile, 'utf8').match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  setDefaultCACertificates([...getCACertificates('default'), ...roots]);
}
