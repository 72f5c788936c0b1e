/** A boolean flag as it is stored. */
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

/** A flag of any type that answers its one value to everybody. */
export const valueFlag = (key: string, type: string, value: unknown, more: object = {}) => ({
  ...booleanFlag(key, true),
  type,
  variants: { only: value },
  defaultVariant: 'only',
  ...more,
});

/** A rule that serves `on` where one attribute equals a value. */
export const onWhere = (attribute: string, value: unknown) => ({
  id: `${attribute}-rule`,
  conditions: [{ attribute, operator: 'equals', value }],
  variant: 'on',
});
