import { FORMAT_VERSION, isJsonObject, type JsonObject } from '@pennon/schema';

import { MANIFEST_API } from './manifest-errors.ts';
import { mapObject, objectIn } from './openapi-json.ts';
import { OFREP_API } from './ofrep-errors.ts';
import { API } from './request.ts';

const ENVIRONMENT = 'production';
const FLAG = 'new-checkout';
const MANIFEST_FLAG = 'fuzzy-search';
const SEGMENT = 'beta-testers';
const METRIC = 'bought';
const EXPERIMENT = 'checkout-2';
const LAYER = 'checkout-layer';
const RAMP = 'checkout-release';
const NEW_ENVIRONMENT = 'staging';
const AT = '2026-01-31T12:00:00.000Z';

const context = { targetingKey: 'user-123', email: 'ada@example.com', country: 'DE' };
const conditions = [{ attribute: 'email', operator: 'in', value: ['ada@example.com'] }];
const rule = {
  id: 'first-countries',
  conditions: [{ attribute: 'country', operator: 'in', value: ['AT', 'DE'] }],
  percentage: 25,
  variant: 'on',
};
const experimentRule = {
  id: 'checkout-test',
  conditions: [],
  split: [
    { variant: 'off', weight: 1 },
    { variant: 'on', weight: 1 },
  ],
};
const flag = {
  key: FLAG,
  type: 'boolean',
  enabled: true,
  variants: { on: true, off: false },
  defaultVariant: 'off',
  rules: [rule, experimentRule],
};

const metric = {
  kind: 'conversion',
  event: 'bought',
  window: { fromMs: 0, toMs: 604_800_000 },
  direction: 'increase',
};
const experiment = {
  hypothesis: 'One page sells more.',
  flag: FLAG,
  rule: experimentRule.id,
  control: 'off',
  metrics: [{ metric: METRIC, role: 'primary', minimumEffect: 0.03 }],
};

const ramp = {
  flag: FLAG,
  rule: 'release',
  control: 'off',
  treatment: 'on',
  steps: [
    { share: 1, holdMinutes: 60 },
    { share: 25, holdMinutes: 720 },
    { share: 50, holdMinutes: 1_440, approval: true },
  ],
  guardrails: [{ metric: METRIC, tolerance: 0.02, onHarm: 'rollback' }],
};

/**
 * Bodies by operation id, of operations that share values or have no procedure of their own. On a new server
 * they succeed in this order, after the examples of procedures; a test sends them.
 */
export const BODY_EXAMPLES: Readonly<Record<string, JsonObject>> = {
  'segments-create': { key: SEGMENT, name: 'Beta testers', conditions },
  'segments-replace': { name: 'Beta testers', tags: ['checkout'], conditions },
  'segments-update': { description: 'Customers who try new features first' },
  'segments-updateMembers': { attribute: 'email', add: ['grace@example.com'], remove: [] },
  'segments-revert': { version: 1 },
  'segments-copy': { to: NEW_ENVIRONMENT, overwrite: true },
  'flags-create': flag,
  'flags-replace': { ...flag, description: 'The checkout with fewer steps', tags: ['checkout'] },
  'flags-update': { rules: [{ ...rule, percentage: 50 }, experimentRule] },
  'flags-updateMany': { keys: [FLAG], patch: { tags: ['checkout', 'autumn'] } },
  'flags-tagMany': { keys: [FLAG], add: ['billing'], remove: ['autumn'] },
  'flags-deleteMany': { keys: [FLAG], dryRun: true },
  'environments-promote': { from: ENVIRONMENT, flags: [FLAG], dryRun: true },
  'flags-addRule': {
    id: 'employees',
    attribute: 'email',
    operator: 'endsWith',
    value: '@example.com',
    position: { before: rule.id },
  },
  'flags-updateRule': { percentage: 75 },
  'flags-updateRuleMembers': { attribute: 'country', add: ['CH'], remove: ['DE'] },
  'flags-revert': { version: 1 },
  'flags-copy': { to: NEW_ENVIRONMENT, overwrite: true },
  'metrics-create': { key: METRIC, ...metric },
  'metrics-replace': metric,
  'metrics-update': { description: 'At least one purchase within a week' },
  'metrics-copy': { to: NEW_ENVIRONMENT, overwrite: true },
  'experiments-create': { key: EXPERIMENT, ...experiment },
  'experiments-replace': experiment,
  'experiments-update': { owner: 'ada' },
  'experiments-copy': { to: NEW_ENVIRONMENT, overwrite: true },
  'layers-create': { key: LAYER, name: 'Checkout' },
  'layers-replace': { name: 'Checkout', tags: ['checkout'] },
  'layers-update': { description: 'Experiments on the checkout exclude each other' },
  'layers-claim': { experiment: EXPERIMENT, slots: 5 },
  'experiments-putStatistics': {
    units: { off: 1_000, on: 1_010 },
    metrics: {
      [METRIC]: {
        off: { mature: { n: 900, sum: 90, sumSquares: 90 }, soFar: 95 },
        on: { mature: { n: 905, sum: 101, sumSquares: 101 }, soFar: 108 },
      },
    },
  },
  'experiments-unit': { unit: 'ada' },
  'experiments-decide': { variant: 'on' },
  'ramps-create': { key: RAMP, ...ramp },
  'ramps-replace': ramp,
  'ramps-update': { owner: 'ada' },
  'ramps-copy': { to: NEW_ENVIRONMENT, overwrite: true },
  'evaluation-evaluate': { flagKey: FLAG, context, explain: true },
  'evaluation-evaluateAll': { context },
  'evaluations-stream': { context },
  'usage-report': {
    instance: 'p7nUu3bKQhyWcXo1dZr5Rg',
    sequence: 1,
    from: AT,
    until: '2026-01-31T12:01:00.000Z',
    counts: [[FLAG, 'on', 'SPLIT', 12]],
    sdk: 'my-provider 1.0.0',
  },
  'events-send': {
    instance: 'p7nUu3bKQhyWcXo1dZr5Rg',
    sequence: 1,
    sentAtMs: Date.parse(AT),
    sdk: 'my-provider 1.0.0',
    events: [
      {
        type: 'track',
        name: 'bought',
        timeMs: Date.parse(AT),
        value: 99.77,
        attributes: { currency: 'EUR' },
        units: { targetingKey: 'ada' },
      },
    ],
  },
  'events-erase': { attribute: 'targetingKey', unit: 'ada' },
  'ofrep-evaluate': { context },
  'ofrep-evaluateAll': { context },
  'manifest-create': {
    key: MANIFEST_FLAG,
    type: 'boolean',
    description: 'Search with typing errors',
    defaultValue: false,
  },
  'manifest-change': {
    key: MANIFEST_FLAG,
    type: 'boolean',
    description: 'Search in spite of typing errors',
    defaultValue: true,
  },
  'transfer-import': {
    formatVersion: FORMAT_VERSION,
    environments: [
      {
        key: 'imported',
        createdAt: AT,
        flags: [
          {
            ...flag,
            seed: FLAG,
            clientVisible: true,
            metadata: {},
            version: 1,
            createdAt: AT,
            updatedAt: AT,
          },
        ],
        segments: [],
      },
    ],
  },
};

const RULE_PATH = `${API}/flags/{key}/rules/{id}`;

/** Path parameters, by the beginning of the path. */
const PATH_EXAMPLES: readonly { readonly path: string; readonly example: string }[] = [
  { path: `${API}/flags/{key}`, example: FLAG },
  { path: `${OFREP_API}/evaluate/flags/{key}`, example: FLAG },
  { path: `${MANIFEST_API}/flags/{key}`, example: MANIFEST_FLAG },
  { path: `${API}/segments/{key}`, example: SEGMENT },
  { path: `${API}/metrics/{key}`, example: METRIC },
  { path: `${API}/layers/{key}`, example: LAYER },
  { path: `${API}/experiments/{key}`, example: EXPERIMENT },
  { path: `${API}/ramps/{key}`, example: RAMP },
  { path: `${API}/environments/{key}`, example: NEW_ENVIRONMENT },
  { path: `${API}/contexts/{key}`, example: 'ada' },
  { path: `${API}/groups/{key}`, example: 'checkout-team' },
];

/** Adds examples to the parameters and bodies of all operations, so that readers can send them as they are. */
export const addExamples = (document: JsonObject): JsonObject => ({
  ...document,
  paths: mapObject(objectIn(document, 'paths'), (path, item) =>
    mapObject(item, (_, operation) => addToOperation(path, operation)),
  ),
});

const addToOperation = (path: string, operation: JsonObject): JsonObject => {
  const { operationId, parameters, requestBody } = operation;
  const example = typeof operationId === 'string' ? BODY_EXAMPLES[operationId] : undefined;
  return {
    ...operation,
    ...(Array.isArray(parameters) && {
      parameters: parameters.filter(isJsonObject).map(each => addToParameter(path, each)),
    }),
    ...(isJsonObject(requestBody) && example && { requestBody: addToBody(requestBody, example) }),
  };
};

const addToParameter = (path: string, parameter: JsonObject): JsonObject => {
  const example = exampleOf(path, parameter);
  return example === undefined ? parameter : { ...parameter, example };
};

const exampleOf = (path: string, { name, in: place }: JsonObject): string | number | undefined => {
  // The example of an import is an export, which names its environments.
  if (path === `${API}/import`) return undefined;
  if (place === 'query' && name === 'environment') return ENVIRONMENT;
  if (path === `${API}/usage` && name === 'flag') return FLAG;
  if (place === 'query' && name === 'confirm') return NEW_ENVIRONMENT;
  if (name === 'from' && place === 'path') return ENVIRONMENT;
  if (name === 'to') return NEW_ENVIRONMENT;
  if (place === 'path' && name === 'experiment') return EXPERIMENT;
  if (place === 'path' && name === 'version') return 1;
  if (path.startsWith(RULE_PATH) && name === 'id') return rule.id;
  if (place !== 'path' || name !== 'key') return undefined;
  return PATH_EXAMPLES.find(each => path.startsWith(each.path))?.example;
};

const addToBody = (body: JsonObject, example: JsonObject): JsonObject => ({
  ...body,
  content: mapObject(objectIn(body, 'content'), (_, media) => ({ ...media, example })),
});
