import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** One document of a patient's history: a FHIR R4 resource as HL7 publishes it. */
export interface Document {
  readonly file: string;
  readonly bytes: Uint8Array;
  /** FHIR resource type. */
  readonly type: string;
  readonly scope: string;
}

/** Which scope a resource type belongs to; types not named here are not clinical history. */
const SCOPES: Readonly<Record<string, string>> = {
  AllergyIntolerance: 'diagnosis',
  CarePlan: 'encounter',
  Condition: 'diagnosis',
  DiagnosticReport: 'laboratory',
  Encounter: 'encounter',
  ImagingStudy: 'imaging',
  Immunization: 'medication',
  Media: 'imaging',
  MedicationAdministration: 'medication',
  MedicationRequest: 'medication',
  MedicationStatement: 'medication',
  Observation: 'laboratory',
  Procedure: 'diagnosis',
};

/** A patient's history in HL7's FHIR R4 examples (CC0), sorted by file name. `patient` is the example's id, such as `f001`. */
export async function historyOf(patient: string): Promise<Document[]> {
  const folder = dirname(fileURLToPath(import.meta.resolve('hl7.fhir.r4.examples/package.json')));
  const documents: Document[] = [];
  const types = new RegExp(`^(${Object.keys(SCOPES).join('|')})-.*\\.json$`);
  const files = (await readdir(folder)).filter((file) => types.test(file)).sort();
  for (const file of files) {
    const bytes = await readFile(join(folder, file));
    const resource = JSON.parse(bytes.toString('utf8')) as Resource;
    const scope = SCOPES[resource.resourceType];
    const subject = (resource.subject ?? resource.patient)?.reference;
    if (scope !== undefined && subject === `Patient/${patient}`)
      documents.push({ file, bytes, type: resource.resourceType, scope });
  }
  return documents;
}

interface Resource {
  readonly resourceType: string;
  readonly subject?: { readonly reference?: string };
  readonly patient?: { readonly reference?: string };
}
