import { FederationContract } from '../contracts/federation.ts';
import { GrantContract } from '../contracts/grants.ts';
import { PatientContract } from '../contracts/patients.ts';
import { PractitionerContract } from '../contracts/practitioners.ts';
import { RecordContract } from '../contracts/records.ts';
import { RequestContract } from '../contracts/requests.ts';

/** The contracts of the chaincode `regional`, for whoever hosts it. */
export const contracts = [
  FederationContract,
  PractitionerContract,
  PatientContract,
  RecordContract,
  GrantContract,
  RequestContract,
];
