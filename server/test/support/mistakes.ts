import type { Role } from '@pennon/schema';

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** A request that a new user gets wrong, on the server that the test prepares. */
export type Mistake = {
  readonly title: string;
  readonly method: Method;
  /** The path with its query. `/api/v1` is put in front unless it begins with another prefix. */
  readonly path: string;
  readonly body?: unknown;
  /** Sent as it is, in place of `body`. */
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The role of the key, in `production`; the admin key for all environments if it is absent. */
  readonly role?: Role;
  readonly noKey?: true;
};

const P = '?environment=production';
const on = { key: 'a', enabled: true };
const rule = (fields: object) => ({ ...on, rules: [fields] });
const condition = (fields: object) => rule({ conditions: [fields], variant: 'on' });
const post = (title: string, body: unknown, more: object = {}): Mistake => ({
  title,
  method: 'POST',
  path: `/flags${P}`,
  body,
  ...more,
});
const patch = (title: string, body: unknown, more: object = {}): Mistake => ({
  title,
  method: 'PATCH',
  path: `/flags/theme${P}`,
  body,
  ...more,
});
const get = (title: string, path: string, more: object = {}): Mistake => ({
  title,
  method: 'GET',
  path,
  ...more,
});
const evaluate = (title: string, body: unknown, more: object = {}): Mistake => ({
  title,
  method: 'POST',
  path: `/evaluate${P}`,
  body,
  ...more,
});
const segment = (title: string, body: unknown): Mistake => ({
  title,
  method: 'POST',
  path: `/segments${P}`,
  body,
});
const key = (title: string, body: unknown, more: object = {}): Mistake => ({
  title,
  method: 'POST',
  path: '/keys',
  body,
  ...more,
});
const importOf = (title: string, body: unknown, more: object = {}): Mistake => ({
  title,
  method: 'POST',
  path: '/import',
  body,
  ...more,
});
const trpc = (title: string, method: Method, path: string, more: object = {}): Mistake => ({
  title,
  method,
  path: `/trpc/${path}`,
  ...more,
});
const exported = (fields: object) => ({
  formatVersion: 1,
  environments: [
    { key: 'staging', createdAt: '2026-01-31T12:00:00Z', flags: [], segments: [], ...fields },
  ],
});
const full = {
  key: 'a',
  type: 'boolean',
  enabled: true,
  variants: { on: true, off: false },
  defaultVariant: 'on',
  rules: [],
  seed: 'a',
  clientVisible: false,
  metadata: {},
  version: 1,
  createdAt: '2026-01-31T12:00:00Z',
  updatedAt: '2026-01-31T12:00:00Z',
};

/** A mistake, the status of its response, the place that the response names (null: none) and a part of its message. */
type Row = readonly [mistake: Mistake, status: number, place: string | null, message: string];

export const MISTAKES: readonly Row[] = [
  // fields of a flag
  [
    post('enable for enabled', { key: 'a', enable: true }),
    400,
    'enable',
    'is an unknown field; did you mean "enabled"?',
  ],
  [post('no enabled', { key: 'a' }), 400, 'enabled', 'is missing: it must be true or false'],
  [
    post('name for key', { name: 'a', enabled: true }),
    400,
    'key',
    'is missing: it must be a string',
  ],
  [
    post('enabled as text', { key: 'a', enabled: 'true' }),
    400,
    'enabled',
    'must be true or false, not a string',
  ],
  [
    post('enabled as number', { key: 'a', enabled: 1 }),
    400,
    'enabled',
    'must be true or false, not a number',
  ],
  [
    post('key with spaces', { key: 'new checkout', enabled: true }),
    400,
    'key',
    'must consist of letters, digits, ".", "_" and "-", start with a letter or digit, and not contain ".."',
  ],
  [
    post('key with a slash', { key: 'shop/checkout', enabled: true }),
    400,
    'key',
    'must consist of letters, digits, ".", "_" and "-", start with a letter or digit, and not contain ".."',
  ],
  [post('empty key', { key: '', enabled: true }), 400, 'key', 'must be 1 to 100 characters'],
  [
    post('percentage at flag level', { ...on, percentage: 10 }),
    400,
    'percentage',
    'is an unknown field; it belongs in a rule: "rules": [{"percentage": …}]',
  ],
  [
    post('rollout at flag level', { ...on, rollout: 10 }),
    400,
    'rollout',
    'is an unknown field; it belongs in a rule: "rules": [{"percentage": …}]',
  ],
  [
    post('variations', { ...on, variations: { on: true } }),
    400,
    'variations',
    'is an unknown field; did you mean "variants"?',
  ],
  [
    post('variants list', { ...on, variants: ['on', 'off'] }),
    400,
    'variants',
    'must be an object of variants such as {"on": true, "off": false}, not a list',
  ],
  [
    post('variants empty', { ...on, variants: {} }),
    400,
    'variants',
    'must have at least one variant',
  ],
  [
    post('default for defaultVariant', { ...on, default: 'on' }),
    400,
    'default',
    'is an unknown field; did you mean "defaultVariant"?',
  ],
  [
    post('defaultValue for defaultVariant or codeDefault', { ...on, defaultValue: true }),
    400,
    'defaultValue',
    'is an unknown field; did you mean "defaultVariant" or "codeDefault"?',
  ],
  [
    post('defaultvariant case', { ...on, defaultvariant: 'on' }),
    400,
    'defaultvariant',
    'is an unknown field; did you mean "defaultVariant"?',
  ],
  [
    post('defaultVariant unknown', {
      ...on,
      variants: { on: true, off: false },
      defaultVariant: 'onn',
    }),
    400,
    'type',
    'is missing: it must be one of "boolean", "string"',
  ],
  [
    post('defaultVariant is a value', { ...on, defaultVariant: true }),
    400,
    'defaultVariant',
    'must be the name of a variant, or null, not a boolean',
  ],
  [post('type bool', { ...on, type: 'bool' }), 400, 'type', 'did you mean "boolean"?'],
  [
    post('type json', { ...on, type: 'json', variants: { a: {} } }),
    400,
    'type',
    'did you mean "object"?',
  ],
  [
    post('type and variants differ', { ...on, type: 'number', variants: { a: '1' } }),
    400,
    'defaultVariant',
    'is missing: it must be the name of a variant, or null',
  ],
  [
    post('mixed variants', { ...on, variants: { a: 1, b: 'b' } }),
    400,
    'type',
    'is missing: it must be one of "boolean", "string"',
  ],
  [
    post('string type without variants', { ...on, type: 'string' }),
    400,
    'variants',
    'is missing: it must be an object of variants such as {"on": true, "off": false}',
  ],
  [
    post('list as variant', { ...on, variants: { a: [1, 2] } }),
    400,
    'variants.a',
    'must be a string, a number, a boolean or a JSON object, without infinite numbers',
  ],
  [
    post('null as variant', { ...on, variants: { a: null } }),
    400,
    'variants.a',
    'must be a string, a number, a boolean or a JSON object, without infinite numbers',
  ],
  [
    post('a tag twice', { ...on, tags: ['beta', 'beta'] }),
    400,
    'tags',
    'must not name the same tag twice',
  ],
  [
    post('a blank tag', { ...on, tags: ['beta', '  '] }),
    400,
    'tags.1',
    'must not consist of white space only',
  ],
  [
    post('a name of two lines', { ...on, name: 'New\ncheckout' }),
    400,
    'name',
    'must be one line of text, without control characters',
  ],
  [
    post('a description with a control character', { ...on, description: 'a\u0000b' }),
    400,
    'description',
    'must not have control characters, apart from tabs and line breaks',
  ],
  [
    patch('a blank description', { description: ' \n ' }),
    400,
    'description',
    'must not consist of white space only',
  ],
  [
    post('a variant name with a control character', { ...on, variants: { 'on\u0007': true } }),
    400,
    'variants.on\u0007',
    'has a name that must be one line of text',
  ],
  [
    post('a blank rule id', rule({ id: ' ', variant: 'on' })),
    400,
    'rules.0.id',
    'must not consist of white space only',
  ],
  [
    segment('a segment with a blank owner', { key: 'a', conditions: [], owner: '\t' }),
    400,
    'owner',
    'must be one line of text',
  ],
  [
    key('a blank key name', { name: ' ', role: 'server', environment: 'production' }),
    400,
    'name',
    'must not consist of white space only',
  ],
  [
    key('an origin twice', {
      name: 'web',
      role: 'client',
      environment: 'production',
      allowedOrigins: ['https://a.example', 'https://a.example'],
    }),
    400,
    'allowedOrigins',
    'must not name the same origin twice',
  ],
  [post('tags as text', { ...on, tags: 'a,b' }), 400, 'tags', 'must be a list, not a string'],
  [
    post('metadata nested', { ...on, metadata: { team: { name: 'x' } } }),
    400,
    'metadata.team',
    'must be a string, a number or a boolean',
  ],
  [
    post('description too long', { ...on, description: 'x'.repeat(2001) }),
    400,
    'description',
    'must be at most 2000 characters',
  ],
  [
    post('environment in body', { ...on, environment: 'production' }),
    400,
    'environment',
    'belongs in the query (?environment=…), not in the body',
  ],
  [
    post('flag exists', { key: 'theme', enabled: true }),
    409,
    null,
    'flag "theme" already exists in environment "production": use PUT or PATCH to change it',
  ],
  [
    post('conditions at flag level', { ...on, conditions: [] }),
    400,
    'conditions',
    'is an unknown field; it belongs in a rule: "rules": [{"conditions": …}]',
  ],
  // rules
  [post('rules as object', { ...on, rules: {} }), 400, 'rules', 'must be a list, not an object'],
  [
    post('rule unknown variant', rule({ variant: 'onn' })),
    400,
    'rules.0.variant',
    'the flag has no variant "onn"; its variants are "off", "on"',
  ],
  [
    post(
      'rule with variant and split',
      rule({ variant: 'on', split: [{ variant: 'on', weight: 1 }] }),
    ),
    400,
    'rules.0',
    'must have either a "variant" or a "split"',
  ],
  [
    post('percentage as text', rule({ percentage: '10' })),
    400,
    'rules.0.percentage',
    'must be a number, not a string',
  ],
  [
    post('percentage 110', rule({ percentage: 110, variant: 'on' })),
    400,
    'rules.0.percentage',
    'must be 0 to 100',
  ],
  [
    post('percentage -1', rule({ percentage: -1, variant: 'on' })),
    400,
    'rules.0.percentage',
    'must be 0 to 100',
  ],
  [
    post('percentage with sign', rule({ percentage: '10%', variant: 'on' })),
    400,
    'rules.0.percentage',
    'must be a number, not a string',
  ],
  [
    post('percent', rule({ percent: 10, variant: 'on' })),
    400,
    'rules.0.percent',
    'is an unknown field; did you mean "percentage"?',
  ],
  [
    post('weights for split', rule({ weights: { on: 1 } })),
    400,
    'rules.0.weights',
    'is an unknown field; did you mean "split"?',
  ],
  [
    post('split as object', rule({ split: { on: 50, off: 50 } })),
    400,
    'rules.0.split',
    'must be a list such as [{"variant": "on", "weight": 50}], not an object',
  ],
  [
    post(
      'split weights as fraction',
      rule({
        split: [
          { variant: 'on', weight: 0.5 },
          { variant: 'off', weight: 0.5 },
        ],
      }),
    ),
    400,
    'rules.0.split.0.weight',
    'must be a whole number from 0 to 100000',
  ],
  [
    post('split all zero', rule({ split: [{ variant: 'on', weight: 0 }] })),
    400,
    'rules.0.split',
    'the total weight must be 1 to 100000, but is 0',
  ],
  [
    post('split negative', rule({ split: [{ variant: 'on', weight: -1 }] })),
    400,
    'rules.0.split.0.weight',
    'must be a whole number from 0 to 100000',
  ],
  [
    post('split unknown variant', rule({ split: [{ variant: 'onn', weight: 1 }] })),
    400,
    'rules.0.split.0.variant',
    'the flag has no variant "onn"; its variants are "off", "on"',
  ],
  [
    post(
      'split twice',
      rule({
        split: [
          { variant: 'on', weight: 1 },
          { variant: 'on', weight: 1 },
        ],
      }),
    ),
    400,
    'rules.0.split.1.variant',
    'the variant "on" is already in this split',
  ],
  [
    post('split without weight', rule({ split: [{ variant: 'on' }] })),
    400,
    'rules.0.split.0.weight',
    'is missing: it must be a whole number from 0 to 100000',
  ],
  [
    post('split percentage', rule({ split: [{ variant: 'on', percentage: 50 }] })),
    400,
    'rules.0.split.0.weight',
    'is missing: it must be a whole number from 0 to 100000',
  ],
  [
    post('bucketby', rule({ bucketby: 'companyId', variant: 'on' })),
    400,
    'rules.0.bucketby',
    'is an unknown field; did you mean "bucketBy"?',
  ],
  [
    post('two rules with one id', {
      ...on,
      rules: [
        { id: 'a', variant: 'on' },
        { id: 'a', variant: 'off' },
      ],
    }),
    400,
    'rules.1.id',
    'another rule of this flag already has the id "a"',
  ],
  [
    post('value without attribute', rule({ operator: 'equals', value: 'a', variant: 'on' })),
    400,
    'rules.0.operator',
    'can only be used together with "attribute"',
  ],
  [
    post('serve', rule({ serve: 'on' })),
    400,
    'rules.0.serve',
    'is an unknown field; did you mean "variant"?',
  ],
  // conditions
  [
    post('regular expressions that are too large together', {
      ...on,
      rules: [
        {
          conditions: Array.from({ length: 2 }, () => ({
            attribute: 'userAgent',
            operator: 'matches',
            value: `(${'.'.repeat(200)}){100}`,
          })),
          variant: 'on',
        },
      ],
    }),
    400,
    'rules.0.conditions.0.value',
    'the size of all together is more than 26000',
  ],
  [
    post('operator equal', condition({ attribute: 'a', operator: 'equal', value: 'x' })),
    400,
    'rules.0.conditions.0.operator',
    'did you mean "equals"?',
  ],
  [
    post('operator ==', condition({ attribute: 'a', operator: '==', value: 'x' })),
    400,
    'rules.0.conditions.0.operator',
    'did you mean "equals"?',
  ],
  [
    post('operator eq', condition({ attribute: 'a', operator: 'eq', value: 'x' })),
    400,
    'rules.0.conditions.0.operator',
    'did you mean "equals"?',
  ],
  [
    post('operator not_in', condition({ attribute: 'a', operator: 'not_in', value: ['x'] })),
    400,
    'rules.0.conditions.0.operator',
    'did you mean "notIn"?',
  ],
  [
    post('operator greater_than', condition({ attribute: 'a', operator: 'gt', value: 3 })),
    400,
    'rules.0.conditions.0.operator',
    'did you mean "greaterThan"?',
  ],
  [
    post('operator startswith', condition({ attribute: 'a', operator: 'startswith', value: 'x' })),
    400,
    'rules.0.conditions.0.operator',
    'did you mean "startsWith"?',
  ],
  [
    post('operator regex', condition({ attribute: 'a', operator: 'regex', value: 'x' })),
    400,
    'rules.0.conditions.0.operator',
    'did you mean "matches"?',
  ],
  [
    post(
      'operator short form',
      rule({ attribute: 'a', operator: 'equal', value: 'x', variant: 'on' }),
    ),
    400,
    'rules.0.operator',
    'did you mean "equals"?',
  ],
  [
    post('no operator', condition({ attribute: 'a', value: 'x' })),
    400,
    'rules.0.conditions.0.operator',
    'is missing: it must be one of "equals", "notEquals", "in"',
  ],
  [
    post('no value', condition({ attribute: 'a', operator: 'equals' })),
    400,
    'rules.0.conditions.0.value',
    'is missing: it must be a string, a number or a boolean',
  ],
  [
    post('values', condition({ attribute: 'a', operator: 'in', values: ['x'] })),
    400,
    'rules.0.conditions.0.values',
    'is an unknown field; did you mean "value"?',
  ],
  [
    post('in with text', condition({ attribute: 'country', operator: 'in', value: 'DE' })),
    400,
    'rules.0.conditions.0.value',
    'must be a list, not a string',
  ],
  [
    post(
      'equals with list',
      condition({ attribute: 'country', operator: 'equals', value: ['DE'] }),
    ),
    400,
    'rules.0.conditions.0.value',
    'must be one value, not a list: use the operator "in" or "notIn" for a list',
  ],
  [
    post('greaterThan text', condition({ attribute: 'age', operator: 'greaterThan', value: '18' })),
    400,
    'rules.0.conditions.0.value',
    'must be a number, not a string',
  ],
  [
    post(
      'before with local date',
      condition({ attribute: 'at', operator: 'before', value: '31.01.2026' }),
    ),
    400,
    'rules.0.conditions.0.value',
    'the operand of `before` must be a date and time such as 2026-01-31T12:00:00Z, but is the string "31.01.2026"',
  ],
  [
    post(
      'before with number',
      condition({ attribute: 'at', operator: 'before', value: 1700000000 }),
    ),
    400,
    'rules.0.conditions.0.value',
    'must be a date and time such as "2026-01-31T12:00:00Z", not a number',
  ],
  [
    post('semver bad', condition({ attribute: 'v', operator: 'semverGreaterThan', value: '1.x' })),
    400,
    'rules.0.conditions.0.value',
    'the operand of `semverGreaterThan` must be a version such as 1.2.3 or 2.0.0-beta.1, but is the string "1.x"',
  ],
  [
    post('cidr bad', condition({ attribute: 'ip', operator: 'inCidr', value: '10.0.0.0/99' })),
    400,
    'rules.0.conditions.0.value',
    'the operand of `inCidr` must be a network such as 10.0.0.0/8 or 2001:db8::/32, an address, or a list of them, but is the string "10.0.0.0/99"',
  ],
  [
    post('regex bad', condition({ attribute: 'a', operator: 'matches', value: '(' })),
    400,
    'rules.0.conditions.0.value',
    'the operand of `matches` must be an RE2 pattern: error parsing regexp: missing closing ): `(`',
  ],
  [
    post('regex lookahead', condition({ attribute: 'a', operator: 'matches', value: '(?=a)' })),
    400,
    'rules.0.conditions.0.value',
    'the operand of `matches` must be an RE2 pattern: error parsing regexp: invalid or unsupported Perl syntax: `(?=`',
  ],
  [
    post('exists false', condition({ attribute: 'a', operator: 'exists', value: false })),
    400,
    'rules.0.conditions.0.value',
    'must be true or absent; for the opposite, add "not": true to the condition',
  ],
  [
    post('contextKind for attribute', condition({ property: 'a', operator: 'equals', value: 'x' })),
    400,
    'rules.0.conditions.0.property',
    'is an unknown field; did you mean "attribute"?',
  ],
  [
    post('attribut', condition({ attribut: 'a', operator: 'equals', value: 'x' })),
    400,
    'rules.0.conditions.0.attribut',
    'is an unknown field; did you mean "attribute"?',
  ],
  [
    post('empty attribute', condition({ attribute: '', operator: 'equals', value: 'x' })),
    400,
    'rules.0.conditions.0.attribute',
    'must be 1 to 256 characters',
  ],
  [
    post('condition as object', rule({ conditions: { attribute: 'a' }, variant: 'on' })),
    400,
    'rules.0.conditions',
    'must be a list, not an object',
  ],
  [
    post('unknown segment', condition({ segment: 'beta-tester' })),
    400,
    'rules.0.conditions.0.segment',
    'refers to segment "beta-tester", which does not exist in this environment: create it first, or use another one; did you mean "beta-testers"?',
  ],
  [
    post('unknown flag', condition({ flag: 'them', variants: ['dark'] })),
    400,
    'rules.0.conditions.0.flag',
    'refers to flag "them", which does not exist in this environment: create it first, or use another one; did you mean "theme"?',
  ],
  [
    post(
      'unknown flag in group',
      condition({ any: [{ all: [{ flag: 'ghost-flag', variants: ['on'] }] }] }),
    ),
    400,
    'rules.0.conditions.0.any.0.all.0.flag',
    'refers to flag "ghost-flag", which does not exist in this environment: create it first, or use another one',
  ],
  [
    post('flag condition variant', condition({ flag: 'theme', variant: 'dark' })),
    400,
    'rules.0.conditions.0.variant',
    'is an unknown field; did you mean "variants"?',
  ],
  [
    post('own key', { ...condition({ flag: 'a', variants: ['on'] }) }),
    400,
    '',
    'depends on itself through flag conditions: remove one of them',
  ],
  [
    post('empty group', condition({ any: [] })),
    400,
    'rules.0.conditions.0.any',
    'must have at least one condition',
  ],
  [
    post('and for all', condition({ and: [] })),
    400,
    'rules.0.conditions.0',
    'must have exactly one of "attribute", "segment", "flag", "any", "all"; did you mean "all"?',
  ],
  [
    post('not as group', condition({ not: { segment: 'beta-testers' } })),
    400,
    'rules.0.conditions.0',
    'must have exactly one of "attribute", "segment", "flag", "any", "all"; add "not": true to that condition',
  ],
  // patches
  [
    patch('patch enable', { enable: true }),
    400,
    'enable',
    'is an unknown field; did you mean "enabled"?',
  ],
  [
    patch('patch unknown variant', { defaultVariant: 'drak' }),
    400,
    'defaultVariant',
    'the flag has no variant "drak"; its variants are "dark", "light"',
  ],
  [
    patch('patch type', { type: 'number' }),
    400,
    'type',
    'is "string" and cannot become "number", because applications read it as "string"; create another flag',
  ],
  [patch('patch key', { key: 'other' }), 400, 'key', 'must be "theme", as in the path'],
  [
    patch('patch without body', undefined),
    400,
    '',
    'is missing: it must be a JSON object with any of "allowNoEffect", "type", "enabled", "variants", "defaultVariant", "rules", "seed", "clientVisible",',
  ],
  [
    patch('patch list', [{ op: 'replace' }]),
    400,
    '',
    'must be a JSON object with any of "allowNoEffect", "type", "enabled", "variants", "defaultVariant", "rules", "seed", "clientVisible", "metadata",',
  ],
  [
    patch('patch enabled null', { enabled: null }),
    400,
    'enabled',
    'must be true or false, not null',
  ],
  [patch('patch version', { version: 3 }), 400, 'version', 'is an unknown field'],
  // requests
  [
    { ...patch('unknown flag key', { enabled: true }), path: `/flags/them${P}` },
    404,
    null,
    'flag "them" does not exist in environment "production"; did you mean "theme"?',
  ],
  [
    { ...patch('unquoted etag', { enabled: true }), headers: { 'if-match': 'abc.1.def' } },
    400,
    'If-Match',
    'must be "*" or quoted entity tags such as "abc": send the ETag header of a response as it is',
  ],
  [
    { ...patch('stale etag', { enabled: true }), headers: { 'if-match': '"abc.1.def"' } },
    412,
    null,
    'flag "theme" has changed: its current version is',
  ],
  [
    { ...patch('version as etag', { enabled: true }), headers: { 'if-match': '3' } },
    400,
    'If-Match',
    'must be "*" or quoted entity tags such as "abc": send the ETag header of a response as it is',
  ],
  [
    get('trailing slash', `/flags/${P}`),
    404,
    null,
    'this route does not exist: remove the slash at the end, as in /api/v1/flags',
  ],
  [
    get('trailing slash one', `/flags/theme/${P}`),
    404,
    null,
    'this route does not exist: remove the slash at the end, as in /api/v1/flags/theme',
  ],
  [
    get('flag without s', `/flag/theme${P}`),
    404,
    null,
    'this route does not exist; did you mean /api/v1/flags/{key}? see /docs',
  ],
  [
    get('no version', `/api/flags${P}`),
    404,
    null,
    'this route does not exist; did you mean /api/v1/flags? see /docs',
  ],
  [
    get('env', '/flags?env=production'),
    400,
    'env',
    'is not a query parameter of this route; did you mean "environment"?',
  ],
  [
    get('unknown environment', '/flags?environment=prod'),
    404,
    null,
    'environment "prod" does not exist; did you mean "production"? The environments are "development", "production"',
  ],
  [
    get('unknown environment 2', '/flags?environment=prduction'),
    404,
    null,
    'environment "prduction" does not exist; did you mean "production"? The environments are "development", "production"',
  ],
  [
    get('no environment', '/flags'),
    400,
    'environment',
    'is required for a key of all environments',
  ],
  [
    get('other environment', '/flags?environment=development', { role: 'editor' }),
    403,
    null,
    'this key is for environment "production" only: leave out "environment", or use another key',
  ],
  [
    get('unknown env own key', '/flags?environment=prod', { role: 'editor' }),
    403,
    null,
    'this key is for environment "production" only: leave out "environment", or use another key',
  ],
  [get('limit 1000', `/flags${P}&limit=1000`), 400, 'limit', 'must be 1 to 200'],
  [get('limit text', `/flags${P}&limit=all`), 400, 'limit', 'must be a whole number'],
  [get('page', `/flags${P}&page=2`), 400, 'page', 'is not a query parameter of this route'],
  [
    get('cursor made up', `/flags${P}&cursor=2`),
    400,
    'cursor',
    'is not a cursor of this list: use the nextCursor of the previous page',
  ],
  [get('type filter', `/flags${P}&type=bool`), 400, 'type', 'did you mean "boolean"?'],
  [
    get('enabled filter', `/flags${P}&enabled=yes`),
    400,
    'enabled',
    'must be true or false, not a string',
  ],
  [
    { title: 'PUT on list', method: 'PUT', path: `/flags${P}`, body: on },
    405,
    null,
    'this route does not support PUT; use GET, HEAD, PATCH, POST',
  ],
  [
    { title: 'POST on one', method: 'POST', path: `/flags/theme${P}`, body: on },
    405,
    null,
    'this route does not support POST; use DELETE, GET, HEAD, PATCH, PUT',
  ],
  [
    { title: 'delete used', method: 'DELETE', path: `/segments/beta-testers${P}` },
    409,
    null,
    'segment "beta-testers" is used by flag "rollout": change them first',
  ],
  [
    { title: 'delete unknown', method: 'DELETE', path: `/flags/themee${P}` },
    404,
    null,
    'flag "themee" does not exist in environment "production"; did you mean "theme"?',
  ],
  [
    post('no content type', undefined, {
      text: '{"key":"a","enabled":true}',
      headers: { 'content-type': 'text/plain' },
    }),
    415,
    null,
    'send JSON, with the header "Content-Type: application/json"',
  ],
  [
    post('form', undefined, {
      text: 'key=a&enabled=true',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    }),
    415,
    null,
    'send JSON, with the header "Content-Type: application/json"',
  ],
  [
    post('broken json', undefined, { text: "{'key':'a'}" }),
    400,
    null,
    "the body is not valid JSON in UTF-8: Expected property name or '}' in JSON at position 1 (line 1 column 2)",
  ],
  [
    post('trailing comma', undefined, { text: '{"key":"a",}' }),
    400,
    null,
    'the body is not valid JSON in UTF-8: Expected double-quoted property name in JSON at position 11 (line 1 column 12)',
  ],
  [
    post('no body', undefined),
    400,
    '',
    'is missing: it must be a JSON object with "key", "enabled"',
  ],
  [post('list body', [on]), 400, '', 'must be a JSON object with "key", "enabled"'],
  // auth
  [
    get('no key', `/flags${P}`, { noKey: true }),
    401,
    null,
    'a key is required: send the header "Authorization: Bearer <key>" or "X-API-Key: <key>"',
  ],
  [
    get('key without Bearer', `/flags${P}`, {
      noKey: true,
      headers: { authorization: 'pennon_admin_x' },
    }),
    401,
    null,
    'the Authorization header must be "Bearer <key>"',
  ],
  [
    get('unknown key', `/flags${P}`, { noKey: true, headers: { authorization: 'Bearer nope' } }),
    401,
    null,
    'the key does not exist or was revoked: use another key',
  ],
  [
    get('basic', `/flags${P}`, { noKey: true, headers: { authorization: 'Basic abc' } }),
    401,
    null,
    'the Authorization header must be "Bearer <key>"',
  ],
  [
    post('viewer writes', on, { role: 'viewer' }),
    403,
    null,
    'a key with role "viewer" lacks the permission "flags.write": use a key with role "admin" or "editor"',
  ],
  [
    post('server writes', on, { role: 'server' }),
    403,
    null,
    'a key with role "server" lacks the permission "flags.write": use a key with role "admin" or "editor"',
  ],
  [
    get('client lists', `/flags${P}`, { role: 'client' }),
    403,
    null,
    'a key with role "client" lacks the permission "flags.read": use a key with role "admin" or "editor" or "viewer"',
  ],
  [
    get('editor flag-set', '/flag-set', { role: 'editor' }),
    403,
    null,
    'a key with role "editor" lacks the permission "flagSet.read": use a key with role "admin" or "server"',
  ],
  [
    get('server key metrics', '/metrics', { role: 'server' }),
    403,
    null,
    'a key with role "server" lacks the permission "metrics.read": use a key with role "admin" or "editor" or "viewer"',
  ],
  [
    key(
      'editor makes key',
      { name: 'a', role: 'server', environment: 'production' },
      { role: 'editor' },
    ),
    403,
    null,
    'a key with role "editor" lacks the permission "keys.manage": use a key with role "admin"',
  ],
  [
    {
      title: 'editor deletes environment',
      method: 'DELETE',
      path: '/environments/development',
      role: 'editor',
    },
    403,
    null,
    'a key with role "editor" lacks the permission "environments.manage": use a key with role "admin"',
  ],
  [
    evaluate(
      'client explain',
      { flagKey: 'theme', context: {}, explain: true },
      { role: 'client' },
    ),
    403,
    null,
    'a key with role "client" lacks the permission "explain": use a key with role "admin" or "editor" or "viewer" or "server"',
  ],
  [
    {
      title: 'env admin creates environment',
      method: 'POST',
      path: '/environments',
      body: { key: 'x' },
      role: 'admin',
    },
    403,
    null,
    'creating an environment requires a key for all environments ("*")',
  ],
  // evaluate
  [
    evaluate('flag for flagKey', { flag: 'theme', context: {} }),
    400,
    'flag',
    'is an unknown field; did you mean "flagKey"?',
  ],
  [
    evaluate('key for flagKey', { key: 'theme', context: {} }),
    400,
    'key',
    'is an unknown field; did you mean "flagKey"?',
  ],
  [
    evaluate('no context', { flagKey: 'theme' }),
    400,
    'context',
    'is missing: it must be a JSON object',
  ],
  [
    evaluate('context text', { flagKey: 'theme', context: 'user-1' }),
    400,
    'context',
    'must be a JSON object',
  ],
  [
    evaluate('user for context', { flagKey: 'theme', user: { id: '1' } }),
    400,
    'user',
    'is an unknown field; did you mean "context"?',
  ],
  [
    evaluate('evaluate unknown flag', { flagKey: 'themee', context: {} }),
    404,
    null,
    'there is no flag "themee"; did you mean "theme"?',
  ],
  [
    evaluate('unknown flag client', { flagKey: 'themee', context: {} }, { role: 'client' }),
    404,
    null,
    'there is no flag "themee"',
  ],
  [
    evaluate('defaultValue', { flagKey: 'theme', context: {}, defaultValue: 'x' }),
    400,
    'defaultValue',
    'is an unknown field',
  ],
  [
    evaluate('evaluate environment in body', {
      flagKey: 'theme',
      context: {},
      environment: 'production',
    }),
    400,
    'environment',
    'belongs in the query (?environment=…), not in the body',
  ],
  [
    get('evaluate GET', `/evaluate${P}`),
    405,
    null,
    'this route does not support GET; use OPTIONS, POST',
  ],
  [
    {
      title: 'flagKeys text',
      method: 'POST',
      path: `/evaluations${P}`,
      body: { context: {}, flagKeys: 'theme' },
    },
    400,
    'flagKeys',
    'must be a list, not a string',
  ],
  [
    {
      title: 'flags for flagKeys',
      method: 'POST',
      path: `/evaluations${P}`,
      body: { context: {}, flags: ['theme'] },
    },
    400,
    'flags',
    'is an unknown field; did you mean "flagKeys"?',
  ],
  // segments
  [
    segment('rules for conditions', { key: 's', rules: [] }),
    400,
    'rules',
    'is an unknown field; did you mean "conditions"?',
  ],
  [segment('no conditions', { key: 's' }), 400, 'conditions', 'is missing: it must be a list'],
  [
    segment('empty conditions', { key: 's', conditions: [] }),
    400,
    'conditions',
    'must have at least one condition',
  ],
  [
    segment('segment in segment', { key: 's', conditions: [{ segment: 'beta-testers' }] }),
    400,
    'conditions.0',
    'must have exactly one of "attribute", "any", "all"',
  ],
  [
    segment('enabled of a segment', {
      key: 's',
      enabled: true,
      conditions: [{ attribute: 'a', operator: 'exists' }],
    }),
    400,
    'enabled',
    'is an unknown field',
  ],
  [
    segment('misspelt operator', {
      key: 's',
      conditions: [{ attribute: 'a', operator: 'equls', value: 1 }],
    }),
    400,
    'conditions.0.operator',
    'did you mean "equals"?',
  ],
  // copy
  [
    { title: 'copy without body', method: 'POST', path: `/flags/theme/copy${P}` },
    400,
    '',
    'is missing: it must be a JSON object with "to"',
  ],
  [
    { title: 'copy empty', method: 'POST', path: `/flags/theme/copy${P}`, body: {} },
    400,
    'to',
    'is missing: it must be a string',
  ],
  [
    {
      title: 'copy environment',
      method: 'POST',
      path: `/flags/theme/copy${P}`,
      body: { target: 'development' },
    },
    400,
    'target',
    'is an unknown field; did you mean "to"?',
  ],
  [
    {
      title: 'copy to unknown',
      method: 'POST',
      path: `/flags/theme/copy${P}`,
      body: { to: 'developmnt' },
    },
    404,
    null,
    'environment "developmnt" does not exist; did you mean "development"? The environments are "development", "production"',
  ],
  [
    {
      title: 'copy to self',
      method: 'POST',
      path: `/flags/theme/copy${P}`,
      body: { to: 'production' },
    },
    400,
    'to',
    'must be another environment',
  ],
  [
    {
      title: 'copy needs segment',
      method: 'POST',
      path: `/flags/rollout/copy${P}`,
      body: { to: 'development' },
    },
    400,
    'rules.0.conditions.0.segment',
    'refers to segment "beta-testers", which does not exist in this environment: create it first, or use another one',
  ],
  // keys
  [
    key('role sdk', { name: 'a', role: 'sdk', environment: 'production' }),
    400,
    'role',
    'did you mean "server"?',
  ],
  [
    key('role reader', { name: 'a', role: 'Viewer', environment: 'production' }),
    400,
    'role',
    'did you mean "viewer"?',
  ],
  [
    key('key unknown environment', { name: 'a', role: 'server', environment: 'prod' }),
    400,
    'environment',
    'must be an environment that exists, and "prod" does not; did you mean "production"? The environments are "development", "production"',
  ],
  [
    key('server for all', { name: 'a', role: 'server', environment: '*' }),
    400,
    'environment',
    'a "server" key must belong to one environment',
  ],
  [
    key('expiry as date', {
      name: 'a',
      role: 'server',
      environment: 'production',
      expiresAt: '2030-01-01',
    }),
    400,
    'expiresAt',
    'must be a date and time such as "2026-01-31T12:00:00Z"',
  ],
  [
    key('expired', {
      name: 'a',
      role: 'server',
      environment: 'production',
      expiresAt: '2020-01-01T00:00:00Z',
    }),
    400,
    'expiresAt',
    'must be in the future',
  ],
  [
    key('origin with path', {
      name: 'a',
      role: 'client',
      environment: 'production',
      allowedOrigins: ['https://a.example/'],
    }),
    400,
    'allowedOrigins.0',
    'must be an origin as browsers send it, such as "https://app.example.com"',
  ],
  [
    key('origin pattern', {
      name: 'a',
      role: 'client',
      environment: 'production',
      allowedOrigins: ['https://app.example.com', 'https://*.example.com'],
    }),
    400,
    'allowedOrigins.1',
    'must be a single origin without "*"',
  ],
  [
    key('origins text', {
      name: 'a',
      role: 'client',
      environment: 'production',
      allowedOrigins: 'https://a.example',
    }),
    400,
    'allowedOrigins',
    'must be a list, not a string',
  ],
  [
    key('no name', { role: 'server', environment: 'production' }),
    400,
    'name',
    'is missing: it must be a string',
  ],
  [
    { title: 'delete key unknown', method: 'DELETE', path: '/keys/nope' },
    404,
    null,
    'key "nope" does not exist: use the id of a key, from GET /api/v1/keys',
  ],
  // environments
  [
    {
      title: 'environment exists',
      method: 'POST',
      path: '/environments',
      body: { key: 'production' },
    },
    409,
    null,
    'environment "production" already exists: choose another key',
  ],
  [
    { title: 'environment keys', method: 'POST', path: '/environments', body: { keys: 'staging' } },
    400,
    'keys',
    'is an unknown field; did you mean "key"?',
  ],
  [
    { title: 'delete unknown env', method: 'DELETE', path: '/environments/stagin' },
    404,
    null,
    'environment "stagin" does not exist; the environments are "development", "production"',
  ],
  // import
  [
    importOf('import flag list', [full]),
    400,
    '',
    'must be a JSON object with "formatVersion", "environments"',
  ],
  [importOf('import one flag', full), 400, 'key', 'is an unknown field; did you mean "keys"?'],
  [
    importOf('import formatVersion 2', { ...exported({}), formatVersion: 2 }),
    400,
    'formatVersion',
    'must be 1',
  ],
  [
    importOf('import without segments', {
      formatVersion: 1,
      environments: [{ key: 's', createdAt: '2026-01-31T12:00:00Z', flags: [] }],
    }),
    400,
    'environments.0.segments',
    'is missing: it must be a list',
  ],
  [
    importOf('import unknown variant', exported({ flags: [{ ...full, defaultVariant: 'onn' }] })),
    400,
    'environments.0.flags.a.defaultVariant',
    'the flag has no variant "onn"; its variants are "off", "on"',
  ],
  [
    importOf(
      'import unknown segment',
      exported({
        flags: [
          {
            ...full,
            rules: [{ id: 'r', conditions: [{ any: [{ segment: 'nope' }] }], variant: 'on' }],
          },
        ],
      }),
    ),
    400,
    'environments.0.flags.a.rules.0.conditions.0.any.0.segment',
    'refers to segment "nope", which does not exist in this environment: create it first, or use another one',
  ],
  [
    importOf(
      'import unknown flag',
      exported({
        flags: [
          {
            ...full,
            rules: [{ id: 'r', conditions: [{ flag: 'nope', variants: ['on'] }], variant: 'on' }],
          },
        ],
      }),
    ),
    400,
    'environments.0.flags.a.rules.0.conditions.0.flag',
    'refers to flag "nope", which does not exist in this environment: create it first, or use another one',
  ],
  [
    importOf('import duplicate', exported({ flags: [full, full] })),
    400,
    'environments.0.flags.1',
    'is a duplicate of "a"',
  ],
  [
    importOf('import dryrun', exported({}), { path: '/import?dryrun=true' }),
    400,
    'dryrun',
    'is not a query parameter of this route; did you mean "dryRun"?',
  ],
  [
    importOf('import dryRun body', { ...exported({}), dryRun: true }),
    400,
    'dryRun',
    'belongs in the query (?dryRun=…), not in the body',
  ],
  [
    importOf('import existing', {
      formatVersion: 1,
      environments: [
        { key: 'production', createdAt: '2026-01-31T12:00:00Z', flags: [], segments: [] },
      ],
    }),
    409,
    null,
    'nothing was imported, because this would overwrite environment "production": check the dry run, then set "overwrite" to replace them',
  ],
  // audit
  [
    get('audit action', `/audit${P}&action=update`),
    400,
    'action',
    'must be one of "flag.create", "flag.replace"',
  ],
  [
    get('audit from', `/audit${P}&from=yesterday`),
    400,
    'from',
    'must be a date and time such as "2026-01-31T12:00:00Z"',
  ],
  [get('empty tag', `/flags${P}&tag=`), 400, 'tag', 'must not be empty'],
  [
    get('audit reversed', `/audit${P}&from=2026-02-01T00:00:00Z&until=2026-01-31T00:00:00Z`),
    400,
    'until',
    'must not be before "from"',
  ],
  [
    get('audit both', `/audit${P}&flag=a&segment=b`),
    400,
    'segment',
    'cannot be combined with "flag"',
  ],
  [
    get('audit env', '/audit?environment=prod'),
    404,
    null,
    'environment "prod" does not exist; did you mean "production"? The environments are "development", "production"',
  ],
  // tRPC
  [
    trpc('procedure unknown', 'GET', 'flags.lst'),
    404,
    null,
    'there is no procedure "flags.lst"; did you mean "flags.list"? see /docs',
  ],
  [
    trpc('query by POST', 'POST', 'flags.list', { body: {} }),
    405,
    null,
    'the procedure "flags.list" is a query: use GET, not POST',
  ],
  [
    trpc('mutation by GET', 'GET', 'flags.create'),
    405,
    null,
    'the procedure "flags.create" is a mutation: use POST, not GET',
  ],
  [
    trpc('trpc wrong input', 'POST', 'flags.create', {
      body: { environment: 'production', key: 'a', enable: true },
    }),
    400,
    'enable',
    'is an unknown field; did you mean "enabled"?',
  ],
  [
    trpc('trpc viewer', 'POST', 'flags.create', {
      body: { key: 'a', enabled: true },
      role: 'viewer',
    }),
    403,
    null,
    'a key with role "viewer" lacks the permission "flags.write": use a key with role "admin" or "editor"',
  ],
  [
    trpc(
      'trpc unknown env',
      'GET',
      `flags.list?input=${encodeURIComponent('{"environment":"prod"}')}`,
    ),
    404,
    null,
    'environment "prod" does not exist; did you mean "production"? The environments are "development", "production"',
  ],
];
