import { CheckpointContract } from '../contracts/checkpoints.ts';
import { IndexContract } from '../contracts/holdings.ts';
import { PatientContract } from '../contracts/patients.ts';
import { RegistryContract } from '../contracts/registry.ts';

/** The contracts of the chaincode `main`, for whoever hosts it. */
export const contracts = [RegistryContract, PatientContract, IndexContract, CheckpointContract];
