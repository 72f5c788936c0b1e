/** A request that costs a server much, or did. */
export type CostlyRequest = {
  readonly name: string;
  readonly path: string;
  /** Returns the text of the body of each request, which are sent one after the other. Empty for a GET. */
  readonly body: (index: number) => string;
  /** How often the request is sent; once by default. */
  readonly count?: number;
  /** Flags that exist before. */
  readonly flags?: () => readonly object[];
  /** Returns the body of an import that is made before. */
  readonly imported?: () => string;
  /** Whether it takes seconds, so that `--quick` leaves it out. */
  readonly isSlow?: boolean;
};

const CREATED_AT = '2026-01-01T00:00:00.000Z';

const importOf = (flags: readonly unknown[]): string =>
  JSON.stringify({
    formatVersion: 1,
    environments: [{ key: 'production', createdAt: CREATED_AT, flags, segments: [] }],
  });

const times = <Item>(count: number, item: (index: number) => Item): Item[] =>
  Array.from({ length: count }, (_, index) => item(index));

const flag = (index: number, enabled = true) => ({
  key: `flag-${index}`,
  type: 'boolean',
  enabled,
  description: 'x'.repeat(2_000),
  variants: { on: true, off: false },
  defaultVariant: 'off',
  clientVisible: false,
  rules: times(10, rule => ({
    id: `rule-${rule}`,
    conditions: [
      { attribute: 'plan', operator: 'in', value: times(20, value => `value-${value}`) },
    ],
    variant: 'on',
  })),
  tags: [],
  metadata: {},
  seed: `flag-${index}`,
  version: 1,
  createdAt: CREATED_AT,
  updatedAt: CREATED_AT,
});

const EVALUATE = '/api/v1/evaluate?environment=production';
const FLAGS = '/api/v1/flags?environment=production';
/** As large as one pattern can be. */
const HEAVY = `(${'.'.repeat(249)}){100}`;

const matches = (value: string) => ({ attribute: 'text', operator: 'matches', value });
const network = (index: number): string => `192.${index >> 8}.${index & 255}.0/24`;
const flagOf = (conditions: readonly object[]) => ({
  key: 'flag',
  enabled: true,
  rules: [{ id: 'rule', conditions, variant: 'on' }],
});
const evaluationOf = (context: object): string => JSON.stringify({ flagKey: 'flag', context });

export const IMPORT = '/api/v1/import?overwrite=true';

const largeImport = (enabled: boolean): string =>
  importOf(times(10_000, index => flag(index, enabled)));

const flagWith = (rules: readonly unknown[]): string =>
  JSON.stringify({ key: 'costly', enabled: true, rules });

/** Groups of empty conditions, each of which is a problem. */
const nested = (depth: number, width: number): unknown[] =>
  times(width, () => (depth === 0 ? {} : { any: nested(depth - 1, width) }));

const segments = { conditions: times(50, () => ({ segment: 'beta' })), variant: 'on' };

export const COSTLY_REQUESTS: readonly CostlyRequest[] = [
  {
    name: 'flag of nested groups of empty conditions',
    path: FLAGS,
    body: () => flagWith(times(20, () => ({ conditions: nested(2, 22) }))),
  },
  {
    name: 'flag of 10,000 conditions',
    path: FLAGS,
    body: () => flagWith(times(200, () => segments)),
  },
  {
    name: 'flag of 200,000 nulls in lists',
    path: FLAGS,
    body: () =>
      flagWith(
        times(100, () => ({
          conditions: [{ attribute: 'plan', operator: 'in', value: times(2_000, () => null) }],
        })),
      ),
  },
  {
    name: 'import of 2,000,000 nulls',
    isSlow: true,
    path: IMPORT,
    body: () => importOf(times(2_000_000, () => null)),
  },
  {
    name: 'import of 57 MiB of nulls in a flag',
    isSlow: true,
    path: IMPORT,
    body: () => importOf([{ ...flag(0), rules: times(12_000_000, () => null) }]),
  },
  {
    name: 'import of an object with 1,000,000 names',
    isSlow: true,
    path: IMPORT,
    body: () => JSON.stringify(Object.fromEntries(times(1_000_000, index => [`name-${index}`, 0]))),
  },
  {
    name: 'import of 10,000 valid flags, 55 MiB',
    isSlow: true,
    path: IMPORT,
    body: () => largeImport(true),
  },
  {
    name: 'import that changes 10,000 flags, 55 MiB',
    isSlow: true,
    path: IMPORT,
    imported: () => largeImport(true),
    body: () => largeImport(false),
  },
  {
    name: 'first read of a flag set of 10,000 flags',
    isSlow: true,
    path: '/api/v1/flag-set?environment=production',
    imported: () => largeImport(true),
    body: () => '',
  },
  {
    name: 'write of a flag beside 10,000 others',
    isSlow: true,
    path: FLAGS,
    imported: () => largeImport(true),
    body: () => JSON.stringify({ key: 'another', enabled: true }),
  },
  {
    name: 'evaluation of 20,000 addresses with 5,000 networks',
    path: EVALUATE,
    flags: () => [flagOf([{ attribute: 'ip', operator: 'inCidr', value: times(5_000, network) }])],
    body: () => evaluationOf({ ip: times(19_999, index => `10.${index % 200}.0.1`) }),
  },
  {
    name: 'evaluation of 1 MB of text with 20 patterns',
    path: EVALUATE,
    flags: () => [
      flagOf(times(20, index => ({ ...matches(`(a|b)*c{${index + 1}}x$`), not: true }))),
    ],
    body: () => evaluationOf({ text: 'abab'.repeat(250_000) }),
  },
  {
    name: 'evaluation of a list of 19,000 texts with 20 dates',
    path: EVALUATE,
    flags: () => [
      flagOf(
        times(20, index => ({
          attribute: 'list',
          operator: 'before',
          value: `2026-01-${index + 10}T00:00:00Z`,
          not: true,
        })),
      ),
    ],
    body: () => evaluationOf({ list: times(19_000, index => `2027-01-01T00:00:00.${index}Z`) }),
  },
  {
    name: 'write of a flag with 200 heavy patterns',
    path: FLAGS,
    body: () => JSON.stringify(flagOf(times(200, () => matches(HEAVY)))),
  },
  {
    name: 'write of a flag with 1,700 heavy patterns, 512 KiB',
    path: FLAGS,
    body: () => JSON.stringify(flagOf(times(1_700, () => matches(HEAVY)))),
  },
  {
    name: 'preview of a flag of 7,200 conditions for 20 contexts',
    path: '/api/v1/evaluations/preview?environment=production',
    body: () =>
      JSON.stringify({
        flag: {
          key: 'flag',
          enabled: true,
          rules: times(150, rule => ({
            conditions: [
              { any: times(48, at => ({ attribute: 'a', operator: 'equals', value: rule + at })) },
            ],
          })),
        },
        contexts: times(20, index => ({ a: `x${index}` })),
      }),
  },
  {
    name: '8,000 different bulk evaluations of 100 flags',
    isSlow: true,
    path: '/api/v1/evaluations?environment=production',
    flags: () => times(100, index => ({ ...flagOf([]), key: `flag-${index}` })),
    count: 8_000,
    body: index => JSON.stringify({ context: { targetingKey: `user-${index}` } }),
  },
];
