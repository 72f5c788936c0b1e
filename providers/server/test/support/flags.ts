/** A boolean flag in the full form. */
export const booleanFlag = (key: string, on: boolean, more: object = {}) => ({
  key,
  type: 'boolean',
  enabled: true,
  variants: { on: true, off: false },
  defaultVariant: on ? 'on' : 'off',
  rules: [],
  seed: key,
  clientVisible: false,
  metadata: {},
  version: 1,
  ...more,
});

/** A flag of any type with a single variant. */
export const valueFlag = (key: string, type: string, value: unknown, more: object = {}) => ({
  ...booleanFlag(key, true),
  type,
  variants: { only: value },
  defaultVariant: 'only',
  ...more,
});

/** A rule that serves `on` if an attribute equals a value. */
export const onIf = (attribute: string, value: unknown) => ({
  id: `${attribute}-rule`,
  conditions: [{ attribute, operator: 'equals', value }],
  variant: 'on',
});
