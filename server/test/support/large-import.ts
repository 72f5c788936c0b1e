import type { Flag } from '@pennon/schema';

const CREATED_AT = '2026-01-01T00:00:00.000Z';

const conditionOf = (rule: number) => ({
  attribute: 'plan',
  operator: 'in' as const,
  value: Array.from({ length: 20 }, (_, value) => `value-${rule}-${value}`),
});

const flagOf = (index: number, change: Partial<Flag>): Flag => ({
  key: `flag-${String(index).padStart(5, '0')}`,
  type: 'boolean',
  enabled: true,
  description: 'x'.repeat(2_000),
  variants: { on: true, off: false },
  defaultVariant: 'off',
  clientVisible: index % 2 === 0,
  rules: Array.from({ length: 10 }, (_, rule) => ({
    id: `rule-${rule}`,
    conditions: [conditionOf(rule)],
    variant: 'on',
  })),
  metadata: {},
  seed: `flag-${index}`,
  version: 1,
  createdAt: CREATED_AT,
  updatedAt: CREATED_AT,
  ...change,
});

/** Returns the body of an import of many flags, of about 6 KB each, into the environment `production`. */
export const largeImport = (count: number, change: Partial<Flag>): Buffer<ArrayBuffer> =>
  Buffer.from(
    JSON.stringify({
      formatVersion: 1,
      environments: [
        {
          key: 'production',
          createdAt: CREATED_AT,
          flags: Array.from({ length: count }, (_, index) => flagOf(index, change)),
          segments: [],
        },
      ],
    }),
  );
