import { isIP } from 'node:net';
import { relative } from 'node:path';
import type { IStatefulSet } from 'kubernetes-models/apps/v1';
import type { IContainer, IService } from 'kubernetes-models/v1';
import { CLI, type Container, type ContainerHost, ENVIRONMENT, IMAGES, SCRATCH, USER } from './container.ts';

const STATE = 'state';
const TEMPORARY = 'tmp';
const SECURITY = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
};

/**
 * A kustomize base of a host: one pod of all its programs, which share the loopback as on a machine of their own, and a
 * service with what other hosts need. Images, the claim's size and the kind of service are for an overlay to change. By
 * file name, spelled as JSON.
 */
export function kustomizeBase(host: ContainerHost): Readonly<Record<string, string>> {
  const name = `yilian-${host.name}`;
  const resources = { 'statefulset.yaml': statefulSet(name, host), 'service.yaml': service(name, host) };
  const kustomization = {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    resources: Object.keys(resources),
    labels: [{ pairs: { 'app.kubernetes.io/part-of': 'yilian' } }],
  };
  const files = Object.entries({ 'kustomization.yaml': kustomization, ...resources });
  return Object.fromEntries(files.map(([file, value]) => [file, `${JSON.stringify(value, null, 2)}\n`]));
}

function statefulSet(name: string, { address, state, first, founded }: ContainerHost): IStatefulSet {
  const labels = { 'app.kubernetes.io/name': name };
  const step = (command: string): IContainer => ({
    name: command,
    image: IMAGES.own,
    command: [...CLI, '--state', state, 'host', command].map(literal),
    env: variables(ENVIRONMENT),
    securityContext: SECURITY,
    volumeMounts: [{ name: STATE, mountPath: state }, scratch()],
  });
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name, labels },
    spec: {
      serviceName: name,
      replicas: 1,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          securityContext: {
            runAsNonRoot: true,
            runAsUser: USER,
            runAsGroup: USER,
            fsGroup: USER,
            fsGroupChangePolicy: 'OnRootMismatch',
            seccompProfile: { type: 'RuntimeDefault' },
          },
          // Its own name does not lead out and in again.
          ...(isIP(address) === 0 && { hostAliases: [{ ip: '127.0.0.1', hostnames: [address] }] }),
          terminationGracePeriodSeconds: 60,
          initContainers: [
            step('prepare'),
            // These go on running beside all that follows.
            ...first.map((each) => ({
              ...container(each, state),
              restartPolicy: 'Always',
              startupProbe: {
                exec: { command: [...each.probe] },
                periodSeconds: 2,
                failureThreshold: 60,
                timeoutSeconds: 5,
              },
            })),
            step('found'),
          ],
          containers: founded.map((each) => ({
            ...container(each, state),
            readinessProbe: { exec: { command: [...each.probe] }, periodSeconds: 10, timeoutSeconds: 5 },
          })),
          volumes: [{ name: TEMPORARY, emptyDir: {} }],
        },
      },
      volumeClaimTemplates: [
        {
          apiVersion: 'v1',
          kind: 'PersistentVolumeClaim',
          metadata: { name: STATE },
          spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '100Gi' } } },
        },
      ],
    },
  };
}

function container({ name, program, image, command, env, mounts }: Container, state: string): IContainer {
  return {
    name,
    image: IMAGES[image],
    command: command.map(literal),
    env: variables({ YILIAN_PROGRAM: program, ...env }),
    securityContext: SECURITY,
    volumeMounts: [
      ...mounts.map(({ path, isReadOnly }) => ({
        name: STATE,
        mountPath: path,
        subPath: relative(state, path),
        readOnly: isReadOnly,
      })),
      scratch(name),
    ],
  };
}

function variables(env: Readonly<Record<string, string>>) {
  return Object.entries(env).map(([name, value]) => ({ name, value: literal(value) }));
}

function scratch(container?: string) {
  return { name: TEMPORARY, mountPath: SCRATCH, ...(container !== undefined && { subPath: container }) };
}

function service(name: string, { ports }: ContainerHost): IService {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: {
      type: 'LoadBalancer',
      selector: { 'app.kubernetes.io/name': name },
      // Hosts found each other before they are ready.
      publishNotReadyAddresses: true,
      ports: ports.map((port) => ({ name: `p${port}`, port, targetPort: port, protocol: 'TCP' })),
    },
  };
}

/** What is no variable to Kubernetes. */
function literal(text: string): string {
  return text.replaceAll('$(', '$$$$(');
}
