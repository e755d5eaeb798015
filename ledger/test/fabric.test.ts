import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { Contract, createRouter, loadShim } from '../src/fabric.ts';
import { member } from './fixture/network.ts';

const require = createRequire(import.meta.url);
const FABRIC = new URL('../src/fabric.ts', import.meta.url).href;

/** Runs a module in a process of its own, with Fabric's packages loaded through `fabric.ts`. */
function run(script: string): { status: number | null; stdout: string } {
  const source = `import * as fabric from ${JSON.stringify(FABRIC)};\nfabric.loadShim();\n${script}`;
  const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', source], {
    encoding: 'utf8',
  });
  return { status, stdout };
}

class Things extends Contract {
  list(): Promise<unknown> {
    return Promise.resolve({ things: [1, 2] });
  }
}

describe('with Fabric’s packages loaded', () => {
  it('a process still ends by an uncaught error', () => {
    const script = "setTimeout(() => { throw new Error('lost'); }); setTimeout(() => console.log('alive'), 200);";
    expect(run(script)).toEqual({ status: 1, stdout: '' });
  });

  it('a process still ends by a rejection nobody handles', () => {
    const script = "Promise.reject(new Error('lost')); setTimeout(() => console.log('alive'), 200);";
    expect(run(script)).toEqual({ status: 1, stdout: '' });
  });

  it('gRPC keeps the ciphers of the environment', () => {
    const script = 'console.log(String(process.env.GRPC_SSL_CIPHER_SUITES));';
    expect(run(script).stdout.trim()).toBe('undefined');
  });

  it('a contract that returns an object works', async () => {
    const response = await createRouter([Things]).Invoke(stubOf('list'));
    expect(response.status).toBe(200);
    expect(Buffer.from(response.payload ?? []).toString()).toBe('{"things":[1,2]}');
  });

  it('there is one copy of fabric-protos, whoever asks', () => {
    const own = require.resolve('@hyperledger/fabric-protos');
    const others = ['fabric-shim', '@hyperledger/fabric-gateway'].map((name) =>
      createRequire(require.resolve(name)).resolve('@hyperledger/fabric-protos'),
    );
    expect(others).toEqual([own, own]);
  });

  it('fabric-protos loaded before or after it still decode', () => {
    const decode = `const id = new protos.msp.SerializedIdentity(); id.setMspid('A');
      const read = protos.msp.SerializedIdentity.deserializeBinary(id.serializeBinary());
      const header = new protos.common.ChannelHeader(); header.setTxId('t');
      console.log(read.getMspid(), protos.common.ChannelHeader.deserializeBinary(header.serializeBinary()).getTxId());`;
    const path = JSON.stringify(require.resolve('@hyperledger/fabric-protos'));
    expect(run(`const { default: protos } = await import(${path}); ${decode}`).stdout.trim()).toBe('A t');
  });

  it('the gateway’s SubmitError is still no class, which is why errors are told by name', () => {
    expect(require('@hyperledger/fabric-gateway')).not.toHaveProperty('SubmitError');
  });

  it('the shim offers what the embedded node builds on', () => {
    const shim = loadShim();
    expect(shim.ChaincodeStub).toBeTypeOf('function');
    expect(loadShim()).toBe(shim);
  });
});

/** As much of a stub as the router asks for. */
function stubOf(name: string): object {
  const { mspId, certificate } = member('AMSP', 'client');
  return {
    getBufferArgs: () => [Buffer.from(name)],
    getTxID: () => 'tx',
    getChannelID: () => 'records',
    getCreator: () => ({ mspid: mspId, idBytes: Buffer.from(certificate) }),
  };
}
