const CREATED_AT = '2026-01-01T00:00:00.000Z';
const SERVER_FIELDS = { version: 1, createdAt: CREATED_AT, updatedAt: CREATED_AT };

/** The number of flags that client keys see. */
const VISIBLE = 50;

/** The segment that all flags refer to. */
export const SEGMENT = 'beta';
export const conditionsOf = (plan: string): readonly object[] => [
  { attribute: 'plan', operator: 'in', value: [plan, 'max'] },
];

const flag = (index: number, count: number) => ({
  ...SERVER_FIELDS,
  key: `flag-${index}`,
  type: 'boolean',
  enabled: true,
  name: `The flag with the number ${index}`,
  description: `${'What the flag is for, and who decides on it. '.repeat(6)}${index}`,
  variants: { on: true, off: false },
  defaultVariant: 'off',
  clientVisible: index % (count / VISIBLE) === 0,
  rules: [
    { id: 'beta', conditions: [{ segment: SEGMENT }], variant: 'on' },
    {
      id: 'country',
      conditions: [{ attribute: 'country', operator: 'in', value: ['DE', 'FR', `c${index}`] }],
      variant: 'on',
      percentage: 50,
    },
  ],
  tags: [`team-${index % 20}`],
  metadata: {},
  seed: `flag-${index}`,
});

/** An export with many flags in one environment. */
export const exportOf = (count: number): string =>
  JSON.stringify({
    formatVersion: 1,
    environments: [
      {
        key: 'production',
        createdAt: CREATED_AT,
        flags: Array.from({ length: count }, (_, index) => flag(index, count)),
        segments: [{ ...SERVER_FIELDS, key: SEGMENT, conditions: conditionsOf('pro'), tags: [] }],
      },
    ],
  });
