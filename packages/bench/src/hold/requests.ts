/** A request that costs a server much, or did. */
export type CostlyRequest = {
  readonly name: string;
  readonly path: string;
  /** Returns the text of the body. */
  readonly body: () => string;
};

const CREATED_AT = '2026-01-01T00:00:00.000Z';

const importOf = (flags: readonly unknown[]): string =>
  JSON.stringify({
    formatVersion: 1,
    environments: [{ key: 'production', createdAt: CREATED_AT, flags, segments: [] }],
  });

const times = <Item>(count: number, item: (index: number) => Item): Item[] =>
  Array.from({ length: count }, (_, index) => item(index));

const flag = (index: number) => ({
  key: `flag-${index}`,
  type: 'boolean',
  enabled: true,
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

const IMPORT = '/api/v1/import?overwrite=true';

export const COSTLY_REQUESTS: readonly CostlyRequest[] = [
  {
    name: 'import of 2,000,000 nulls',
    path: IMPORT,
    body: () => importOf(times(2_000_000, () => null)),
  },
  {
    name: 'import of 57 MiB of nulls in a flag',
    path: IMPORT,
    body: () => importOf([{ ...flag(0), rules: times(12_000_000, () => null) }]),
  },
  {
    name: 'import of an object with 1,000,000 names',
    path: IMPORT,
    body: () => JSON.stringify(Object.fromEntries(times(1_000_000, index => [`name-${index}`, 0]))),
  },
  {
    name: 'import of 10,000 valid flags, 55 MiB',
    path: IMPORT,
    body: () => importOf(times(10_000, flag)),
  },
];
