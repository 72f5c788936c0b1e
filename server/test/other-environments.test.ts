import { Role } from '@pennon/schema';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { procedures } from '../src/http/rest-route.ts';
import type { TestServer } from './support/server.ts';
import { startServer } from './support/server.ts';

/**
 * A key of one environment must not learn anything about another one: neither names, nor whether something
 * exists there. So each request is sent twice, with names that exist in the other environment and with names that
 * exist nowhere, and the responses must be the same.
 */
type Names = {
  /** Part of every other name. */
  readonly name: string;
  /** The id of an API key. */
  readonly keyId: string;
};

/** What the other environment contains. */
const SECRETS = [
  'env',
  'flag',
  'segment',
  'variant',
  'rule',
  'tag',
  'text',
  'attribute',
  'holder',
  'metric',
  'experiment',
  'layer',
  'ramp',
];
const secret = (part: string): string => `hidden-${part}`;

let server: TestServer;
let hidden: Names;
const absent: Names = { name: 'absent', keyId: 'absent-id' };
const keys = new Map<Role, string>();

const rest = async (method: 'GET' | 'POST', path: string, body?: object) => {
  const response = await server.request(method, `/api/v1${path}`, { body });
  if (response.status >= 300) throw new Error(response.text);
  return response.body;
};

beforeEach(async () => {
  server = await startServer({ limits: { requestsPerSecond: 0 } });
  await rest('POST', '/environments', { key: secret('env') });
  const inHidden = `?environment=${secret('env')}`;
  const condition = { attribute: secret('attribute'), operator: 'in', value: ['a'] };
  const description = secret('text');
  const segment = { key: secret('segment'), description, conditions: [condition] };
  await rest('POST', `/segments${inHidden}`, segment);
  await rest('POST', `/flags${inHidden}`, {
    key: secret('flag'),
    enabled: true,
    type: 'string',
    description,
    tags: [secret('tag')],
    variants: { [secret('variant')]: 'a', off: 'b' },
    defaultVariant: 'off',
    rules: [
      {
        id: secret('rule'),
        split: [
          { variant: secret('variant'), weight: 1 },
          { variant: 'off', weight: 1 },
        ],
        conditions: [{ segment: segment.key }, condition],
      },
    ],
  });
  await rest('POST', `/metrics${inHidden}`, { ...METRIC, key: secret('metric'), description });
  await rest('POST', `/experiments${inHidden}`, {
    key: secret('experiment'),
    description,
    flag: secret('flag'),
    rule: secret('rule'),
    control: 'off',
    metrics: [{ metric: secret('metric'), role: 'secondary' }],
  });
  await rest('POST', `/ramps${inHidden}`, {
    ...RAMP,
    key: secret('ramp'),
    description,
    flag: secret('flag'),
    rule: secret('rule'),
    treatment: secret('variant'),
    control: 'off',
    guardrails: [{ metric: secret('metric') }],
  });
  await rest('POST', `/layers${inHidden}`, { key: secret('layer'), description });
  const holder = { name: secret('holder'), role: 'viewer', environment: secret('env') };
  const { id } = await rest('POST', '/keys', holder);
  hidden = { name: 'hidden', keyId: id };
  await rest('POST', '/segments?environment=production', SEGMENT);
  await rest('POST', '/flags?environment=production', { key: 'f', enabled: true });
  await rest('POST', '/flags?environment=production', COMPARED);
  await rest('POST', '/metrics?environment=production', METRIC);
  await rest('POST', '/experiments?environment=production', EXPERIMENT);
  await rest('POST', '/layers?environment=production', { key: 'l' });
  await rest('POST', '/flags?environment=production', RELEASED);
  await rest('POST', '/ramps?environment=production', RAMP);
  for (const role of Role.options) keys.set(role, await server.keyOf(role));
});
afterEach(() => server.close());

const SEGMENT = {
  key: 's',
  conditions: [{ attribute: 'plan', operator: 'in', value: ['a'] }],
};

const COMPARED = {
  key: 'compared',
  enabled: true,
  rules: [
    {
      id: 'r',
      split: [
        { variant: 'on', weight: 1 },
        { variant: 'off', weight: 1 },
      ],
    },
  ],
};
const METRIC = { key: 'm', kind: 'conversion', event: 'bought', window: { toMs: 1_000 } };
const EXPERIMENT = { key: 'e', flag: COMPARED.key, rule: 'r', control: 'off' };
/** No ramp can be started on it. */
const RELEASED = { key: 'released', enabled: false };
const RAMP = {
  key: 'ramp',
  flag: RELEASED.key,
  rule: 'release',
  treatment: 'on',
  steps: [{ share: 1, holdMinutes: 1 }],
};

const DOCUMENTS = {
  flag: { key: 'f', enabled: true },
  segment: SEGMENT,
  metric: METRIC,
  experiment: EXPERIMENT,
  ramp: RAMP,
};

const documentProbes = (kind: keyof typeof DOCUMENTS) => {
  const document = DOCUMENTS[kind];
  const own = document.key;
  const at = ({ name }: Names) => ({ environment: `${name}-env` });
  const there = ({ name }: Names) => ({ key: `${name}-${kind}` });
  const typo = ({ name }: Names) => ({ key: `${name}-${kind}x` });
  const eachPlace = (fields: object) => (names: Names) => [
    { ...at(names), key: own, ...fields },
    { ...there(names), ...fields },
    { ...typo(names), ...fields },
  ];
  return {
    get: eachPlace({}),
    list: (names: Names) => [
      at(names),
      { search: `${names.name}-text` },
      { tag: `${names.name}-tag` },
    ],
    update: eachPlace({ description: 'd' }),
    delete: eachPlace({}),
    replace: (names: Names) => [{ ...at(names), ...document }],
    create: (names: Names) => [{ ...at(names), ...document }],
    copy: (names: Names) => [
      ...eachPlace({ to: 'production' })(names),
      { key: own, to: `${names.name}-env` },
      { key: own, to: `${names.name}-env`, dryRun: true },
      { key: own, to: `${names.name}-envx` },
      { key: own, to: `${names.name}-env`, overwrite: true },
    ],
    listVersions: eachPlace({}),
    getVersion: eachPlace({ version: 1 }),
    compareVersions: eachPlace({ version: 1 }),
    revert: eachPlace({ version: 1 }),
  };
};

/** The probes of what has no versions. */
const unversionedProbes = (kind: 'metric' | 'experiment' | 'ramp') => {
  const { get, list, update, delete: remove, replace, create, copy } = documentProbes(kind);
  return { get, list, update, delete: remove, replace, create, copy };
};

const runProbes = (fields: object) => (names: Names) => [
  { environment: `${names.name}-env`, key: 'e', ...fields },
  { key: `${names.name}-experiment`, ...fields },
  { key: 'e', ...fields },
];

const rampProbes = (names: Names) => [
  { environment: `${names.name}-env`, key: 'ramp' },
  { key: `${names.name}-ramp` },
  { key: 'ramp' },
];

const layerProbes = (fields: object) => (names: Names) => [
  { environment: `${names.name}-env`, key: `${names.name}-layer`, ...fields },
  { key: `${names.name}-layer`, ...fields },
];

const ruleProbes = (fields: object) => (names: Names) => [
  { environment: `${names.name}-env`, key: `${names.name}-flag`, ...fields },
  { key: `${names.name}-flag`, ...fields },
  { key: 'f', ...fields, id: `${names.name}-rule` },
];

const conditionProbes = ({ name }: Names) => [
  { segment: `${name}-segment` },
  { segment: `${name}-segmentx` },
  { flag: `${name}-flag`, variants: [`${name}-variant`] },
  { attribute: `${name}-attribute`, operator: 'greaterThan', value: 5 },
  { attribute: `${name}-attributes`, operator: 'in', value: [5] },
];

const withPrefix = (prefix: string, probes: object) =>
  Object.fromEntries(Object.entries(probes).map(([name, probe]) => [`${prefix}.${name}`, probe]));

const simpleCondition = { attribute: 'a', operator: 'equals', value: 'b' };
const context = { targetingKey: 'a' };
const flags = documentProbes('flag');
const segments = documentProbes('segment');

/** The inputs of each procedure, for the names of each kind. */
const PROBES: Readonly<Record<string, (names: Names) => object[]>> = {
  ...withPrefix('segments', segments),
  ...withPrefix('flags', flags),
  ...withPrefix('metrics', unversionedProbes('metric')),
  ...withPrefix('experiments', unversionedProbes('experiment')),
  'experiments.create': ({ name }) => [
    { environment: `${name}-env`, ...EXPERIMENT },
    { ...EXPERIMENT, key: `${name}-new`, flag: `${name}-flag`, rule: `${name}-rule` },
    {
      ...EXPERIMENT,
      key: `${name}-newer`,
      metrics: [{ metric: `${name}-metric`, role: 'primary' }],
    },
  ],
  ...withPrefix('ramps', unversionedProbes('ramp')),
  'ramps.create': ({ name }) => [
    { environment: `${name}-env`, ...RAMP },
    { ...RAMP, key: `${name}-new`, flag: `${name}-flag`, treatment: `${name}-variant` },
    { ...RAMP, key: `${name}-newer`, control: 'off', guardrails: [{ metric: `${name}-metric` }] },
  ],
  'ramps.start': rampProbes,
  'ramps.status': rampProbes,
  'ramps.watch': names => rampProbes(names).slice(0, 2),
  'ramps.pause': rampProbes,
  'ramps.resume': rampProbes,
  'ramps.advance': rampProbes,
  'ramps.approve': rampProbes,
  'ramps.rollback': rampProbes,
  'layers.create': ({ name }) => [
    { environment: `${name}-env`, key: 'l' },
    { key: `${name}-layer` },
  ],
  'layers.list': ({ name }) => [{ environment: `${name}-env` }, { search: `${name}-text` }],
  'layers.get': layerProbes({}),
  'layers.replace': ({ name }) => [{ environment: `${name}-env`, key: 'l' }],
  'layers.update': layerProbes({ description: 'd' }),
  'layers.delete': layerProbes({}),
  'layers.claim': names => [
    ...layerProbes({ experiment: 'e', slots: 1 })(names),
    { key: 'l', experiment: `${names.name}-experiment`, slots: 1 },
  ],
  'layers.release': layerProbes({ experiment: 'e' }),
  'experiments.start': runProbes({}),
  'experiments.stop': runProbes({}),
  'experiments.restart': runProbes({}),
  'experiments.decide': runProbes({ variant: 'off' }),
  'experiments.getResults': runProbes({}),
  'experiments.getSeries': runProbes({}),
  'experiments.getHealth': runProbes({}),
  'experiments.getMoments': runProbes({}),
  'experiments.putStatistics': runProbes({ units: {}, metrics: {} }),
  'experiments.unit': runProbes({ unit: 'u' }),
  'experiments.plan': ({ name }) => {
    const plan = { kind: 'conversion', baseline: 0.1, effect: 0.05 };
    return [
      { ...plan, unitsPerDay: 1_000 },
      { ...plan, unitsPerDay: 1_000, environment: `${name}-env` },
      { ...plan, flag: `${name}-flag`, rule: 'r' },
      { ...plan, experiment: `${name}-experiment` },
    ];
  },
  'experiments.results': ({ name }) => [
    { environment: `${name}-env`, key: 'e' },
    { key: `${name}-experiment` },
  ],
  'flags.create': names => [
    ...flags.create(names),
    ...conditionProbes(names).map((condition, i) => ({
      key: `${names.name}-new-${i}`,
      enabled: true,
      rules: [{ id: 'r', variant: 'on', conditions: [condition] }],
    })),
  ],
  'flags.updateMany': names => [
    { environment: `${names.name}-env`, keys: ['f'], patch: { enabled: true } },
    { keys: ['f', `${names.name}-flag`], patch: { enabled: true } },
  ],
  'flags.tagMany': names => [
    { environment: `${names.name}-env`, keys: ['f'], add: ['a'] },
    { keys: ['f', `${names.name}-flag`], add: ['a'], dryRun: true },
  ],
  'flags.deleteMany': names => [
    { environment: `${names.name}-env`, keys: ['f'], dryRun: true },
    { keys: ['f', `${names.name}-flag`], dryRun: true },
  ],
  'flags.addRule': ruleProbes({ percentage: 10 }),
  'flags.updateRule': ruleProbes({ id: 'x', percentage: 10 }),
  'flags.deleteRule': ruleProbes({ id: 'x' }),
  'flags.updateRuleMembers': ruleProbes({ id: 'x', attribute: 'a', add: ['b'] }),
  'flags.watch': ({ name }) => [{ environment: `${name}-env` }],
  'flags.attributes': ({ name }) => [{}, { environment: `${name}-env` }],
  'flags.overview': () => [{}],
  'flags.watchOverview': () => [{ lastEventId: '"old"' }],
  'segments.updateMembers': ({ name }) => [
    { environment: `${name}-env`, key: `${name}-segment`, attribute: 'a', add: ['b'] },
    { key: `${name}-segment`, attribute: `${name}-attribute`, add: ['b'] },
  ],
  'environments.create': ({ name }) => [{ key: `${name}-env` }, { key: `${name}-envx` }],
  'environments.list': () => [{}, { deleted: true }],
  'environments.update': ({ name }) => [{ key: `${name}-env`, name: 'x' }, { key: `${name}-envx` }],
  'environments.compare': ({ name }) => [
    { from: 'production', to: `${name}-env` },
    { from: `${name}-env`, to: 'production' },
  ],
  'environments.promote': ({ name }) => [
    { from: 'production', to: `${name}-env`, flags: ['f'] },
    { from: `${name}-env`, to: 'production', flags: [`${name}-flag`] },
  ],
  'environments.delete': ({ name }) => [
    { key: `${name}-env` },
    { key: `${name}-env`, confirm: `${name}-env` },
  ],
  'environments.restore': ({ name }) => [{ key: `${name}-env` }],
  'contexts.list': ({ name }) => [{}, { environment: `${name}-env` }],
  'contexts.save': ({ name }) => [{ environment: `${name}-env`, key: 'c', context }],
  'contexts.delete': ({ name }) => [
    { environment: `${name}-env`, key: 'c' },
    { key: `${name}-context` },
  ],
  'keys.create': ({ name }) => [
    { name: 'k', role: 'viewer', environment: `${name}-env` },
    { name: 'k', role: 'viewer', environment: `${name}-envx` },
  ],
  'keys.list': () => [{}],
  'keys.delete': ({ keyId }) => [{ id: keyId }],
  'people.list': () => [{}],
  'people.get': ({ keyId }) => [{ id: keyId }],
  'people.update': ({ keyId }) => [{ id: keyId, name: 'x' }],
  'people.delete': ({ keyId }) => [{ id: keyId }],
  'groups.list': () => [{}],
  'groups.create': ({ name }) => [
    { key: 'g', name: 'g', grants: [{ environment: `${name}-env`, role: 'viewer' }] },
  ],
  'groups.update': ({ name }) => [{ key: `${name}-group`, name: 'g' }],
  'groups.delete': ({ name }) => [{ key: `${name}-group` }],
  'invitations.list': () => [{}],
  'invitations.create': ({ name }) => [
    { email: 'a@b.example', grants: [{ environment: `${name}-env`, role: 'viewer' }] },
  ],
  'invitations.delete': ({ keyId }) => [{ id: keyId }],
  'sessions.list': () => [{}],
  'sessions.delete': ({ keyId }) => [{ id: keyId }],
  'account.changePassword': () => [{ current: 'a', password: 'correct horse battery' }],
  'account.createToken': ({ name }) => [{ name: 't', role: 'viewer', environment: `${name}-env` }],
  'account.listTokens': () => [{}],
  'account.deleteToken': ({ keyId }) => [{ id: keyId }],
  'audit.list': ({ name }) => [
    {},
    { environment: `${name}-env` },
    { environment: '*' },
    { flag: `${name}-flag` },
    { segment: `${name}-segment` },
    { actor: `${name}-holder` },
  ],
  'evaluation.evaluate': ({ name }) => [
    { flagKey: `${name}-flag`, context },
    { flagKey: `${name}-flagx`, context },
    { environment: `${name}-env`, flagKey: 'f', context },
    { flagKey: 'f', context, explain: true },
  ],
  'evaluation.evaluateAll': ({ name }) => [
    { context },
    { environment: `${name}-env`, context },
    { flagKeys: [`${name}-flag`], context },
  ],
  'evaluation.preview': ({ name }) => [
    { environment: `${name}-env`, flag: { key: 'f', enabled: true }, contexts: [context] },
    { flag: { key: 'f', enabled: true }, flagKeys: [`${name}-flag`], contexts: [context] },
    {
      flag: {
        key: 'f',
        enabled: true,
        rules: [{ conditions: [{ segment: `${name}-segment` }], variant: 'on' }],
      },
      contexts: [context],
    },
    { segment: { key: `${name}-segment`, conditions: [simpleCondition] }, contexts: [context] },
  ],
  'evaluation.compare': ({ name }) => [
    { flagKey: `${name}-flag`, context },
    { flagKey: 'f', context },
  ],
  'evaluation.watch': ({ name }) => [{ environment: `${name}-env`, context }],
  'status.read': () => [{}],
  'usage.get': ({ name }) => [
    { flag: `${name}-flag` },
    { environment: `${name}-env`, flag: `${name}-flag` },
  ],
  'usage.recent': ({ name }) => [{ flags: [`${name}-flag`] }],
  'usage.unknown': ({ name }) => [{}, { environment: `${name}-env` }],
  'transfer.export': ({ name }) => [{}, { environment: `${name}-env` }],
  'transfer.import': ({ name }) => [
    {
      formatVersion: 1,
      environments: [{ key: `${name}-env`, name: 'x', flags: [], segments: [] }],
      keys: [],
    },
  ],
  'transfer.restore': () => [{}],
};

it('every procedure is probed', () => {
  expect(Object.keys(PROBES).toSorted()).toEqual([...procedures().keys()].toSorted());
});

const call = (procedure: string, input: object, key: string | undefined) => {
  const options = { key: key ?? null };
  return procedures().get(procedure)?.type === 'mutation'
    ? server.request('POST', `/trpc/${procedure}`, { ...options, body: input })
    : server.request(
        'GET',
        `/trpc/${procedure}?input=${encodeURIComponent(JSON.stringify(input))}`,
        options,
      );
};

/** Replaces the names, and what differs between any two requests. */
const normalized = (text: string, { name, keyId }: Names): string =>
  text
    .replaceAll(keyId, 'KEY')
    .replaceAll(name, 'NAME')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replaceAll(/("(?:etag|id|seed|nextCursor)":)(?:"(?:[^"\\]|\\.)*"|null)/g, '$1"RANDOM"');

/** Lists that grow with each write of a test, so they come before the writes. */
const GROWS = new Set([
  'audit.list',
  'evaluation.evaluateAll',
  'flags.attributes',
  'flags.overview',
  'transfer.export',
  'keys.list',
]);

it.each(Role.options)(
  'a key with the role %s for one environment finds out nothing about another one',
  async role => {
    const lists = Object.entries(PROBES).filter(([name]) => GROWS.has(name));
    const others = Object.entries(PROBES).filter(([name]) => !GROWS.has(name));
    for (const [procedure, probe] of [...lists, ...others]) {
      const inputs = probe(hidden);
      for (const [i, other] of probe(absent).entries()) {
        const input = inputs[i] ?? {};
        const response = await call(procedure, input, keys.get(role));
        const expected = await call(procedure, other, keys.get(role));
        const given = JSON.stringify(input);
        const leaked = SECRETS.map(secret).filter(
          each => response.text.includes(each) && !given.includes(each),
        );
        // Input that its schema rejects would prove nothing.
        expect([given, response.text.includes('the input is not')]).toEqual([given, false]);
        expect([procedure, given, leaked]).toEqual([procedure, given, []]);
        expect([procedure, given, response.status]).toEqual([procedure, given, expected.status]);
        if (response.status >= 300 || !GROWS.has(procedure))
          expect([given, normalized(response.text, hidden)]).toEqual([
            given,
            normalized(expected.text, absent),
          ]);
      }
    }
  },
);
