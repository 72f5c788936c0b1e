import { FORMAT_VERSION } from '@pennon/schema';
import type { OpenAPIObject } from 'trpc-to-openapi';

import { API } from './request.ts';

const ENVIRONMENT = 'production';
const FLAG = 'new-checkout';
const SEGMENT = 'beta-testers';
const NEW_ENVIRONMENT = 'staging';
const AT = '2026-01-31T12:00:00.000Z';

const context = { targetingKey: 'user-123', email: 'ada@example.com', country: 'DE' };
const conditions = [{ attribute: 'email', operator: 'endsWith', value: '@example.com' }];
const rule = {
  id: 'first-countries',
  conditions: [{ attribute: 'country', operator: 'in', value: ['AT', 'DE'] }],
  percentage: 25,
  variant: 'on',
};
const flag = {
  key: FLAG,
  type: 'boolean',
  enabled: true,
  variants: { on: true, off: false },
  defaultVariant: 'off',
  rules: [rule],
};

/**
 * The body of each operation that takes one, by operation id. On a new installation they succeed in this order;
 * a test sends them.
 */
export const BODY_EXAMPLES: Readonly<Record<string, object>> = {
  'environments-create': { key: NEW_ENVIRONMENT, description: 'The last stop before production' },
  'segments-create': { key: SEGMENT, name: 'Beta testers', conditions },
  'segments-replace': { name: 'Beta testers', tags: ['checkout'], conditions },
  'segments-update': { description: 'Customers who try new features first' },
  'segments-copy': { to: NEW_ENVIRONMENT, overwrite: true },
  'flags-create': flag,
  'flags-replace': { ...flag, description: 'The checkout with fewer steps', tags: ['checkout'] },
  'flags-update': { rules: [{ ...rule, percentage: 50 }] },
  'flags-copy': { to: NEW_ENVIRONMENT, overwrite: true },
  'evaluation-evaluate': { flagKey: FLAG, context, explain: true },
  'evaluation-evaluateAll': { context },
  'evaluations-stream': { context },
  'keys-create': { name: 'Checkout service', role: 'server', environment: ENVIRONMENT },
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

/** Path parameters, by the beginning of the path. */
const PATH_EXAMPLES: readonly { readonly path: string; readonly example: string }[] = [
  { path: `${API}/flags/{key}`, example: FLAG },
  { path: `${API}/segments/{key}`, example: SEGMENT },
  { path: `${API}/environments/{key}`, example: NEW_ENVIRONMENT },
];

type Parameter = { readonly name: string; readonly in: string };
type Operation = {
  readonly operationId?: string;
  readonly parameters?: readonly object[];
  readonly requestBody?: object;
};

const METHODS: ReadonlySet<string> = new Set(['get', 'post', 'put', 'patch', 'delete']);

/** Adds examples to the parameters and bodies of all operations, so that readers can try them as they are. */
export const addExamples = (document: OpenAPIObject): OpenAPIObject => ({
  ...document,
  paths: Object.fromEntries(
    Object.entries(document.paths ?? {}).map(([path, item]) => [path, addToPath(path, item)]),
  ),
});

const addToPath = (path: string, item: object): object =>
  Object.fromEntries(
    Object.entries(item).map(([name, value]: [string, Operation]) => [
      name,
      METHODS.has(name) ? addToOperation(path, value) : value,
    ]),
  );

const addToOperation = (path: string, operation: Operation): Operation => {
  const { operationId = '', parameters, requestBody } = operation;
  return {
    ...operation,
    ...(parameters && { parameters: parameters.map(each => addToParameter(path, each)) }),
    ...(requestBody && { requestBody: addToBody(requestBody, BODY_EXAMPLES[operationId]) }),
  };
};

const addToParameter = (path: string, parameter: object): object => {
  const example = exampleOf(path, parameter as Parameter);
  return example === undefined ? parameter : { ...parameter, example };
};

const exampleOf = (path: string, { name, in: place }: Parameter): string | undefined => {
  if (place === 'query' && name === 'environment') return ENVIRONMENT;
  if (place !== 'path' || name !== 'key') return undefined;
  return PATH_EXAMPLES.find(each => path.startsWith(each.path))?.example;
};

const addToBody = (body: object, example: object | undefined): object => {
  if (example === undefined || !('content' in body)) return body;
  const [[type, media] = []] = Object.entries(body.content as Record<string, object>);
  return type === undefined ? body : { ...body, content: { [type]: { ...media, example } } };
};
