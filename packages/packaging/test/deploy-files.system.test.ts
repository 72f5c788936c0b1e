import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { DockerfileParser } from 'dockerfile-ast';
import { Deployment } from 'kubernetes-models/apps/v1';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1';
import { Service, ServiceAccount } from 'kubernetes-models/v1';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';

import { root } from '../src/packages.ts';
import { run } from './support/run.ts';

/** How long Pennon drains, in seconds. */
const DRAIN_SECONDS = 10;

const read = (file: string): string => readFileSync(join(root, file), 'utf8');

/** The settings, from the table in the README, which another test compares with the server. */
const settings = new Set(
  [...read('README.md').matchAll(/^\| `([A-Z_]+)` /gm)].map(([, name]) => name),
);

const dockerfile = DockerfileParser.parse(read('deploy/Dockerfile'));
const imageEnvironment = Object.fromEntries(
  dockerfile
    .getENVs()
    .flatMap(env => env.getProperties())
    .map(property => [property.getName(), property.getValue()]),
);

describe('deploy/Dockerfile', () => {
  it('sets known settings only, and listens on the port that it exposes', () => {
    for (const name of Object.keys(imageEnvironment))
      expect([name, name === 'NODE_ENV' || settings.has(name)]).toEqual([name, true]);
    const exposed = dockerfile.getInstructions().find(each => each.getKeyword() === 'EXPOSE');
    expect(exposed?.getArgumentsContent()).toBe(imageEnvironment['PORT']);
  });

  it('starts as a user other than root, with a health check', () => {
    const keywords = dockerfile.getInstructions().map(each => each.getKeyword());
    expect(keywords.indexOf('USER')).toBeGreaterThan(keywords.lastIndexOf('FROM'));
    expect(keywords.indexOf('USER')).toBeLessThan(keywords.indexOf('ENTRYPOINT'));
    expect(dockerfile.getHEALTHCHECKs()).toHaveLength(1);
  });
});

describe('deploy/kubernetes/pennon.yaml', () => {
  const MODELS = { ServiceAccount, Service, Deployment, PodDisruptionBudget };
  const isModel = (kind: string): kind is keyof typeof MODELS => kind in MODELS;
  const documents: { kind: string }[] = parseAllDocuments(
    read('deploy/kubernetes/pennon.yaml'),
  ).map(document => document.toJS());
  const dataOf = (wanted: string) => documents.find(({ kind }) => kind === wanted);
  const service = new Service(dataOf('Service') as never);
  const deployment = new Deployment(dataOf('Deployment') as never);
  const budget = new PodDisruptionBudget(dataOf('PodDisruptionBudget') as never);
  const pod = deployment.spec?.template.spec;
  const container = pod?.containers[0];

  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'pennon-kubernetes-'));
    symlinkSync(join(root, 'packages/packaging/node_modules'), join(directory, 'node_modules'));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  /** The compiler rejects fields that the type of an object lacks, which the schemas allow. */
  const compile = (objects: readonly { kind: string }[]): Promise<string> => {
    const imports = `import type { IServiceAccount, IService } from 'kubernetes-models/v1';
      import type { IDeployment } from 'kubernetes-models/apps/v1';
      import type { IPodDisruptionBudget } from 'kubernetes-models/policy/v1';\n`;
    const constants = objects.map(
      (object, i) => `export const object${i}: I${object.kind} = ${JSON.stringify(object)};\n`,
    );
    writeFileSync(join(directory, 'objects.ts'), imports + constants.join(''));
    const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext'];
    const tsc = join(root, 'node_modules/.bin/tsc');
    return run(tsc, [...options, 'objects.ts'], { cwd: directory });
  };

  it('is valid by the schemas of Kubernetes', () => {
    expect(documents).toHaveLength(4);
    for (const data of documents) {
      if (!isModel(data.kind)) throw new Error(`${data.kind} has no schema`);
      new MODELS[data.kind](data as never).validate();
    }
    expect(() => new Deployment({ spec: { replicas: '3' } } as never).validate()).toThrow(
      /replicas must be integer/,
    );
  });

  it('has only fields that Kubernetes knows', async () => {
    expect(await compile(documents)).toBe('');
    const misspelled = structuredClone(documents);
    Object.assign(misspelled[1] ?? {}, { spec: { ports: [{ port: 80, tragetPort: 1 }] } });
    await expect(compile(misspelled)).rejects.toThrow(/tragetPort.* does not exist/);
  });

  it('sets known settings, and sends requests to the port that the image listens on', () => {
    for (const { name } of container?.env ?? []) expect(settings).toContain(name);
    const [port] = container?.ports ?? [];
    expect(String(port?.containerPort)).toBe(imageEnvironment['PORT']);
    expect(service.spec?.ports?.[0]?.targetPort).toBe(port?.name);
    const labels = deployment.spec?.template.metadata?.labels;
    expect(service.spec?.selector).toEqual(labels);
    expect(deployment.spec?.selector.matchLabels).toEqual(labels);
    expect(budget.spec?.selector?.matchLabels).toEqual(labels);
  });

  it('probes routes of the server, and waits until it has drained', () => {
    expect(container?.readinessProbe?.httpGet?.path).toBe('/readyz');
    for (const probe of [container?.startupProbe, container?.livenessProbe])
      expect(probe?.httpGet?.path).toBe('/healthz');
    expect(container?.lifecycle).toBeUndefined();
    expect(pod?.terminationGracePeriodSeconds).toBeGreaterThan(DRAIN_SECONDS);
    expect(budget.spec?.minAvailable).toBeLessThan(deployment.spec?.replicas ?? 0);
  });

  it('runs without root and without a writable root file system, except for the data directory', () => {
    expect(pod?.securityContext?.runAsNonRoot).toBe(true);
    expect(container?.securityContext).toMatchObject({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    const [mount] = container?.volumeMounts ?? [];
    expect(mount?.mountPath).toBe(imageEnvironment['PENNON_DATA']);
    expect(pod?.volumes?.map(({ name }) => name)).toEqual([mount?.name]);
  });
});

type ComposeService = {
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly read_only?: boolean;
  readonly stop_grace_period?: string;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: object;
};

describe('deploy/compose.yaml', () => {
  const compose: {
    readonly services: Readonly<Record<'pennon' | 'redis', ComposeService>>;
    readonly volumes: object;
  } = parse(read('deploy/compose.yaml'));
  const { pennon, redis } = compose.services;

  it('has only keys that Compose knows', () => {
    const known =
      /^(build|image|restart|environment|ports|volumes|read_only|cap_drop|command)$|^(security_opt|stop_grace_period|depends_on|healthcheck)$/;
    expect(Object.keys(compose).toSorted()).toEqual(['name', 'services', 'volumes']);
    for (const service of Object.values(compose.services))
      for (const key of Object.keys(service)) expect(key).toMatch(known);
  });

  it('builds the Dockerfile, sets known settings, and requires an admin key', () => {
    const { context = '', dockerfile: file = '' } = pennon.build ?? {};
    expect(join('deploy', context, file)).toBe('deploy/Dockerfile');
    for (const name of Object.keys(pennon.environment ?? {})) expect(settings).toContain(name);
    expect(pennon.environment?.['PENNON_ADMIN_KEY']).toMatch(/^\$\{PENNON_ADMIN_KEY:\?.+\}$/);
    expect(pennon.environment?.['REDIS_URL']).toBe('redis://redis:6379');
    expect(pennon.ports).toEqual([`127.0.0.1:4400:${imageEnvironment['PORT']}`]);
  });

  it('waits for a healthy Redis that keeps its data, and stops after the drain', () => {
    expect(pennon.depends_on).toEqual({ redis: { condition: 'service_healthy' } });
    expect(redis.healthcheck).toBeDefined();
    expect(redis.command?.join(' ')).toMatch(/--appendonly yes .*--maxmemory-policy noeviction/);
    expect(parseInt(pennon.stop_grace_period ?? '', 10)).toBeGreaterThan(DRAIN_SECONDS);
  });

  it('writes to declared volumes only', () => {
    const mounts = Object.values(compose.services).flatMap(({ volumes = [] }) => volumes);
    const names = mounts.map(mount => mount.split(':', 1)[0] ?? '');
    expect(names.toSorted()).toEqual(Object.keys(compose.volumes).toSorted());
    expect(pennon.volumes).toEqual([`pennon-data:${imageEnvironment['PENNON_DATA']}`]);
    expect(pennon.read_only).toBe(true);
  });
});

describe('deploy/systemd/pennon.service', () => {
  const text = read('deploy/systemd/pennon.service');
  const lines = text.split('\n').filter(line => line !== '' && !line.startsWith('#'));

  it('has sections and settings only, starts Pennon, and stops it after the drain', () => {
    for (const line of lines) expect(line).toMatch(/^(\[(Unit|Service|Install)\]|[A-Za-z]+=.*)$/);
    const valueOf = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(text)?.[1] ?? '';
    expect(valueOf('ExecStart')).toBe('/usr/bin/env pennon start');
    expect(Number(valueOf('TimeoutStopSec'))).toBeGreaterThan(DRAIN_SECONDS);
    const environment = valueOf('Environment').split(' ');
    expect(environment).toContain(`PENNON_DATA=/var/lib/${valueOf('StateDirectory')}`);
  });

  it('is accepted by systemd-analyze, if that is installed', async () => {
    const verify = `command -v systemd-analyze >/dev/null || exit 0; systemd-analyze verify "$1" 2>&1`;
    const file = join(root, 'deploy/systemd/pennon.service');
    expect(await run('sh', ['-c', verify, '--', file], { cwd: root })).toBe('');
  });
});
